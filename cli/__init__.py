"""Command lines of `animate` and `retrieval`: parse, call one function, print.

Installed as `animate.cli`, so that no top-level name `cli` is taken; hence the relative imports in here.
"""
