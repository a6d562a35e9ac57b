"""A benchmark put together from its official lists, its captions and a folder of videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retrieval.datasets.clips import Dataset, Split
from retrieval.datasets.files import VideoFiles
from retrieval.datasets.folder import find_folder, find_videos, video_id
from retrieval.datasets.official import check_list, check_queries
from retrieval.errors import MissingData
from retrieval.recipe import DataSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialList:
    """One official list. `captions` may have those of other videos too; `annotation` is where they stand."""

    name: str
    list_file: Path
    ids: Sequence[str]
    captions: Mapping[str, Sequence[str]]
    annotation: Path


def benchmark(
    name: str,
    split: str,
    *,
    train: OfficialList,
    validation: OfficialList | None,
    test: OfficialList,
    folder: str,
    page: str,
) -> Dataset:
    """The data set of three lists, each the official one and with captions for all of its videos."""
    parts = [part for part in (train, validation, test) if part is not None]
    ids = {part.name: [video_id(listed) for listed in part.ids] for part in parts}
    for part in parts:
        check_list(part.name, ids[part.name])
        _refuse_uncaptioned(part, ids[part.name], page)
    every = [video for listed in ids.values() for video in listed]
    paths = find_videos(folder, every, what=f"{name} {split}".strip(), page=page)
    clips = {part.name: VideoFiles(ids[part.name], part.captions, paths, Path(folder)) for part in parts}

    def judged(part: OfficialList) -> Split:
        found = clips[part.name].split(part.name)
        check_queries(found)
        return found

    return Dataset(
        identity=clips[train.name].identity(name, split),
        train=clips[train.name],
        validation=judged(validation) if validation else None,
        test=judged(test),
    )


def refuse_missing(data: DataSpec, annotations: Sequence[Sequence[str]], *, page: str) -> None:
    """`MissingData` if an annotation file (under any of its names) or the folder of videos is not there.

    Said before anything is read, for an annotation takes a second.
    """
    for names in annotations:
        find_annotation(data.annotations, names, page=page)
    find_folder(data.videos, what=data.name, page=page)


def find_annotation(folder: str, names: Sequence[str], *, page: str) -> Path:
    """The first of `names` (or one with .gz behind it) in the folder of annotations."""
    for name in names:
        for candidate in (Path(folder) / name, Path(folder) / f"{name}.gz"):
            if folder and candidate.is_file():
                return candidate
    raise MissingData(
        f"annotation file {' or '.join(names)} is not there",
        page=page,
        place=f"{Path(folder or 'any folder, named as data.annotations') / names[0]}",
    )


def _refuse_uncaptioned(part: OfficialList, ids: Sequence[str], page: str) -> None:
    without = [video for video in ids if not part.captions.get(video)]
    if without:
        raise MissingData(
            f"{part.name}: {len(without)} of {len(ids)} videos of {part.list_file.name} have no captions, "
            f"first {without[0]}",
            page=page,
            place=str(part.annotation),
        )
