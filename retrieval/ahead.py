"""What a command is asked for, judged before the seconds that torch takes to load."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animate import UserError
from retrieval.errors import DataError
from retrieval.normalise import POST_PROCESSING
from retrieval.recipe import TrainRecipe

if TYPE_CHECKING:
    from retrieval.datasets import Dataset, Split

#: Devices that torch computes on; which of them are here, torch alone knows.
_DEVICE = re.compile(r"auto|cpu(:0)?|(cuda|mps|xpu)(:\d+)?")


def check_device(name: str) -> None:
    """`UserError` for what is no name of a device."""
    if not _DEVICE.fullmatch(name):
        raise UserError(f"device = {name!r}: must be auto, cpu, cuda, cuda:1, …, mps or xpu")


def check_trained_on(dataset: "Dataset", recipe: TrainRecipe) -> None:
    """`DataError` where there is nothing to train on, or the part that selects a checkpoint is not there."""
    if dataset.train is None:
        raise DataError(f"data: {recipe.data.name!r} as it stands has no training part")
    if recipe.eval.select_on != "none":
        dataset.part(recipe.eval.select_on)


def check_judged(dataset: "Dataset", part: str, post_processing: Sequence[str]) -> None:
    """`DataError` where the part to judge by is not there, or what a post-processing needs."""
    for name in post_processing:
        if name not in POST_PROCESSING:
            raise DataError(f"post = {name!r}: must be one of {', '.join(POST_PROCESSING)}")
    dataset.part(part)
    if "query-bank" in post_processing and dataset.train is None:
        raise DataError("post = 'query-bank': needs the training part's captions, and there is none")


def refuse_overlap(trained_on: Any, split: "Split") -> None:
    """`DataError` if a training list behind the model is known to share videos with the split.

    `trained_on` is the identity that a checkpoint keeps, with the one it started from under `before`, and so
    on.
    """
    from retrieval.datasets.official import shared_videos  # what reads data sets takes half a second to load

    for identity in lineage(trained_on):
        shared = shared_videos(str(identity.get("videos", "")), split.name)
        if shared:
            raise DataError(
                f"the model was trained on {identity.get('name')} {identity.get('split')}, which shares "
                f"{shared:,} videos with {split.name}: a result would be worthless"
            )


def lineage(trained_on: Any) -> Iterator[Mapping[str, Any]]:
    """What a checkpoint was trained on, then what the one it started from was, back to the first."""
    while isinstance(trained_on, Mapping):
        yield trained_on
        trained_on = trained_on.get("before")


def check_search(text: str, *, top: int, candidates: int) -> None:
    """`DataError` for a search that looks for nothing, or wants to show none or more than it looks at."""
    if top < 1 or candidates < top:
        raise DataError(
            f"top = {top}, candidates = {candidates}: must be 1 or more, and candidates not fewer"
        )
    if not text.strip():
        raise DataError("text = '': there is nothing to search for")


def check_in_place(facts: Mapping[str, Any]) -> None:
    """`DataError` where the files of the model that made a gallery, which says `facts` of itself, are gone.

    Its table of the model alone would begin another one: the weights that training began with.
    """
    place = Path(facts["checkpoint"])
    if place.is_absolute() and not place.exists():
        raise DataError(f"gallery: its model is no longer at {place}; say where it is (--model)")


def check_same_model(facts: Mapping[str, Any], digest: str, reference: str) -> None:
    """`DataError` unless the gallery that says `facts` of itself was made by the weights with that digest."""
    if facts["model_digest"] != digest:
        raise DataError(f"gallery: was made by other weights than {reference} has; index the videos again")
