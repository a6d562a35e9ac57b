"""The model: towers (two encoders), temporal pooling, and the interaction module of the fine stage."""

from retrieval.model.features import Features, Towers

__all__ = ["Features", "Towers"]
