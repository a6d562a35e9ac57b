"""One's own videos: a csv or jsonl file with a video path (or id) and captions in each row."""

import json
from collections.abc import Iterator
from pathlib import Path

from retrieval.datasets.clips import Dataset
from retrieval.datasets.errors import DataError, MissingData
from retrieval.datasets.files import VideoFiles, find_videos, read_csv
from retrieval.recipe import DataSpec

PAGE = "your own"
FORM = (
    'csv with the columns video,caption (a video may stand in several rows) or jsonl with {"video": path, '
    '"captions": [text]}; video is a path from data.videos (or the table\'s folder) on, or a name there '
    "without its suffix"
)


def table(data: DataSpec) -> Dataset:
    """`data.table` to train on and `data.held_out_table` to validate and test on; either may be absent."""
    if not data.table and not data.held_out_table:
        raise DataError(f"table = '': give data.table or data.held_out_table: {FORM}")
    train = _files(data, data.table) if data.table else None
    held_out = _files(data, data.held_out_table) if data.held_out_table else None
    return Dataset(
        identity=train.identity("table") if train else {"name": "table", "split": "", "videos": ""},
        train=train,
        validation=held_out.split(f"table {Path(data.held_out_table).name}") if held_out else None,
        test=held_out.split(f"table {Path(data.held_out_table).name}") if held_out else None,
    )


def _files(data: DataSpec, name: str) -> VideoFiles:
    path = Path(name)
    if not path.is_file():
        raise MissingData(f"table {name!r} is not there", page=PAGE, place=f"{name}: {FORM}")
    folder = Path(data.videos) if data.videos else path.parent
    captions: dict[str, list[str]] = {}
    for video, texts in _rows(path):
        captions.setdefault(video, []).extend(texts)
    if not captions:
        raise DataError(f"{path}: has no rows; {FORM}")
    named = find_videos(str(folder), what=f"table {path.name}", page=PAGE)
    paths = {}
    for video in captions:
        direct = folder / video
        paths[video] = direct if direct.exists() else named.get(video, direct)
    return VideoFiles(list(captions), captions, paths, folder)


def _rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each row's video and captions; `DataError` names the line that has none."""
    if path.suffix == ".csv":
        for row in read_csv(path, ["video", "caption"]):
            yield row["video"], [row["caption"]]
        return
    if path.suffix != ".jsonl":
        raise DataError(f"table = {str(path)!r}: must end in .csv or .jsonl: {FORM}")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        row = json.loads(line)
        video = row.get("video") or row.get("video_id")
        texts = row.get("captions") or [row[key] for key in ("caption",) if row.get(key)]
        if not video or not texts:
            raise DataError(f"{path}, line {number}: needs video and captions, has {', '.join(row)}")
        yield video, texts
