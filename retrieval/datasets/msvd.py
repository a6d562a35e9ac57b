"""MSVD: 1,200 / 100 / 670 videos; every one of the 27,763 test captions is a query."""

import io
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

from retrieval.datasets.clips import Dataset
from retrieval.datasets.errors import DataError
from retrieval.datasets.files import VideoFiles, find_annotation, find_videos, read_json, read_list
from retrieval.datasets.known import check_list, check_queries
from retrieval.recipe import DataSpec

PAGE = (
    "https://www.cs.utexas.edu/~ml/clamp/videoDescription/ (videos), "
    "https://github.com/ArrowLuo/CLIP4Clip (msvd_data.zip among its releases: captions and lists)"
)
PARTS = {"train": "train_list.txt", "validation": "val_list.txt", "test": "test_list.txt"}


def msvd(data: DataSpec) -> Dataset:
    """The one split that is in use; captions as JSON (`{video: [caption]}`) or the usual raw-captions.pkl."""
    if data.split:
        raise DataError(f"split = {data.split!r}: msvd has one split only, leave it empty")
    captions = read_captions(
        find_annotation(data.annotations, ["captions_msvd.json", "raw-captions.pkl"], page=PAGE)
    )
    paths = find_videos(data.videos, what="msvd", page=PAGE)
    parts = {}
    for part, file in PARTS.items():
        ids = read_list(find_annotation(data.annotations, [file], page=PAGE))
        check_list(f"msvd {part}", ids)
        parts[part] = VideoFiles(ids, captions, paths, Path(data.videos))
    validation, test = (parts[part].split(f"msvd {part}") for part in ("validation", "test"))
    check_queries(validation)
    check_queries(test)
    return Dataset(
        identity=parts["train"].identity("msvd"), train=parts["train"], validation=validation, test=test
    )


def read_captions(path: Path) -> Mapping[str, Sequence[str]]:
    if path.suffix != ".pkl":
        return read_json(path)
    words = _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
    return {video: [" ".join(caption) for caption in captions] for video, captions in words.items()}


class _PlainUnpickler(pickle.Unpickler):
    """Lists, dictionaries and text only: a pickle file may otherwise run any code."""

    def find_class(self, module_name: str, global_name: str) -> object:
        raise DataError(f"captions: the pickle wants {module_name}.{global_name}, which is no plain data")
