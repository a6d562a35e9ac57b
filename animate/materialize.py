"""Virtual shards to shards of pixels: the same clips, rendered from what they carry.

A shard that comes out is, byte for byte, the one that a build with this format would have made.
"""

import dataclasses
import functools
import hashlib
from pathlib import Path

from animate.build import run_build
from animate.codec import UndecodableImage
from animate.data import Rejected, ShardRecord
from animate.executor import AUTOMATIC, Workforce
from animate.film import replay_record
from animate.formats import WRITERS
from animate.recipe import BuildRecipe, Format
from animate.report import BuildReport, OnProgress
from animate.shard import Assignment
from animate.shards.finished import finished_records
from animate.shards.place import MANIFEST, PLAN, BuildRefused, Place
from animate.shards.plan import Plan, open_plan, read_plan
from animate.shards.read import stored_rows
from animate.shards.write import OnRow
from animate.strict_toml import from_table


def materialize(
    shards: str | Path,
    out: str | Path,
    workforce: Workforce = AUTOMATIC,
    *,
    format: str,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> BuildReport:
    """Make `out` hold the clips of the virtual shards at `shards` as `format`, a shard for each of theirs.

    Goes on where an earlier run stopped; the other settings are those of `build_shards`. Raises
    `BuildRefused` if `shards` is not a finished set of virtual clips, or `out` holds something else.
    """
    stored = _stored_format(format)
    origin = Place.at(shards)
    if origin == Place.at(out):
        raise BuildRefused(f"out = {str(out)!r}: is the shard set that is read; choose another folder")
    virtual = _virtual_plan(origin)
    recipe = from_table(BuildRecipe, virtual.recipe)
    recipe = dataclasses.replace(recipe, video=dataclasses.replace(recipe.video, format=stored))
    make_shard = functools.partial(_materialize_shard, shards=origin.location)

    def make_plan(place: Place) -> tuple[Plan, dict[str, ShardRecord]]:
        plan = open_plan(
            place,
            recipe.content(),
            _fingerprint(origin, virtual),
            lambda _: (virtual.shards, virtual.columns),
            overwrite=overwrite,
        )
        return plan, finished_records(plan, place, recipe.takes)

    return run_build(out, recipe, make_plan, make_shard, workforce=workforce, on_progress=on_progress)


def _stored_format(format: str) -> Format:
    if format == "mp4" or format == "frames":
        return format
    raise BuildRefused(f"format = {format!r}: must be one of mp4, frames")


def _virtual_plan(origin: Place) -> Plan:
    plan = read_plan(origin)
    if plan is None:
        raise BuildRefused(f"{origin.root}: holds no shard set ({PLAN} is missing)")
    made = plan.recipe["video"]["format"]
    if made != "virtual":
        raise BuildRefused(f"{origin.root}: holds {made} clips, and only virtual ones can be materialized")
    return plan


def _fingerprint(origin: Place, plan: Plan) -> dict[str, str | int]:
    """What tells one finished set of virtual shards from another."""
    manifest = origin.read_json(MANIFEST)
    if manifest is None:
        raise BuildRefused(f"{origin.root}: is not finished ({MANIFEST} is missing); end its build first")
    tars = "".join(row["sha256"] for row in manifest["shards"])
    return {
        "virtual": plan.digest,
        "clips": manifest["totals"]["clips"],
        "tars": hashlib.blake2b(tars.encode(), digest_size=16).hexdigest(),
    }


def _materialize_shard(assignment: Assignment, on_row: OnRow | None = None, *, shards: str) -> ShardRecord:
    """Renders the clips of one virtual shard and passes its rejections on, in their order."""
    video = assignment.recipe.video
    with assignment.writer(on_row) as writer:
        for take, row in stored_rows(Place.at(shards), assignment.shard.name, assignment.columns):
            if isinstance(row, Rejected):
                writer.reject(take, row)
                continue
            still = row.members["jpg"]
            try:
                frames = replay_record(still, row.record, assignment.device)
            except UndecodableImage as error:
                writer.reject(take, row.rejected(error.fault))
                continue
            members = WRITERS[video.format](still, frames, video)
            writer.add(dataclasses.replace(row, members=members))
        return writer.finish()
