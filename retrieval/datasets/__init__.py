"""Benchmarks and one's own data, by name: `DATASETS` is where a new one is added."""

from collections.abc import Callable

from retrieval.datasets.clips import (
    Absent,
    Clips,
    Dataset,
    Example,
    Motion,
    Split,
    count_left_out,
    overlaps,
)
from retrieval.datasets.msrvtt import msrvtt
from retrieval.datasets.msvd import msvd
from retrieval.datasets.reader import Fitted, FrameReader
from retrieval.datasets.shards import shards
from retrieval.datasets.table import table
from retrieval.datasets.vatex import vatex
from retrieval.errors import DataError
from retrieval.recipe import PARTS, DataSpec, PartName

DATASETS: dict[str, Callable[[DataSpec], Dataset]] = {
    "shards": shards,
    "msrvtt": msrvtt,
    "msvd": msvd,
    "vatex": vatex,
    "table": table,
}


def open_dataset(data: DataSpec) -> Dataset:
    """The data set of a recipe's [data] table.

    `MissingData` says which file is not there; `DataError` which key makes no sense, or which list is not
    the official one.
    """
    if data.name not in DATASETS:
        raise DataError(f"data.name = {data.name!r}: must be one of {', '.join(DATASETS)}")
    if data.caption_of != "caption" and data.name != "shards":
        raise DataError(
            f"data.caption_of = {data.caption_of!r}: {data.name} says nothing of the camera; "
            'only shards of `animate build` do (data.name = "shards")'
        )
    return DATASETS[data.name](data)


__all__ = [
    "DATASETS",
    "PARTS",
    "Absent",
    "Clips",
    "Dataset",
    "Example",
    "Fitted",
    "FrameReader",
    "Motion",
    "PartName",
    "Split",
    "count_left_out",
    "open_dataset",
    "overlaps",
]
