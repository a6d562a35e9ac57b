"""A shard set opened to be looked at, and single clips of it, each by one read of its bytes."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from animate.arrays import Frames
from animate.data import TAR, ShardPlan, Take
from animate.errors import UserError
from animate.film import replay_record
from animate.formats import stored_frames
from animate.recipe import BuildRecipe
from animate.record import SUCCESS, ClipRecord, read_record
from animate.shards.place import PLAN, Place
from animate.shards.plan import Plan, read_plan
from animate.shards.read import NoShards, finished_shards, read_table
from animate.stores import NO_ANSWER
from animate.strict_toml import from_table
from animate.ustar import index_samples, read_samples

#: What reading a damaged table raises, or a damaged tar.
DAMAGED = (ValueError, OSError, pa.ArrowException)


class NoClip(UserError):
    """A shard set has no clip of that key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSet:
    """The set at `place`, finished or not, as it was planned."""

    place: Place
    plan: Plan
    recipe: BuildRecipe

    def shard(self, name: str) -> ShardPlan:
        """The plan of a shard."""
        return self.plan.shards[int(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where an input is: number `row` of the table of `shard`, and bytes `start` to `stop` of its tar, both 0
    where it gave no clip."""

    shard: str
    row: int
    start: int = 0
    stop: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClip:
    """A clip read from its tar: its `record`, what the corpus `carried`, its media `members` by suffix."""

    record: ClipRecord
    carried: Mapping[str, Any]
    members: Mapping[str, bytes]

    @property
    def virtual(self) -> bool:
        """Whether it holds its still in place of frames."""
        return set(self.members) == {"jpg"}

    def frames(self) -> Frames:
        """All frames, decoded or rendered; `ValueError` if they cannot be."""
        frames = stored_frames(self.members)
        return replay_record(self.members["jpg"], self.record, "cpu") if frames is None else frames


def open_set(shards: str) -> ShardSet:
    """The set at `shards`, a folder or URL; `NoShards` if there is none."""
    place = Place.at(shards)
    plan = read_plan(place)
    if plan is None:
        raise NoShards(f"{shards!r}: holds no shard set ({PLAN} is missing)")
    return ShardSet(place=place, plan=plan, recipe=from_table(BuildRecipe, plan.recipe))


def read_clip(shard_set: ShardSet, spot: Spot) -> OpenClip:
    """The clip that lies there."""
    with shard_set.place.open(spot.shard + TAR) as tar:
        tar.seek(spot.start)
        content = tar.read(spot.stop - spot.start)
    [(_, members)] = read_samples(io.BytesIO(content))
    record, carried = read_record(json.loads(members["json"]))
    media = {suffix: data for suffix, data in members.items() if suffix not in ("json", "txt")}
    return OpenClip(record=record, carried=carried, members=media)


def find_clip(shard_set: ShardSet, key: str) -> Spot:
    """Where the clip `key` lies; `NoClip` if no finished shard has it. Reads two columns of each table, and
    the headers of one tar."""
    place = shard_set.place
    for name in finished_shards(place):
        try:
            rows = read_table(place, name, ["source_key", "take", "status"]).to_pylist()
            for number, row in enumerate(rows):
                take = Take(source_key=row["source_key"], index=row["take"])
                if take.key == key and row["status"] == SUCCESS:
                    with place.open(name + TAR) as tar:
                        for extent, _ in index_samples(tar, "json"):
                            if extent.key == key:
                                return Spot(shard=name, row=number, start=extent.start, stop=extent.stop)
        except NO_ANSWER:
            raise
        except DAMAGED as error:
            raise NoShards(f"{place.shown(name)}: {error}; see `animate verify`") from None
    raise NoClip(f"{key!r}: no finished shard of {place.shown('')} has a clip of this key")
