"""Benchmarks and one's own data, by name: `DATASETS` is where a new one is added."""

from collections.abc import Callable

from retrieval.datasets.clips import PARTS, Clips, Dataset, Example, Split, overlaps
from retrieval.datasets.errors import DataError, MissingData
from retrieval.datasets.loader import TrainLoader, count_left_out
from retrieval.datasets.msrvtt import msrvtt
from retrieval.datasets.msvd import msvd
from retrieval.datasets.reader import Fitted, FrameReader
from retrieval.datasets.shards import shards
from retrieval.datasets.table import table
from retrieval.datasets.vatex import vatex
from retrieval.recipe import DataSpec, TrainRecipe

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
    return DATASETS[data.name](data)


def train_data(recipe: TrainRecipe) -> TrainLoader:
    """Batches of the training part, as the recipe's [data], [frames] and [train] tables say.

    `DataError`, too, where the part that is to select a checkpoint is not there: not after the first epoch.
    """
    dataset = open_dataset(recipe.data)
    if dataset.train is None:
        raise DataError(f"data: {recipe.data.name!r} as it stands has no training part")
    if recipe.eval.select_on != "none":
        dataset.part(recipe.eval.select_on)
    return TrainLoader(
        dataset.train,
        FrameReader.of(recipe.frames, recipe.frames.train_position, recipe.data.cache),
        identity=dataset.identity,
        seed=recipe.seed,
        epoch_of=recipe.data.epoch_of,
        threads=recipe.train.loader_threads,
    )


__all__ = [
    "DATASETS",
    "PARTS",
    "Clips",
    "DataError",
    "Dataset",
    "Example",
    "Fitted",
    "FrameReader",
    "MissingData",
    "Split",
    "TrainLoader",
    "count_left_out",
    "open_dataset",
    "overlaps",
    "train_data",
]
