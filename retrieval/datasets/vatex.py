"""VATEX (English), with the split of HGR: 25,991 / 1,500 / 1,500 videos, ten captions each.

HGR divides VATEX's validation part into validation and test, since the captions of the official test
part are not public.
"""

from pathlib import Path

from retrieval.datasets.clips import Dataset
from retrieval.datasets.errors import DataError, MissingData
from retrieval.datasets.files import VideoFiles, find_annotation, find_videos, read_json, read_list
from retrieval.datasets.known import check_list
from retrieval.recipe import DataSpec

PAGE = (
    "https://eric-xw.github.io/vatex-website/download.html (annotations; videos from their YouTube ids), "
    "https://github.com/cshizhe/hgr_v2t (the lists)"
)
PARTS = {"train": "train_list.txt", "validation": "val_list.txt", "test": "test_list.txt"}
ANNOTATIONS = ("vatex_training_v1.0.json", "vatex_validation_v1.0.json")


def vatex(data: DataSpec) -> Dataset:
    """Lists by HGR; captions from the official JSON (`[{"videoID": …, "enCap": […]}]`)."""
    if data.split:
        raise DataError(f"split = {data.split!r}: vatex has one split only, leave it empty")
    captions: dict[str, list[str]] = {}
    for file in ANNOTATIONS:
        records = read_json(find_annotation(data.annotations, [file], page=PAGE))
        captions |= {record["videoID"]: record["enCap"] for record in records}
    paths = find_videos(data.videos, what="vatex", page=PAGE)
    parts = {}
    for part, file in PARTS.items():
        ids = read_list(find_annotation(data.annotations, [file], page=PAGE))
        check_list(f"vatex {part}", ids)
        without = [video for video in ids if not captions.get(video)]
        if without:
            raise MissingData(
                f"vatex: {len(without)} of {len(ids)} videos of {file} have no captions, first {without[0]}",
                page=PAGE,
                place=str(Path(data.annotations) / ANNOTATIONS[0 if part == "train" else 1]),
            )
        parts[part] = VideoFiles(ids, captions, paths, Path(data.videos))
    validation, test = (parts[part].split(f"vatex {part}") for part in ("validation", "test"))
    return Dataset(
        identity=parts["train"].identity("vatex"), train=parts["train"], validation=validation, test=test
    )
