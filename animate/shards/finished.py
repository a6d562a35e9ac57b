"""The finished shards of a set: what their markers say, checked, and the manifest that says it of all."""

import contextlib
import dataclasses
import importlib.metadata
import platform
from collections.abc import Mapping

from animate.data import SHARD_SUFFIXES, ShardPlan, ShardRecord
from animate.shards.card import card_sha256, card_text, count_licences
from animate.shards.place import CARD, LENGTH, MANIFEST, BuildRefused, Place
from animate.shards.plan import Plan, counts_fault, totals
from animate.shards.read import read_markers
from animate.stores import NO_ANSWER

#: What decides the bytes of a clip beside recipe and source: named in the manifest.
DECISIVE_LIBRARIES = (
    "animate",
    "av",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pillow-simd",
    "pyarrow",
    "simplejpeg",
)


class Miscounted(RuntimeError):
    """A shard that was just made lacks an input: never the fault of the data."""


def whole_shards(plan: Plan, place: Place) -> list[ShardPlan]:
    """The shards whose three files are there."""
    names = place.names()
    return [shard for shard in plan.shards if all(shard.name + suffix in names for suffix in SHARD_SUFFIXES)]


def finished_records(plan: Plan, place: Place, takes: int) -> dict[str, ShardRecord]:
    """The records of the shards whose three files are there; `BuildRefused` if one is damaged."""
    try:
        shards = {shard.name: shard for shard in whole_shards(plan, place)}
        records = {}
        for name, record in read_markers(place, list(shards)):
            if isinstance(record, ValueError):
                raise record
            records[name] = checked(record, shards[name], takes)
        return records
    except NO_ANSWER:
        raise
    except (ValueError, Miscounted) as error:
        raise BuildRefused(
            f"{place.root}: a finished shard is damaged: {error}; `animate verify --repair` has it made anew"
        ) from None


def checked(record: ShardRecord, shard: ShardPlan, takes: int) -> ShardRecord:
    """The record, if it is the shard's and counts every input; otherwise raises `Miscounted`."""
    wrong = counts_fault(record, shard, takes)
    if record.name != shard.name:
        wrong = f"answers as {record.name}"
    if wrong:
        raise Miscounted(f"shard {shard.name}: {wrong}")
    return record


def write_manifest(plan: Plan, place: Place, records: Mapping[str, ShardRecord]) -> None:
    """`__len__`, the card, then the manifest, last of a build. No clock: equal builds, equal files."""
    place.sync()  # the markers, too: what the manifest says must not outlive them
    counts = totals(plan, records)
    place.write_text(LENGTH, str(counts["clips"]))
    manifest = {
        "name": plan.recipe.get("name", ""),
        "digest": plan.digest,
        "totals": counts,
        "recipe": plan.recipe,
        "source": plan.source,
        "versions": versions(),
    }
    card = card_text(manifest, count_licences(plan, place))
    place.write_text(CARD, card)
    manifest["card"] = card_sha256(card)
    manifest["shards"] = [dataclasses.asdict(records[shard.name]) for shard in plan.shards]
    place.write_json(MANIFEST, manifest)


def versions() -> dict[str, str]:
    """Release of Python and of each library that has a say in a clip's bytes, where installed."""
    found = {"python": platform.python_version()}
    for name in DECISIVE_LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
