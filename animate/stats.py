"""What a shard set holds, as numbers and as plots: statuses, sizes, captions, camera moves, views, speeds."""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
from jaxtyping import UInt8

from animate.codec import encode_png
from animate.errors import UserError
from animate.place import Place
from animate.plan import read_plan

#: Of so many clips, evenly over the shards, the camera is looked at: it stands in the tars alone.
CLIPS_LOOKED_AT = 2000


class NoShards(UserError):
    """There is nothing to count where the shards should be."""


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
    names = sorted(name.removesuffix("_stats.json") for name in place.names() if name.endswith("_stats.json"))
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
        with place.filesystem.open(f"{place.root}/{name}.parquet", "rb") as file:
            rows = pq.read_table(io.BytesIO(file.read()), columns=["status", *_COLUMNS]).to_pylist()
        for row in rows:
            statuses[row["status"]] += 1
            if row["status"] == "success":
                for measure, column in (
                    ("still width", "original_width"),
                    ("still height", "original_height"),
                ):
                    measures[measure].append(row[column])
                measures["caption characters"].append(len(row["caption"]))
        with place.filesystem.open(f"{place.root}/{name}.tar", "rb") as file:
            for record in _records(file, each):
                looked_at += 1
                edit = json.loads(record["shot"])
                components.update(part for shot in edit["shots"] for part in shot["components"])
                measures["smallest view area"].append(record["view_area_min"])
                measures["area shown in all"].append(record["union_area"])
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


def _records(file: Any, most: int) -> Iterator[dict[str, Any]]:
    """The JSON of the first clips of a shard."""
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for member in tar:
            if member.name.endswith(".json"):
                content = tar.extractfile(member)
                assert content is not None
                yield json.loads(content.read())
                most -= 1
                if most == 0:
                    return


def _speed(record: Mapping[str, Any]) -> float:
    """How far the middle of the view goes in a second, on average, in per cent of the still's sides.

    Cuts are no motion: steps into a shot's first frame are left out.
    """
    homographies = np.asarray(record["homographies"]).reshape(-1, 3, 3)
    middles = homographies @ np.array([0.5, 0.5, 1.0])
    steps = np.linalg.norm(np.diff(middles[:, :2] / middles[:, 2:], axis=0), axis=1)
    kept = np.delete(steps, [first - 1 for first in record["shot_starts"] if 0 < first <= len(steps)])
    return float(100 * kept.mean() * record["fps"]) if len(kept) else 0.0


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
