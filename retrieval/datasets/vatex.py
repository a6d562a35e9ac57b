"""VATEX (English), with the split of HGR: 25,991 / 1,500 / 1,500 videos, ten captions each.

HGR divides VATEX's validation part into validation and test, since the captions of the official test
part are not public.
"""

from pathlib import Path

from retrieval.datasets.benchmark import OfficialList, benchmark, find_annotation, refuse_missing
from retrieval.datasets.clips import Dataset
from retrieval.datasets.text import read_list, read_records
from retrieval.errors import DataError
from retrieval.recipe import DataSpec

PAGE = (
    "https://eric-xw.github.io/vatex-website/download.html (annotations; videos from their YouTube ids), "
    "https://github.com/cshizhe/hgr_v2t (the lists)"
)
LISTS = {"train": "train_list.txt", "validation": "val_list.txt", "test": "test_list.txt"}
ANNOTATIONS = ("vatex_training_v1.0.json", "vatex_validation_v1.0.json")


def vatex(data: DataSpec) -> Dataset:
    """Lists by HGR; captions from the official JSON (`[{"videoID": …, "enCap": […]}]`)."""
    if data.split:
        raise DataError(f"split = {data.split!r}: vatex has one split only, leave it empty")
    refuse_missing(data, [[file] for file in (*ANNOTATIONS, *LISTS.values())], page=PAGE)
    captions: dict[str, list[str]] = {}
    for file in ANNOTATIONS:
        for row in read_records(find_annotation(data.annotations, [file], page=PAGE)):
            captions[row.text("videoID")] = row.captions("enCap")

    def listed(part: str) -> OfficialList:
        path = find_annotation(data.annotations, [LISTS[part]], page=PAGE)
        return OfficialList(
            name=f"vatex {part}",
            list_file=path,
            ids=read_list(path),
            captions=captions,
            annotation=Path(data.annotations) / ANNOTATIONS[0 if part == "train" else 1],
        )

    return benchmark(
        "vatex",
        "",
        train=listed("train"),
        validation=listed("validation"),
        test=listed("test"),
        folder=data.videos,
        page=PAGE,
    )
