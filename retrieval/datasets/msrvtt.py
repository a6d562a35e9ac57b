"""MSR-VTT: 1k-A with the 9k or the 7k training list, and the full split."""

from collections import defaultdict
from pathlib import Path

from retrieval.datasets.clips import Dataset
from retrieval.datasets.errors import DataError
from retrieval.datasets.files import VideoFiles, find_annotation, find_videos, read_csv, read_json
from retrieval.datasets.known import check_list, check_queries
from retrieval.recipe import DataSpec

PAGE = (
    "https://www.microsoft.com/en-us/research/publication/msr-vtt-a-large-video-description-dataset-for-"
    "bridging-video-and-language/ (videos), https://github.com/ArrowLuo/CLIP4Clip (msrvtt_data.zip among "
    "its releases: annotation and lists)"
)
SPLITS = ("9k", "7k", "full")


def msrvtt(data: DataSpec) -> Dataset:
    """`data.split` is 9k (default), 7k or full; 1k-A has no validation part of its own.

    Test captions of 1k-A are the sentences of the JSFusion list, one a video; all others come from the
    annotation, twenty a video.
    """
    split = data.split or "9k"
    if split not in SPLITS:
        raise DataError(f"split = {split!r}: msrvtt has {', '.join(SPLITS)}")
    captions: dict[str, list[str]] = defaultdict(list)
    for sentence in read_json(_find(data, "MSRVTT_data.json"))["sentences"]:
        captions[sentence["video_id"]].append(sentence["caption"])
    paths = find_videos(data.videos, what="msrvtt", page=PAGE)

    def files(name: str, file: str) -> VideoFiles:
        ids = [row["video_id"] for row in read_csv(_find(data, file), ["video_id"])]
        check_list(name, ids)
        return VideoFiles(ids, captions, paths, Path(data.videos))

    train = files(f"msrvtt {split} train", f"MSRVTT_train.{split}.csv")
    if split == "full":
        validation = files("msrvtt full validation", "MSRVTT_val.full.csv").split("msrvtt full validation")
        test = files("msrvtt full test", "MSRVTT_test.full.csv").split("msrvtt full test")
        check_queries(validation)
    else:
        validation = None
        rows = read_csv(_find(data, "MSRVTT_JSFUSION_test.csv"), ["video_id", "sentence"])
        sentences = {row["video_id"]: [row["sentence"]] for row in rows}
        check_list("msrvtt 1k-A test", sentences)
        test = VideoFiles(list(sentences), sentences, paths, Path(data.videos)).split("msrvtt 1k-A test")
    check_queries(test)
    return Dataset(identity=train.identity("msrvtt", split), train=train, validation=validation, test=test)


def _find(data: DataSpec, file: str) -> Path:
    return find_annotation(data.annotations, [file], page=PAGE)
