"""The model: towers (two encoders), temporal pooling, and the interaction module of the fine stage."""

from retrieval.model.features import Features, Towers
from retrieval.model.interaction import Interaction
from retrieval.model.retriever import Retriever, assemble, build_retriever, rebuild_retriever

__all__ = [
    "Features",
    "Interaction",
    "Retriever",
    "Towers",
    "assemble",
    "build_retriever",
    "rebuild_retriever",
]
