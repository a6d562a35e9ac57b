"""A gallery in a browser: a box for words, and the ranking of each stage beside the other."""

from retrieval.site.server import open_site

__all__ = ["open_site"]
