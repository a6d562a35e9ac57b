"""What a shard set holds, as numbers and as plots: statuses, sizes, captions, camera moves, views, speeds."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
from jaxtyping import UInt8

from animate.codec import encode_png
from animate.record import SUCCESS, ClipRecord, read_record
from animate.shards.place import Place
from animate.shards.plan import read_plan
from animate.shards.read import NoShards, finished_shards, read_clips, read_table

#: Of so many clips, evenly over the shards, the camera is looked at: it stands in the tars alone.
CLIPS_LOOKED_AT = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardStats:
    """Counts by name, and measures: values of each clip, or of those that were looked at."""

    statuses: Mapping[str, int]
    components: Mapping[str, int]
    measures: Mapping[str, Sequence[float]]
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
            measures["smallest view area"].append(record.view_area_min)
            measures["area shown in all"].append(record.union_area)
            measures["speed, % of the still a second"].append(_speed(record))
    return ShardStats(
        statuses={status: count for status, count in statuses.most_common() if count},
        components=dict(components.most_common()),
        measures=measures,
        looked_at=looked_at,
    )


#: What is measured of a clip.
MEASURES = (
    "still width",
    "still height",
    "caption characters",
    "smallest view area",
    "area shown in all",
    "speed, % of the still a second",
)
_COLUMNS = ("original_width", "original_height", "caption")


def _speed(record: ClipRecord) -> float:
    """How far the middle of the view goes in a second, on average, in per cent of the still's sides.

    Cuts are no motion: steps into a shot's first frame are left out.
    """
    homographies = np.asarray(record.homographies).reshape(-1, 3, 3)
    middles = homographies @ np.array([0.5, 0.5, 1.0])
    steps = np.linalg.norm(np.diff(middles[:, :2] / middles[:, 2:], axis=0), axis=1)
    kept = np.delete(steps, [first - 1 for first in record.shot_starts if 0 < first <= len(steps)])
    return float(100 * kept.mean() * record.fps) if len(kept) else 0.0


def plot(found: ShardStats) -> bytes:
    """All of it as one PNG: bars for counts, histograms for measures."""
    tiles = [_bars("status", found.statuses), _bars("component", found.components)]
    tiles += [_histogram(name, values) for name, values in found.measures.items()]
    rows = [np.hstack(tiles[i : i + 2]) for i in range(0, len(tiles), 2)]
    return encode_png(np.ascontiguousarray(np.vstack(rows)))


_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 300, 220, 40
_INK, _BAR, _PAPER = (40, 40, 40), (70, 120, 180), 255


def _bars(title: str, counts: Mapping[str, int]) -> UInt8[np.ndarray, "h w 3"]:
    tile = _sheet(title)
    shown = list(counts.items())[:12]
    most = max((count for _, count in shown), default=1)
    for i, (name, count) in enumerate(shown):
        y = _TOP + 10 + i * 20
        right = _LEFT + int((_WIDTH - _LEFT - 90) * count / most)
        cv2.rectangle(tile, (_LEFT, y), (right, y + 14), _BAR, -1)
        _write(tile, name, 10, y + 12)
        _write(tile, f"{count:,}", right + 6, y + 12)
    return tile


def _histogram(title: str, values: Sequence[float]) -> UInt8[np.ndarray, "h w 3"]:
    tile = _sheet(f"{title} ({len(values):,})")
    if not values:
        return tile
    counts, edges = np.histogram(values, bins=40)
    left, right, bottom = 40, _WIDTH - 30, _HEIGHT - 40
    for i, count in enumerate(counts):
        x0, x1 = (left + (right - left) * j // len(counts) for j in (i, i + 1))
        height = int((bottom - _TOP - 10) * count / counts.max())
        cv2.rectangle(tile, (x0, bottom - height), (x1 - 2, bottom), _BAR, -1)
    cv2.line(tile, (left, bottom + 1), (right, bottom + 1), _INK, 1)
    for share in (0.0, 0.5, 1.0):
        value = edges[0] + share * (edges[-1] - edges[0])
        _write(tile, f"{value:.4g}", int(left + share * (right - left - 30)), bottom + 22)
    return tile


def _sheet(title: str) -> UInt8[np.ndarray, "h w 3"]:
    tile = np.full((_HEIGHT, _WIDTH, 3), _PAPER, np.uint8)
    cv2.putText(tile, title, (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)
    return tile


def _write(tile: UInt8[np.ndarray, "h w 3"], text: str, x: int, y: int) -> None:
    cv2.putText(tile, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
