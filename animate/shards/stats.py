"""What a shard set holds, as numbers: statuses, sizes, captions, camera moves, views, speeds."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from animate.camera import View
from animate.record import SUCCESS, ClipRecord, read_record
from animate.shards.place import Place
from animate.shards.plan import read_plan
from animate.shards.read import NoShards, finished_shards, read_clips, read_table

#: Of so many clips, evenly over the shards, the camera is looked at: it stands in the tars alone.
CLIPS_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardStats:
    """Counts by name, and measures: values of each clip, or of those that were looked at.

    `least` has the recipe's bound below of those measures that have one.
    """

    statuses: Mapping[str, int]
    components: Mapping[str, int]
    measures: Mapping[str, Sequence[float]]
    least: Mapping[str, float]
    looked_at: int


def stats(shards: str) -> ShardStats:
    """Counts every row of the set's parquets, and looks at the camera of up to `CLIPS_LOOKED_AT` clips.

    Raises `NoShards` if there is no finished shard.
    """
    place = Place.at(shards)
    names = finished_shards(place)
    if not names:
        raise NoShards(f"{shards!r}: no finished shard there")
    statuses: Counter[str] = Counter()
    components: Counter[str] = Counter()
    measures: dict[str, list[float]] = {name: [] for name in MEASURES}
    each, looked_at = -(-CLIPS_LOOKED_AT // len(names)), 0
    plan = read_plan(place)
    again = {} if plan is None else {shard.name: shard.again for shard in plan.shards}
    for name in names:
        statuses.subtract(again.get(name, {}))  # rejections that this shard tried again
        for row in read_table(place, name, ["status", *_COLUMNS]).to_pylist():
            statuses[row["status"]] += 1
            if row["status"] == SUCCESS:
                for measure, column in (
                    ("still width", "original_width"),
                    ("still height", "original_height"),
                ):
                    measures[measure].append(row[column])
                measures["caption characters"].append(len(row["caption"]))
        for _, members in islice(read_clips(place, name), each):
            looked_at += 1
            record, _ = read_record(json.loads(members["json"]))
            edit = json.loads(record.shot)
            components.update(part for shot in edit["shots"] for part in shot["components"])
            widest = View(
                still_size=(record.original_width, record.original_height),
                frame_size=(record.width, record.height),
            ).widest_area
            measures["smallest view, of the still"].append(record.view_area_min)
            measures["smallest view, of the widest"].append(record.view_area_min / widest)
            measures["shown in all, of the still"].append(record.union_area)
            measures["shown in all, of the widest"].append(record.union_area / widest)
            measures["speed, % of the still a second"].append(speed(record))
    return ShardStats(
        statuses={status: count for status, count in statuses.most_common() if count},
        components=dict(components.most_common()),
        measures=measures,
        least={} if plan is None else {name: plan.recipe["shot"][bound] for name, bound in _BOUNDS.items()},
        looked_at=looked_at,
    )


#: What is measured of a clip.
MEASURES = (
    "still width",
    "still height",
    "caption characters",
    "smallest view, of the still",
    "smallest view, of the widest",
    "shown in all, of the still",
    "shown in all, of the widest",
    "speed, % of the still a second",
)
#: Those that a key of [shot] holds above a bound: its areas are shares of the widest view, not of the still.
_BOUNDS = {
    "smallest view, of the widest": "min_view_area",
    "shown in all, of the widest": "min_union_area",
}
_COLUMNS = ("original_width", "original_height", "caption")


def speed(record: ClipRecord) -> float:
    """How far the middle of the view goes in a second, on average, in per cent of the still's sides.

    Cuts are no motion: steps into a shot's first frame are left out.
    """
    homographies = np.asarray(record.homographies).reshape(-1, 3, 3)
    middles = homographies @ np.array([0.5, 0.5, 1.0])
    steps = np.linalg.norm(np.diff(middles[:, :2] / middles[:, 2:], axis=0), axis=1)
    kept = np.delete(steps, [first - 1 for first in record.shot_starts if 0 < first <= len(steps)])
    return float(100 * kept.mean() * record.fps) if len(kept) else 0.0
