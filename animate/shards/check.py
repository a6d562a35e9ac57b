"""Read one shard again, all of it: hash its files, walk its tar, decode its members, compare its rows.

Or at a glance: hash its tar and count its rows.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import UInt64

from animate.codec import declared_frames, decode_jpeg, decode_still
from animate.data import PARQUET, SHARD_SUFFIXES, STATS, TAR, ShardPlan, ShardRecord
from animate.edit import Edit, shot_amplitudes
from animate.errors import StopsBuild
from animate.film import replay_source
from animate.fit import HELD_BACK
from animate.formats import media_suffixes, stored_frames
from animate.recipe import BuildRecipe, VideoRecipe
from animate.record import (
    KEYS,
    SUCCESS,
    ClipRecord,
    Columns,
    ColumnType,
    is_of_type,
    parquet_columns,
    read_record,
)
from animate.sentences import stored_caption
from animate.shards.place import Place
from animate.shards.plan import counts_fault
from animate.shards.read import read_marker, read_table
from animate.stores import NO_ANSWER, StoreUnavailable
from animate.strict_toml import from_table
from animate.ustar import read_samples

#: What a missing value of a column is in JSON.
_MISSING: Mapping[ColumnType, Any] = {"string": "", "int64": None, "double": None, "bool": None}
#: What any other value of a column is.
_PYTHON_TYPE: Mapping[ColumnType, type] = {"string": str, "int64": int, "double": float, "bool": bool}


class NotRead(StoreUnavailable, StopsBuild):
    """A store has stopped answering while shards were read: none is at fault for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """Something wrong: in clip `key` of `shard`, in the shard (no key), or in the set (neither).

    That shards are not made yet is `unfinished`, and no fault of what is there.
    """

    shard: str
    key: str
    what: str
    unfinished: bool = False

    def __str__(self) -> str:
        return ": ".join(part for part in (self.shard, self.key, self.what) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCheck:
    """What reading one shard again gave.

    `clips` is the number of clips in the tar, `keys` a 64-bit digest of each one's key.
    """

    damages: tuple[Damage, ...]
    record: ShardRecord | None
    clips: int
    keys: UInt64[np.ndarray, " n"]


def check_shard(
    out: str, shard: ShardPlan, recipe: Mapping[str, Any], columns: Columns, *, quick: bool = False
) -> ShardCheck:
    """Reads one planned shard again; `recipe` and `columns` are the plan's.

    A `quick` look hashes the tar and counts the rows of the table, and opens neither clip nor JSON. Raises
    `NotRead` where the store has stopped answering.
    """
    try:
        checking = _Shard(Place.at(out), shard, from_table(BuildRecipe, recipe), columns)
        return checking.glance() if quick else checking.check()
    except StoreUnavailable as error:
        raise NotRead(str(error)) from None


@dataclass
class _Shard:
    """One shard while it is read: what is known of it so far."""

    place: Place
    plan: ShardPlan
    recipe: BuildRecipe
    columns: Columns
    damages: list[Damage] = field(default_factory=list)
    #: By key, in the order of the tar: each clip's values that have a column, None without such.
    clips: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    #: Of every shot of every clip.
    amplitudes: list[float] = field(default_factory=list)

    def check(self) -> ShardCheck:
        record = None
        if self._is_there():
            record = self._check_marker()
            self._check_tar(record)
            self._check_parquet(record)
        return self._came_to(record, self.clips)

    def glance(self) -> ShardCheck:
        """As `check`, by the sha256 of the tar and the counts of the table alone."""
        record, keys = None, []
        if self._is_there():
            record = self._check_marker()
            with self.place.open(self.plan.name + TAR) as raw:
                file = _Hashed(raw)
                file.read_on()
            if record is not None:
                self._compare_tar(file, record)
            if (table := self._read_parquet(["key", "status"])) is not None:
                self._compare_counts(table["status"].to_pylist(), record)
                keys = table.filter(pc.field("status") == SUCCESS)["key"].to_pylist()
        return self._came_to(record, keys)

    def _is_there(self) -> bool:
        files = sorted(self.plan.name + suffix for suffix in SHARD_SUFFIXES)
        missing = [name for name in files if not self.place.has(name)]
        for name in missing:
            self.fault(f"{name} is missing")
        return not missing

    def _came_to(self, record: ShardRecord | None, keys: Collection[str]) -> ShardCheck:
        digests = b"".join(hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
        return ShardCheck(
            damages=tuple(self.damages),
            record=record,
            clips=len(keys),
            keys=np.frombuffer(digests, np.uint64),
        )

    def fault(self, what: str, key: str = "") -> None:
        self.damages.append(Damage(shard=self.plan.name, key=key, what=what))

    def _check_marker(self) -> ShardRecord | None:
        try:
            record = read_marker(self.place, self.plan.name)
            assert record is not None, "it is there: that was looked at"
            wrong = counts_fault(record, self.plan, self.recipe.takes)
        except NO_ANSWER:
            raise
        except (ValueError, TypeError, AttributeError) as error:
            self.fault(f"{self.plan.name}{STATS} cannot be read: {error!r}")
            return None
        if record.name != self.plan.name:
            self.fault(f"its marker is that of {record.name}")
        if wrong:
            self.fault(wrong)
        return record

    def _check_tar(self, record: ShardRecord | None) -> None:
        with self.place.open(self.plan.name + TAR) as raw:
            file = _Hashed(raw)
            try:
                for key, members in read_samples(file):  # pyright: ignore[reportArgumentType]
                    if key in self.clips:
                        self.fault("its members do not stand together, or the key is there twice", key)
                    self.clips[key] = None
                    for what in self._clip_faults(key, members):
                        self.fault(what, key)
            except NO_ANSWER:
                raise
            except ValueError as error:
                self.fault(f"{self.plan.name}{TAR}: {error}")
            file.read_on()  # what lies behind the end
        if record is not None:
            self._compare_tar(file, record)
            if len(self.clips) != record.clips:
                self.fault(f"{len(self.clips)} clips in the tar, {record.clips} in its marker")
            held_back = sum(amplitude < HELD_BACK for amplitude in self.amplitudes)
            counted = (record.shots, record.shots_held_back)
            if record.shots and counted != (len(self.amplitudes), held_back):  # 0: of an earlier release
                self.fault(
                    f"{len(self.amplitudes)} shots in the tar, {held_back} of them held back, and "
                    f"{counted[0]} and {counted[1]} in its marker"
                )

    def _compare_tar(self, file: "_Hashed", record: ShardRecord) -> None:
        if (file.bytes, file.sha256.hexdigest()) != (record.bytes, record.sha256):
            self.fault(
                f"{self.plan.name}{TAR} has {file.bytes} bytes and another sha256 than its marker says"
            )

    def _clip_faults(self, key: str, members: Mapping[str, bytes]) -> Iterator[str]:
        video = self.recipe.video
        expected = ["json", "txt", *media_suffixes(video)]
        if sorted(members) != sorted(expected):
            yield f"members are {', '.join(sorted(members))} and not {', '.join(sorted(expected))}"
            return
        try:
            table = json.loads(members["json"])
            caption = members["txt"].decode()
        except ValueError as error:
            yield f"json or txt cannot be read: {error}"
            return
        if not isinstance(table, dict):
            yield "json is no table"
            return
        yield from self._type_faults(table)
        try:
            record, _ = read_record(table)
        except ValueError:  # it lacks keys, as was said
            return
        self.clips[key] = {name: value for name, value in table.items() if name in self._parquet_columns()}
        yield from self._json_faults(key, record, caption)
        try:
            self.amplitudes += shot_amplitudes(record.shot)
            yield from _media_faults(members, record, video)
        except (ValueError, KeyError, TypeError) as error:  # damaged bytes, or a record that lacks something
            yield f"does not decode: {error!r}"

    def _type_faults(self, table: Mapping[str, Any]) -> Iterator[str]:
        """Keys that are there or not against the plan, and values of another type than it says."""
        expected = {*self.columns, *KEYS}
        if table.keys() != expected:
            yield f"json has other keys than planned: {', '.join(sorted(table.keys() ^ expected))}"
        for name, value in table.items():
            if name in KEYS:
                right = is_of_type(value, KEYS[name])
            elif name in self.columns:
                column = self.columns[name]
                right = value == _MISSING[column] or type(value) is _PYTHON_TYPE[column]
            else:
                continue
            if not right:
                yield f"json {name!r} is {type(value).__name__}, and not as planned"

    def _json_faults(self, key: str, record: ClipRecord, caption: str) -> Iterator[str]:
        video = self.recipe.video
        stated = {
            "key": key,
            "status": SUCCESS,
            "caption": caption,
            "width": video.width,
            "height": video.height,
            "num_frames": video.num_frames,
            "fps": video.fps,
            "duration": video.duration_seconds,
        }
        for name, value in stated.items():
            if getattr(record, name) != value:
                yield f"json {name!r} is {getattr(record, name)!r} and not {value!r}"
        if not is_of_type(record.captions, list[str]) or not any(record.captions[:1]):
            yield "'captions' is not a list of captions"
        elif caption != stored_caption(record.captions[0], record.camera_caption, self.recipe.captions):
            yield "the caption is not the first of 'captions'" + (
                " with 'camera_caption' behind it" if self.recipe.captions.camera == "appended" else ""
            )
        if (record.camera_caption == "") != (self.recipe.captions.camera == "none"):
            yield f"'camera_caption' is {record.camera_caption!r}, and not as planned"
        if not _are_homographies(record.homographies, video.num_frames):
            yield "'homographies' is not one list of nine numbers a frame"

    def _check_parquet(self, record: ShardRecord | None) -> None:
        name = self.plan.name + PARQUET
        table = self._read_parquet()
        if table is None:
            return
        expected = {column: pa.type_for_alias(kind) for column, kind in self._parquet_columns().items()}
        if {field.name: field.type for field in table.schema} != expected:
            self.fault(f"{name} has other columns than planned, or they have other types")
            return
        rows = table.to_pylist()
        made = [row for row in rows if row["status"] == SUCCESS]
        if [row["key"] for row in made] != list(self.clips):
            self.fault(f"{name}: its keys are not those of the tar")
        for row in made:
            clip = self.clips.get(row["key"])
            different = [column for column in row if clip and not _same(row[column], clip.get(column))]
            if different:
                self.fault(f"{name} and json differ in {', '.join(different)}", row["key"])
        self._compare_counts([row["status"] for row in rows], record)

    def _parquet_columns(self) -> Columns:
        return parquet_columns(self.columns, whole_fps=self.recipe.video.whole_fps)

    def _read_parquet(self, columns: Sequence[str] | None = None) -> pa.Table | None:
        try:
            return read_table(self.place, self.plan.name, columns)
        except (pa.ArrowException, OSError) as error:
            self.fault(f"{self.plan.name}{PARQUET} cannot be read: {error}")
            return None

    def _compare_counts(self, statuses: Sequence[str], record: ShardRecord | None) -> None:
        counts = Counter(status for status in statuses if status != SUCCESS)
        if record is not None and (len(statuses), dict(counts)) != (record.inputs, dict(record.rejected)):
            self.fault(
                f"{self.plan.name}{PARQUET} has other counts than the marker: "
                f"{len(statuses)} rows, {dict(counts)}"
            )


class _Hashed:
    """A file that hashes what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.bytes, self.sha256 = file, 0, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(size)
        self.bytes += len(piece)
        self.sha256.update(piece)
        return piece

    def read_on(self) -> None:
        """To the end."""
        while self.read(1 << 20):
            pass


def _are_homographies(value: Any, num_frames: int) -> bool:
    rows = value if isinstance(value, list) else []
    return len(rows) == num_frames and all(isinstance(row, list) and len(row) == 9 for row in rows)


def _media_faults(members: Mapping[str, bytes], record: ClipRecord, video: VideoRecipe) -> Iterator[str]:
    shape = (video.height, video.width, 3)
    if video.format == "virtual":
        still = decode_still(members["jpg"], replay_source(record))
        if still.shape[1::-1] != (record.original_width, record.original_height):
            yield f"the still is {still.shape[1]}x{still.shape[0]}, and not as large as its json says"
        Edit.from_json(record.shot)
        return
    frames = stored_frames(members)
    if frames is None or frames.shape != (video.num_frames, *shape):
        yield f"frames are {None if frames is None else frames.shape}, and not {(video.num_frames, *shape)}"
    if video.format == "mp4":
        if declared_frames(members["mp4"]) != video.num_frames:
            yield f"the mp4 declares {declared_frames(members['mp4'])} frames, and not {video.num_frames}"
        poster = decode_jpeg(members["jpg"])
        if poster.shape != shape:
            yield f"the poster is {poster.shape}, and not {shape}"


def _same(cell: Any, value: Any) -> bool:
    """Whether a parquet cell holds a JSON value: a missing text is null there, and `""` here."""
    return cell == value or (cell is None and value == "")
