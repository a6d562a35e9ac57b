"""MSVD: 1,200 / 100 / 670 videos; every one of the 27,763 test captions is a query."""

import io
import pickle
from pathlib import Path
from typing import Any

from retrieval.datasets.benchmark import OfficialList, benchmark, find_annotation, refuse_missing
from retrieval.datasets.clips import Dataset
from retrieval.datasets.text import captions_of, read_json, read_list, read_whole, text_of
from retrieval.errors import DataError
from retrieval.recipe import DataSpec

PAGE = (
    "https://www.cs.utexas.edu/~ml/clamp/videoDescription/ (videos), "
    "https://github.com/ArrowLuo/CLIP4Clip (msvd_data.zip among its releases: captions and lists)"
)
LISTS = {"train": "train_list.txt", "validation": "val_list.txt", "test": "test_list.txt"}

CAPTIONS = ("captions_msvd.json", "raw-captions.pkl")


def msvd(data: DataSpec) -> Dataset:
    """The one split that is in use; captions as JSON (`{video: [caption]}`) or the usual raw-captions.pkl."""
    if data.split:
        raise DataError(f"split = {data.split!r}: msvd has one split only, leave it empty")
    refuse_missing(data, [CAPTIONS, *([file] for file in LISTS.values())], page=PAGE)
    annotation = find_annotation(data.annotations, CAPTIONS, page=PAGE)
    captions = read_captions(annotation)

    def listed(part: str) -> OfficialList:
        path = find_annotation(data.annotations, [LISTS[part]], page=PAGE)
        return OfficialList(
            name=f"msvd {part}",
            list_file=path,
            ids=read_list(path),
            captions=captions,
            annotation=annotation,
        )

    return benchmark(
        "msvd",
        "",
        train=listed("train"),
        validation=listed("validation"),
        test=listed("test"),
        folder=data.videos,
        page=PAGE,
    )


def read_captions(path: Path) -> dict[str, list[str]]:
    """Captions by video, from either form; the pickle has each caption as a list of words."""
    table = _unpickled(path) if path.suffix == ".pkl" else read_json(path)
    if not isinstance(table, dict):
        raise DataError(f"{path}: must be a table of videos and their captions, not a {type(table).__name__}")
    return {
        text_of(video, f"{path}: a video"): captions_of(_sentences(captions), f"{path}: {video!r}")
        for video, captions in table.items()
    }


def _sentences(captions: Any) -> Any:
    """The same with captions in words made whole; what is neither words nor text stays, to be refused."""
    if not isinstance(captions, list):
        return captions
    return [
        " ".join(caption)
        if isinstance(caption, list) and all(isinstance(word, str) for word in caption)
        else caption
        for caption in captions
    ]


def _unpickled(path: Path) -> Any:
    try:
        return _PlainUnpickler(io.BytesIO(read_whole(path))).load()
    except DataError:
        raise
    # What damaged bytes raise: pickle names these itself, "but not necessarily limited to" them.
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, ValueError, KeyError) as error:
        raise DataError(f"{path}: is no pickle that can be read: {error}") from None


class _PlainUnpickler(pickle.Unpickler):
    """Lists, dictionaries and text only: a pickle file may otherwise run any code."""

    def find_class(self, module_name: str, global_name: str) -> object:
        raise DataError(f"captions: the pickle wants {module_name}.{global_name}, which is no plain data")
