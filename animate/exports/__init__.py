"""Shard sets in the layouts of other projects: `EXPORTS` is where a new one is added.

A file an exporter; its docstring says what OUT has and restates the rules of whoever reads that.
"""

from collections.abc import Mapping

from animate.exports.clip import (
    SPLITS,
    ExportClip,
    Exported,
    Exporter,
    Note,
    Notes,
    Split,
    file_name,
    total,
)
from animate.exports.clip4clip import CLIP4CLIP
from animate.exports.dali import DALI
from animate.exports.hf import HF
from animate.exports.kinetics import KINETICS
from animate.exports.lavis import LAVIS
from animate.exports.litdata import LITDATA
from animate.exports.mds import MDS
from animate.exports.msrvtt import MSRVTT
from animate.exports.umt import UMT
from animate.exports.webvid import WEBVID

#: By what `--to` calls it.
EXPORTS: Mapping[str, Exporter] = {
    "webvid": WEBVID,
    "clip4clip": CLIP4CLIP,
    "msrvtt": MSRVTT,
    "umt": UMT,
    "lavis": LAVIS,
    "hf": HF,
    "mds": MDS,
    "litdata": LITDATA,
    "dali": DALI,
    "kinetics": KINETICS,
}

__all__ = [
    "EXPORTS",
    "SPLITS",
    "ExportClip",
    "Exported",
    "Exporter",
    "Note",
    "Notes",
    "Split",
    "file_name",
    "total",
]
