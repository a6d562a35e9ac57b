"""What a command is asked for, judged before the seconds that torch takes to load."""

import re
from collections.abc import Sequence

from animate import UserError
from retrieval.datasets import Dataset
from retrieval.errors import DataError
from retrieval.normalise import POST_PROCESSING
from retrieval.recipe import TrainRecipe

#: Devices that torch computes on; which of them are here, torch alone knows.
_DEVICE = re.compile(r"auto|cpu(:0)?|(cuda|mps|xpu)(:\d+)?")


def check_device(name: str) -> None:
    """`UserError` for what is no name of a device."""
    if not _DEVICE.fullmatch(name):
        raise UserError(f"device = {name!r}: must be auto, cpu, cuda, cuda:1, …, mps or xpu")


def check_trained_on(dataset: Dataset, recipe: TrainRecipe) -> None:
    """`DataError` where there is nothing to train on, or the part that selects a checkpoint is not there."""
    if dataset.train is None:
        raise DataError(f"data: {recipe.data.name!r} as it stands has no training part")
    if recipe.eval.select_on != "none":
        dataset.part(recipe.eval.select_on)


def check_judged(dataset: Dataset, part: str, post_processing: Sequence[str]) -> None:
    """`DataError` where the part to judge by is not there, or what a post-processing needs."""
    for name in post_processing:
        if name not in POST_PROCESSING:
            raise DataError(f"post = {name!r}: must be one of {', '.join(POST_PROCESSING)}")
    dataset.part(part)
    if "query-bank" in post_processing and dataset.train is None:
        raise DataError("post = 'query-bank': needs the training part's captions, and there is none")


def check_search(text: str, *, top: int, candidates: int) -> None:
    """`DataError` for a search that looks for nothing, or wants to show none or more than it looks at."""
    if top < 1 or candidates < top:
        raise DataError(
            f"top = {top}, candidates = {candidates}: must be 1 or more, and candidates not fewer"
        )
    if not text.strip():
        raise DataError("text = '': there is nothing to search for")
