"""One shard on its way out: which of its clips, under what names, and its files moved into place and marked.

A shard is written into a folder of its own. Its files are moved to where OUT has them, then its notes, and
then its mark, which alone means "done": what was cut off before is written anew, over what is there of it.
"""

import dataclasses
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from animate.codec import UndecodableImage, encode_mp4
from animate.data import Clip
from animate.exports import EXPORTS, SPLITS, ExportClip, Exporter, Split, file_name
from animate.film import replay_record
from animate.formats import stored_frames
from animate.recipe import BuildRecipe
from animate.record import Columns
from animate.shards.card import counted
from animate.shards.place import Place
from animate.shards.read import stored_rows
from animate.sources.licences import is_one_of, licence_column, stated_licence

#: Our own files in OUT, and those of them that are there until the end.
OURS = "_export"
MARKS, NOTES, WRITING = f"{OURS}/marks", f"{OURS}/notes", f"{OURS}/writing"
#: Why a clip is left out.
NO_LICENCE, OTHER_LICENCE = "no licence stated", "another licence"
#: The set has the licence of a montage's first still alone.
OF_SEVERAL_STILLS = "of several stills, whose licences are not all known"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob:
    """What decides an export, beside the set: plain values, for it travels to workers."""

    shards: str
    out: str
    to: str
    licences: tuple[str, ...]
    shares: tuple[float, ...]
    recipe: BuildRecipe
    columns: Columns
    device: str

    @property
    def exporter(self) -> Exporter:
        return EXPORTS[self.to]

    @property
    def licence_column(self) -> str:
        return licence_column(self.columns, self.recipe.source.filters)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardMark:
    """What became of the clips of one shard."""

    clips: Mapping[str, int]
    left_out: Mapping[str, int]
    remarks: Mapping[str, int]
    licences: Mapping[str, int]


@dataclass(slots=True)
class _Counts:
    """The same while they are counted."""

    clips: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    licences: list[str] = field(default_factory=list)

    def mark(self) -> ShardMark:
        tables = (self.clips, self.left_out, self.remarks, counted(self.licences))
        clips, left_out, remarks, licences = (dict(sorted(table.items())) for table in tables)
        return ShardMark(clips=clips, left_out=left_out, remarks=remarks, licences=licences)


def read_mark(folder: Path, shard: str) -> ShardMark | None:
    """What became of a shard; None if it is not exported yet."""
    try:
        return ShardMark(**json.loads((folder / MARKS / f"{shard}.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def export_shard(job: ExportJob, shard: str, clips: int) -> ShardMark:
    """The clips of one shard are in place and marked. `clips` is how many it has, by its marker."""
    folder = Path(job.out)
    writing = folder / WRITING / shard
    shutil.rmtree(writing, ignore_errors=True)
    (writing / "files").mkdir(parents=True)
    counts = _Counts()
    notes = job.exporter.write(writing / "files", _clips(job, shard, counts))
    with open(writing / "notes.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps([note.split, note.value]) + "\n" for note in notes)
    seen = counts.clips.total() + counts.left_out.total()
    if seen != clips:
        raise ValueError(f"{shard}: its table has {seen} clips, and its marker says {clips}")
    for path in sorted((writing / "files").rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(writing / "files")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
    mark = counts.mark()
    for name in (MARKS, NOTES):
        (folder / name).mkdir(exist_ok=True)
    os.replace(writing / "notes.jsonl", folder / NOTES / f"{shard}.jsonl")
    write_json(folder / MARKS / f"{shard}.json", dataclasses.asdict(mark))
    shutil.rmtree(writing)
    return mark


def _clips(job: ExportJob, shard: str, counts: _Counts) -> Iterator[ExportClip]:
    """The clips of a shard that are exported, in order; all are counted."""
    exporter, column = job.exporter, job.licence_column
    stills: dict[str, int] = {}
    for _, row in stored_rows(Place.at(job.shards), shard, job.columns):
        if not isinstance(row, Clip):
            continue
        record = row.record
        still = stills.setdefault(record.source_key, len(stills))
        licence = stated_licence(row.carried, column)
        if job.licences and not is_one_of(licence, job.licences):
            counts.left_out[OTHER_LICENCE if licence else NO_LICENCE] += 1
            continue
        if job.licences and len(record.source_keys) > 1:
            counts.left_out[OF_SEVERAL_STILLS] += 1
            continue
        clip = ExportClip(
            name=file_name(record.key),
            shard=shard,
            still=still,
            # Montages of a group show the same stills.
            split=split_of(min(record.source_keys), job.shares),
            video=b"",
            record=record,
            carried=row.carried,
            columns=job.columns,
        )
        refusal = exporter.refuses(clip)
        if refusal:
            counts.left_out[refusal] += 1
            continue
        remark = exporter.remarks(clip)
        if remark:
            counts.remarks[remark] += 1
        counts.clips[clip.split] += 1
        if column:
            counts.licences.append(licence)
        yield dataclasses.replace(clip, video=_mp4(row, job))


def split_of(source_key: str, shares: Sequence[float]) -> Split:
    """By the key of the still, so that its takes stay together; other clips of the set have no say."""
    digest = hashlib.blake2b(source_key.encode(), digest_size=8, person=b"export-split").digest()
    place, border = int.from_bytes(digest, "little") / 2**64, 0.0
    for split, share in zip(SPLITS, shares[:-1], strict=False):
        border += share
        if place < border:
            return split
    return SPLITS[max(0, len(shares) - 1)]


def _mp4(clip: Clip, job: ExportJob) -> bytes:
    """As it is stored, or encoded as the recipe says; the same bytes each time."""
    if "mp4" in clip.members:
        return clip.members["mp4"]
    frames = stored_frames(clip.members)
    if frames is None:
        try:
            frames = replay_record(clip.members["jpg"], clip.record, job.device)
        except UndecodableImage as error:
            raise ValueError(f"{clip.record.key}: its still cannot be decoded: {error}") from None
    video = job.recipe.video
    return encode_mp4(frames, fps=video.fps, crf=video.crf, preset=video.preset)


class StoredNotes:
    """See `animate.exports.Notes`: a file a shard, read line by line."""

    def __init__(self, folder: Path, shards: Sequence[str]) -> None:
        self._files = [folder / NOTES / f"{shard}.jsonl" for shard in shards]

    def of(self, split: Split) -> Iterator[Any]:
        for path in self._files:
            with open(path, encoding="utf-8", newline="\n") as file:
                for line in file:
                    found, value = json.loads(line)
                    if found == split:
                        yield value


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """`path` holds `content`, or what it held before."""
    attempt = path.with_name(f".{path.name}.part")
    with open(attempt, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(attempt, path)
