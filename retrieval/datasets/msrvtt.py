"""MSR-VTT: 1k-A with the 9k or the 7k training list, and the full split."""

from collections import defaultdict
from pathlib import Path

from retrieval.datasets.benchmark import OfficialList, benchmark, find_annotation, refuse_missing
from retrieval.datasets.clips import Dataset
from retrieval.datasets.folder import video_id
from retrieval.datasets.text import read_csv, read_records
from retrieval.errors import DataError
from retrieval.recipe import DataSpec

PAGE = (
    "https://www.microsoft.com/en-us/research/publication/msr-vtt-a-large-video-description-dataset-for-"
    "bridging-video-and-language/ (videos), https://github.com/ArrowLuo/CLIP4Clip (msrvtt_data.zip among "
    "its releases: annotation and lists)"
)
SPLITS = ("9k", "7k", "full")
ONE_K_A = "MSRVTT_JSFUSION_test.csv"


def msrvtt(data: DataSpec) -> Dataset:
    """`data.split` is 9k (default), 7k or full; 1k-A has no validation part of its own.

    Test captions of 1k-A are the sentences of the JSFusion list, one a video; all others come from the
    annotation, twenty a video.
    """
    split = data.split or "9k"
    if split not in SPLITS:
        raise DataError(f"split = {split!r}: msrvtt has {', '.join(SPLITS)}")
    train_list = f"MSRVTT_train.{split}.csv"
    judged = ("MSRVTT_val.full.csv", "MSRVTT_test.full.csv") if split == "full" else (ONE_K_A,)
    refuse_missing(data, [[file] for file in ("MSRVTT_data.json", train_list, *judged)], page=PAGE)
    annotation = _find(data, "MSRVTT_data.json")
    captions: dict[str, list[str]] = defaultdict(list)
    for row in read_records(annotation, "sentences"):
        captions[row.text("video_id")] += row.captions("caption")

    def listed(name: str, file: str) -> OfficialList:
        path = _find(data, file)
        ids = [row.text("video_id") for row in read_csv(path, ["video_id"])]
        return OfficialList(name=name, list_file=path, ids=ids, captions=captions, annotation=annotation)

    return benchmark(
        "msrvtt",
        split,
        train=listed(f"msrvtt {split} train", train_list),
        validation=listed("msrvtt full validation", "MSRVTT_val.full.csv") if split == "full" else None,
        test=listed("msrvtt full test", "MSRVTT_test.full.csv") if split == "full" else _one_k_a(data),
        folder=data.videos,
        page=PAGE,
    )


def _one_k_a(data: DataSpec) -> OfficialList:
    path = _find(data, ONE_K_A)
    rows = read_csv(path, ["video_id", "sentence"])
    queries = {video_id(row.text("video_id")): row.captions("sentence") for row in rows}
    return OfficialList(
        name="msrvtt 1k-A test", list_file=path, ids=list(queries), captions=queries, annotation=path
    )


def _find(data: DataSpec, file: str) -> Path:
    return find_annotation(data.annotations, [file], page=PAGE)
