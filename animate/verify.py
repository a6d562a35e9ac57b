"""Read a shard set again, all of it, and list whatever is not as a build leaves it.

Nothing is taken on trust but the plan: files are hashed, tars walked, members decoded, rows compared.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import UInt64

from animate import executor
from animate.codec import declared_frames, decode_jpeg, decode_still
from animate.data import ShardPlan, ShardRecord
from animate.edit import Edit
from animate.film import replay_source
from animate.place import ATTEMPTS, BuildRefused, Place
from animate.plan import LENGTH, MANIFEST, PLAN, SHARD_SUFFIXES, Plan, read_plan, totals
from animate.recipe import BuildRecipe, VideoRecipe
from animate.strict_toml import from_table
from animate.ustar import read_samples
from animate.writers import COLUMNS, PARQUET, STATS, SUCCESS, TAR, frame_suffix, stored_frames

#: What a JSON value may be: flat, so that table readers take it.
_FLAT = (str, int, float, bool, list)
#: The type of a missing value: of any column's, as it is written `""`.
_MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something wrong: in clip `key` of `shard`, in the shard (no key), or in the set (neither)."""

    shard: str
    key: str
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.shard, self.key, self.what) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCheck:
    """What reading one shard again gave.

    `clips` is the number of clips in the tar, `keys` a 64-bit digest of each one's key, `types` the JSON
    keys of its clips with their types.
    """

    faults: tuple[Fault, ...]
    record: ShardRecord | None
    clips: int
    keys: UInt64[np.ndarray, " n"]
    types: Mapping[str, str]


def verify(out: str, *, workers: int = 0, on_shard: Callable[[int, int], None] | None = None) -> list[Fault]:
    """Every fault of the shard set at `out` (a folder or an fsspec URL); none means it is whole and sound.

    `workers` is as for a build. `on_shard` is told how many shards of how many are read. Raises
    `BuildRefused` where there is no plan to measure by.
    """
    place = Place.at(out)
    plan = read_plan(place)
    if plan is None:
        raise BuildRefused(f"{place.root}: holds no shard set ({PLAN} is missing)")
    checks: dict[int, ShardCheck] = {}

    def on_done(index: int, check: ShardCheck) -> None:
        checks[index] = check
        if on_shard is not None:
            on_shard(len(checks), len(plan.shards))

    tasks = [(out, shard, plan.recipe) for shard in plan.shards]
    failures = executor.run_tasks(check_shard, tasks, workers=workers, on_done=on_done)
    if failures:
        raise RuntimeError(f"shard {plan.shards[failures[0].task].name}: {failures[0].details}")
    ordered = [checks[index] for index in range(len(plan.shards))]
    faults = [fault for check in ordered for fault in check.faults]
    return [*faults, *_set_faults(place, plan, ordered), *_duplicate_keys(place, plan, ordered)]


def repair(out: str, *, workers: int = 0) -> list[Fault]:
    """Removes what `verify` finds at fault, shard by shard, so that the same build makes it again.

    Returns the faults found. The plan and sound shards are left alone.
    """
    place = Place.at(out)
    with place.locked():
        faults = verify(out, workers=workers)
        if faults:
            for name in (MANIFEST, LENGTH):  # they come last again
                place.remove(name)
        for name in sorted({fault.shard for fault in faults} - {""}):
            for suffix in reversed(SHARD_SUFFIXES):
                place.remove(name + suffix)
        place.remove(ATTEMPTS)
    return faults


def check_shard(out: str, shard: ShardPlan, recipe: Mapping[str, Any]) -> ShardCheck:
    """Reads one planned shard again; `recipe` is the plan's."""
    return _Shard(Place.at(out), shard, from_table(BuildRecipe, recipe)).check()


@dataclass
class _Shard:
    """One shard while it is read: what is known of it so far."""

    place: Place
    plan: ShardPlan
    recipe: BuildRecipe
    faults: list[Fault] = field(default_factory=list)
    #: By key, in the order of the tar: each clip's scalars.
    clips: dict[str, dict[str, Any]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def check(self) -> ShardCheck:
        missing = {self.plan.name + suffix for suffix in SHARD_SUFFIXES} - self.place.names()
        for name in sorted(missing):
            self.fault(f"{name} is missing")
        record = None
        if not missing:
            record = self._check_marker()
            self._check_tar(record)
            self._check_parquet(record)
        digests = b"".join(hashlib.blake2b(key.encode(), digest_size=8).digest() for key in self.clips)
        return ShardCheck(
            faults=tuple(self.faults),
            record=record,
            clips=len(self.clips),
            keys=np.frombuffer(digests, np.uint64),
            types=self.types,
        )

    def fault(self, what: str, key: str = "") -> None:
        self.faults.append(Fault(shard=self.plan.name, key=key, what=what))

    def _check_marker(self) -> ShardRecord | None:
        try:
            table = self.place.read_json(self.plan.name + STATS) or {}
            record = ShardRecord(**{name: table[name] for name in ShardRecord.__dataclass_fields__})
            rejected = sum(record.rejected.values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.fault(f"{self.plan.name}{STATS} cannot be read: {error!r}")
            return None
        if record.name != self.plan.name:
            self.fault(f"its marker is that of {record.name}")
        if record.inputs != record.clips + rejected:
            self.fault(f"{record.inputs} inputs, but {record.clips} clips and {rejected} rejected")
        if self.plan.stop is not None:
            planned = (self.plan.stop - self.plan.start) * self.recipe.takes
            if record.inputs != planned:
                self.fault(f"{record.inputs} inputs of {planned} planned")
            if self.plan.again and sum(self.plan.again.values()) != planned:
                self.fault(f"{planned} inputs stand for {sum(self.plan.again.values())} rejected before")
        return record

    def _check_tar(self, record: ShardRecord | None) -> None:
        with self.place.filesystem.open(f"{self.place.root}/{self.plan.name}{TAR}", "rb") as raw:
            file = _Hashed(raw)
            try:
                for key, members in read_samples(file):  # pyright: ignore[reportArgumentType]
                    if key in self.clips:
                        self.fault("its members do not stand together, or the key is there twice", key)
                    self.clips[key] = {}
                    for what in self._clip_faults(key, members):
                        self.fault(what, key)
            except ValueError as error:
                self.fault(f"{self.plan.name}{TAR}: {error}")
            while file.read(1 << 20):  # what lies behind the end
                pass
        if record is not None:
            if (file.bytes, file.sha256.hexdigest()) != (record.bytes, record.sha256):
                self.fault(
                    f"{self.plan.name}{TAR} has {file.bytes} bytes and another sha256 than its marker says"
                )
            if len(self.clips) != record.clips:
                self.fault(f"{len(self.clips)} clips in the tar, {record.clips} in its marker")

    def _clip_faults(self, key: str, members: Mapping[str, bytes]) -> Iterator[str]:
        video = self.recipe.video
        expected = ["json", "txt", *_media(video)]
        if sorted(members) != sorted(expected):
            yield f"members are {', '.join(sorted(members))} and not {', '.join(sorted(expected))}"
            return
        try:
            record = json.loads(members["json"])
            caption = members["txt"].decode()
        except ValueError as error:
            yield f"json or txt cannot be read: {error}"
            return
        if not isinstance(record, dict):
            yield "json is no table"
            return
        self.clips[key] = {
            name: value for name, value in record.items() if not isinstance(value, list | dict)
        }
        yield from self._json_faults(key, record, caption)
        try:
            yield from _media_faults(members, record, video)
        except (ValueError, KeyError, TypeError) as error:  # damaged bytes, or a record that lacks something
            yield f"does not decode: {error!r}"

    def _json_faults(self, key: str, record: Mapping[str, Any], caption: str) -> Iterator[str]:
        for name, value in record.items():
            if not isinstance(value, _FLAT):
                yield f"json is not flat: {name!r} is {type(value).__name__}"
        yield from _merge_types(self.types, {name: _type(value) for name, value in record.items()})
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
            if record.get(name) != value:
                yield f"json {name!r} is {record.get(name)!r} and not {value!r}"
        if not isinstance(record.get("captions"), list) or record["captions"][:1] != [caption]:
            yield "the first of 'captions' is not the caption"
        if not _are_homographies(record.get("homographies"), video.num_frames):
            yield "'homographies' is not one list of nine numbers a frame"

    def _check_parquet(self, record: ShardRecord | None) -> None:
        name = self.plan.name + PARQUET
        try:
            with self.place.filesystem.open(f"{self.place.root}/{name}", "rb") as file:
                # Not on Arrow's threads: one that holds a piece of the file at exit aborts the process.
                table = pq.ParquetFile(file).read(use_threads=False)
        except (pa.ArrowException, OSError) as error:
            self.fault(f"{name} cannot be read: {error}")
            return
        types = {column: table.schema.field(column).type for column in table.column_names}
        if {column: types.get(column) for column in COLUMNS} != dict(COLUMNS):
            self.fault(f"{name} lacks columns, or they have other types")
            return
        rows = table.to_pylist()
        made = [row for row in rows if row["status"] == SUCCESS]
        if [row["key"] for row in made] != list(self.clips):
            self.fault(f"{name}: its keys are not those of the tar")
        for row in made:
            clip = self.clips.get(row["key"], {})
            different = [column for column in row if clip and not _same(row[column], clip.get(column))]
            if different:
                self.fault(f"{name} and json differ in {', '.join(different)}", row["key"])
        if record is not None:
            counts = Counter(row["status"] for row in rows if row["status"] != SUCCESS)
            if len(rows) != record.inputs or dict(counts) != dict(record.rejected):
                self.fault(f"{name} has other counts than the marker: {len(rows)} rows, {dict(counts)}")


class _Hashed:
    """A file that hashes what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.bytes, self.sha256 = file, 0, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(size)
        self.bytes += len(piece)
        self.sha256.update(piece)
        return piece


def _are_homographies(value: Any, num_frames: int) -> bool:
    rows = value if isinstance(value, list) else []
    return len(rows) == num_frames and all(isinstance(row, list) and len(row) == 9 for row in rows)


def _type(value: Any) -> str:
    return _MISSING if value == "" else type(value).__name__


def _merge_types(known: dict[str, str], types: Mapping[str, str]) -> Iterator[str]:
    """What keeps clips with JSON of `types` from standing beside those before; `known` learns from it."""
    if not known:
        known.update(types)
    if types.keys() != known.keys():
        yield f"json has other keys than before: {', '.join(sorted(types.keys() ^ known.keys()))}"
        return
    for name, kind in types.items():
        if known[name] == _MISSING:
            known[name] = kind
        elif kind not in (known[name], _MISSING):
            yield f"json {name!r} is {kind}, and {known[name]} before"


def _media(video: VideoRecipe) -> list[str]:
    if video.format == "frames":
        return [frame_suffix(number, video.num_frames) for number in range(video.num_frames)]
    return ["jpg", "mp4"] if video.format == "mp4" else ["jpg"]


def _media_faults(
    members: Mapping[str, bytes], record: Mapping[str, Any], video: VideoRecipe
) -> Iterator[str]:
    shape = (video.height, video.width, 3)
    if video.format == "virtual":
        still = decode_still(members["jpg"], replay_source(record))
        if still.shape[1::-1] != (record["original_width"], record["original_height"]):
            yield f"the still is {still.shape[1]}x{still.shape[0]}, and not as large as its json says"
        Edit.from_json(record["shot"])
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
    """Whether a parquet cell holds a JSON value: null is `""`, and a column of mixed kinds is text."""
    if cell is None or value is None:
        return cell is None and value == ""
    return cell == (str(value) if isinstance(cell, str) else value)


def _set_faults(place: Place, plan: Plan, checks: list[ShardCheck]) -> Iterator[Fault]:
    def fault(what: str, shard: str = "") -> Fault:
        return Fault(shard=shard, key="", what=what)

    yield from (fault(f"leftover: {ATTEMPTS}/{name}") for name in sorted(place.names(ATTEMPTS)))
    planned = {shard.name for shard in plan.shards}
    for name in sorted(place.names()):
        stem = next((name.removesuffix(suffix) for suffix in SHARD_SUFFIXES if name.endswith(suffix)), "")
        if stem.isdecimal() and stem not in planned:
            yield fault(f"leftover: {name} is not in the plan", stem)
    types: dict[str, str] = {}
    for shard, check in zip(plan.shards, checks, strict=True):
        if check.types:
            yield from (fault(what, shard.name) for what in _merge_types(types, check.types))
    clips = sum(check.clips for check in checks)
    if LENGTH not in place.names():
        yield fault(f"{LENGTH} is missing")
    elif (length := place.filesystem.cat_file(f"{place.root}/{LENGTH}")) != str(clips).encode():
        yield fault(f"{LENGTH} is {length!r}, and there are {clips} clips")
    yield from map(fault, _manifest_faults(place, plan, checks))


def _manifest_faults(place: Place, plan: Plan, checks: list[ShardCheck]) -> Iterator[str]:
    try:
        manifest = place.read_json(MANIFEST)
    except ValueError as error:
        yield f"{MANIFEST} cannot be read: {error}"
        return
    if manifest is None:
        yield f"{MANIFEST} is missing: the build is not finished"
        return
    if manifest.get("digest") != plan.digest:
        yield f"{MANIFEST} is of another plan"
    known = {check.record.name: check.record for check in checks if check.record is not None}
    if len(known) == len(checks) and manifest.get("totals") != totals(plan, known):
        yield f"{MANIFEST} has other totals than the markers together"
    records = {row["name"]: row for row in manifest.get("shards", ())}
    for check in checks:
        record = check.record
        if record is not None and records.get(record.name, {}).get("sha256") != record.sha256:
            yield f"{MANIFEST} has another sha256 for shard {record.name} than its marker"


def _duplicate_keys(place: Place, plan: Plan, checks: list[ShardCheck]) -> Iterator[Fault]:
    """Clips of different shards with one key. Digests find the shards, so that memory stays small."""
    digests = np.concatenate([check.keys for check in checks]) if checks else np.empty(0, np.uint64)
    owners = np.repeat(np.arange(len(checks)), [len(check.keys) for check in checks])
    values, counts = np.unique(digests, return_counts=True)
    suspects = np.unique(owners[np.isin(digests, values[counts > 1])])
    first: dict[str, str] = {}
    for owner in suspects:
        name = plan.shards[owner].name
        with place.filesystem.open(f"{place.root}/{name}{PARQUET}", "rb") as file:
            table = pq.ParquetFile(file).read(columns=["key", "status"], use_threads=False)
        for row in table.to_pylist():
            if row["status"] == SUCCESS and first.setdefault(row["key"], name) != name:
                yield Fault(shard=name, key=row["key"], what=f"the key is in shard {first[row['key']]} too")
