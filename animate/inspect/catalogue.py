"""What a shard set holds, as much of it as a page shows: its clips and where they lie, its rejected inputs.

Of a set that is not finished, the shards that are. A set of more than `MOST_CLIPS` clips is looked at in
shards that lie evenly over it.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from animate.components.framing import SCALES, spoken
from animate.data import STATS, TAR, ShardRecord, Take
from animate.inspect.opened import DAMAGED, ShardSet, Spot
from animate.label import words_in
from animate.record import SUCCESS, ClipRecord, read_record
from animate.shards.finished import whole_shards
from animate.shards.place import MANIFEST, Place
from animate.shards.plan import totals
from animate.shards.read import NoShards, read_markers, read_table
from animate.shards.stats import speed
from animate.stores import NO_ANSWER
from animate.ustar import index_samples

#: Clips that are looked at, at most, but for the last shard's.
MOST_CLIPS = 50_000
#: Rejected inputs of one status that are listed, at most; all are counted.
MOST_REJECTED = 200

_COLUMNS = ("source_key", "take", "status", "error_message", "caption")
_SCALES = re.compile(rf"\b({'|'.join(map(spoken, SCALES))})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEntry:
    """A clip as a list has it; `pictures` reads the rest.

    `components` and `scales` (wide, medium, close up) are those of all its shots, `words` those of its camera
    label. `origin` is the site or the folder that its still came from. `speed` is in per cent of the still's
    sides a second, areas are shares of the still, `size` is in bytes.
    """

    key: str
    caption: str
    camera: str
    camera_caption: str
    components: tuple[str, ...]
    words: tuple[str, ...]
    scales: tuple[str, ...]
    origin: str
    speed: float
    view_area: float
    union_area: float
    size: int
    spot: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedEntry:
    """An input that gave no clip, and what its row says."""

    key: str
    status: str
    message: str
    caption: str
    spot: Spot


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A shard set, looked at.

    `counts` has every input of the set by status. `looked_at` are the clips that were read, `clips` those of
    them that are shown; `spread` says in which shards they lie, where these are not all. `shots` counts the
    shots of `looked_at`, and `components` those of them that have each component. `finished` has the clips of
    each finished shard and when it was done, in seconds since 1970 and in order of time; it is empty for a
    set that is not on this machine.
    """

    set: ShardSet
    complete: bool
    counts: Mapping[str, int]
    looked_at: tuple[ClipEntry, ...]
    clips: tuple[ClipEntry, ...]
    spread: str
    rejected: tuple[RejectedEntry, ...]
    shots: int
    components: Mapping[str, int]
    finished: tuple[tuple[float, int], ...]

    def at_most(self, limit: int) -> Self:
        """With `limit` clips to show, or fewer: those whose keys have the lowest hashes, the same each time,
        in the order of the set."""
        if len(self.clips) <= limit:
            return self
        hashes = [hashlib.blake2b(clip.key.encode(), digest_size=8).digest() for clip in self.clips]
        lowest = sorted(range(len(hashes)), key=hashes.__getitem__)[:limit]
        return replace(self, clips=tuple(self.clips[i] for i in sorted(lowest)))

    @property
    def choice(self) -> str:
        """Which clips are shown, in words."""
        shown, clips = len(self.clips), self.counts[SUCCESS]
        if shown == clips:
            return f"all {clips:,} clips"
        by_hash = "" if shown == len(self.looked_at) else ", chosen by a hash of their keys"
        return f"{shown:,} of {clips:,} clips{by_hash}{self.spread}"


def read_catalogue(shard_set: ShardSet, *, most: int = MOST_CLIPS) -> Catalogue:
    """All of a set, or of about `most` clips of it; `NoShards` if no shard is finished, or one is damaged."""
    place = shard_set.place
    records = dict(_sound(shard_set))
    if not records:
        raise NoShards(f"{place.shown('')}: no shard of it is finished yet")
    counts = totals(shard_set.plan, records)
    names = _spread(records, most)
    reader = _Reader(shard_set)
    again = {name for name in names if shard_set.shard(name).again}
    reader.note_tried(again)
    for name in names:
        reader.read(name)
    spread = ""
    if len(names) < len(records):
        spread = f", in {len(names):,} of {len(records):,} shards that lie evenly over the set"
    return Catalogue(
        set=shard_set,
        complete=place.has(MANIFEST),
        counts={SUCCESS: counts["clips"], **counts["rejected"]},
        looked_at=tuple(reader.clips),
        clips=tuple(reader.clips),
        spread=spread,
        rejected=tuple(reader.rejected),
        shots=reader.shots,
        components=dict(reader.components.most_common()),
        finished=tuple(_finished(place, records)),
    )


def _sound(shard_set: ShardSet) -> Iterator[tuple[str, ShardRecord]]:
    """The finished shards, by name; `NoShards` for a marker that cannot be read."""
    place = shard_set.place
    for name, record in read_markers(place, [shard.name for shard in whole_shards(shard_set.plan, place)]):
        if isinstance(record, ValueError):
            raise NoShards(f"{place.shown('')}: {record}; see `animate verify`")
        yield name, record


def _spread(records: Mapping[str, ShardRecord], most: int) -> list[str]:
    """Shards that lie evenly over the set and have about `most` clips together; all if they have no more.

    Of ten shards with 10 clips each, for 40: every third, 0 3 6 9.
    """
    step = max(1, -(-sum(record.clips for record in records.values()) // most))
    return list(records)[::step]


def _finished(place: Place, records: Mapping[str, ShardRecord]) -> Iterator[tuple[float, int]]:
    if place.local is None:  # a request a shard
        return
    times = [(place.modified(name + STATS), record.clips) for name, record in records.items()]
    yield from sorted((time, clips) for time, clips in times if time is not None)


class _Reader:
    """Gathers clips and rejected inputs, shard after shard."""

    def __init__(self, shard_set: ShardSet):
        self.clips: list[ClipEntry] = []
        self.rejected: list[RejectedEntry] = []
        self.components: Counter[str] = Counter()
        self.shots = 0
        self._place, self._corpus = shard_set.place, shard_set.recipe.source.name
        self._listed: Counter[str] = Counter()
        self._tried_last: dict[str, str] = {}

    def note_tried(self, names: Iterable[str]) -> None:
        """Shards that tried rows again, which are to be read: each stands for its rows."""
        for name in sorted(names):
            try:
                keys = read_table(self._place, name, ["source_key"]).column("source_key").to_pylist()
            except NO_ANSWER:
                raise
            except DAMAGED:  # `read` says so
                continue
            self._tried_last.update(dict.fromkeys(keys, name))

    def read(self, name: str) -> None:
        """Adds what shard `name` has, the next in order; `NoShards` if it is damaged."""
        try:
            rows = read_table(self._place, name, _COLUMNS).to_pylist()
            with self._place.open(name + TAR) as tar:
                samples = index_samples(tar, "json")
                for number, row in enumerate(rows):
                    if row["status"] != SUCCESS:
                        self._reject(name, number, row)
                        continue
                    extent, text = next(samples, (None, b""))
                    key = Take(source_key=row["source_key"], index=row["take"]).key
                    if extent is None or extent.key != key:
                        raise ValueError(f"its table has {key} where its tar has {extent and extent.key}")
                    record, _ = read_record(json.loads(text))
                    spot = Spot(shard=name, row=number, start=extent.start, stop=extent.stop)
                    self._add(record, spot)
        except NO_ANSWER:
            raise
        except DAMAGED as error:
            raise NoShards(f"{self._place.shown(name)}: {error}; see `animate verify`") from None

    def _add(self, record: ClipRecord, spot: Spot) -> None:
        shots = [tuple(shot["components"]) for shot in json.loads(record.shot)["shots"]]
        self.shots += len(shots)
        for components in shots:
            self.components.update(components)
        self.clips.append(
            ClipEntry(
                key=record.key,
                caption=record.captions[0] if record.captions else record.caption,
                camera=record.camera,
                camera_caption=record.camera_caption,
                components=tuple(dict.fromkeys(name for components in shots for name in components)),
                words=tuple(words_in(record.camera)),
                scales=tuple(dict.fromkeys(_SCALES.findall(record.camera))),
                origin=_origin(record.url, record.source_key, self._corpus),
                speed=speed(record),
                view_area=record.view_area_min,
                union_area=record.union_area,
                size=spot.stop - spot.start,
                spot=spot,
            )
        )

    def _reject(self, name: str, number: int, row: Mapping[str, Any]) -> None:
        """One more rejected input, unless a later shard tried it again."""
        if name < self._tried_last.get(row["source_key"], ""):
            return
        self._listed[row["status"]] += 1
        if self._listed[row["status"]] <= MOST_REJECTED:
            self.rejected.append(
                RejectedEntry(
                    key=row["source_key"] or "",
                    status=row["status"],
                    message=row["error_message"] or "",
                    caption=row["caption"] or "",
                    spot=Spot(shard=name, row=number),
                )
            )


def _origin(url: str, source_key: str, corpus: str) -> str:
    """The host of the still's address, or the folder in its key, or else the corpus."""
    if url:
        try:
            host = urlsplit(url).hostname
        except ValueError:  # it has been downloaded, but not by this
            host = None
        if host:
            return host
    folder, slash, _ = unquote(source_key, errors="replace").rpartition("/")
    return folder if slash else corpus
