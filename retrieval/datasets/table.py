"""One's own videos: a csv, tsv or jsonl file with a video path (or id) and captions in each row."""

from collections.abc import Iterator
from pathlib import Path

from retrieval.datasets.clips import Dataset, Split
from retrieval.datasets.files import VideoFiles
from retrieval.datasets.folder import find_videos
from retrieval.datasets.text import Record, read_csv, read_jsonl
from retrieval.errors import DataError, MissingData
from retrieval.recipe import DataSpec

PAGE = "your own"
FORM = (
    'csv (or tsv) with the columns video,caption (a video may stand in several rows) or jsonl with {"video": '
    'path, "captions": [text]}; video is a path from data.videos (or the folder of the table) on, or a name '
    "there without its suffix"
)
DELIMITERS = {".csv": ",", ".tsv": "\t"}


def table(data: DataSpec) -> Dataset:
    """`data.table` to train on, `.validation_table` to select by, `.held_out_table` as test; any of them."""
    if not (data.table or data.validation_table or data.held_out_table):
        raise DataError(f"table = '': give data.table, data.validation_table or data.held_out_table: {FORM}")
    train = _files(data, data.table) if data.table else None
    return Dataset(
        identity=train.identity("table") if train else {"name": "table", "split": "", "videos": ""},
        train=train,
        validation=_split(data, data.validation_table),
        test=_split(data, data.held_out_table),
    )


def _split(data: DataSpec, name: str) -> Split | None:
    if not name:
        return None
    videos = _files(data, name)
    return videos.split(f"table {Path(name).name}", files=videos.hashes())


def _files(data: DataSpec, name: str) -> VideoFiles:
    path = Path(name)
    if not path.is_file():
        raise MissingData(f"table {name!r} is not there", page=PAGE, place=f"{name}: {FORM}")
    folder = Path(data.videos) if data.videos else path.parent
    captions: dict[str, list[str]] = {}
    for row in _rows(path):
        video = row.text("video", "video_id").strip()
        captions.setdefault(video, []).extend(row.captions("captions", "caption"))
    if not captions:
        raise DataError(f"{path}: has no rows; {FORM}")
    paths = find_videos(str(folder), captions, what=f"table {path.name}", page=PAGE)
    return VideoFiles(list(captions), captions, paths, folder)


def _rows(path: Path) -> Iterator[Record]:
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        yield from read_jsonl(path)
    elif suffix in DELIMITERS:
        yield from read_csv(path, ["video", "caption"], DELIMITERS[suffix])
    else:
        raise DataError(f"table = {str(path)!r}: must end in .csv, .tsv or .jsonl: {FORM}")
