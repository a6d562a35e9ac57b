"""Virtual shards to shards of pixels: the same clips, rendered from what they carry.

A shard that comes out is, byte for byte, the one that a build with this format would have made.
"""

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

from animate.build import BuildReport, Progress, open_shard_set, run_plan
from animate.codec import UndecodableImage
from animate.data import Clip, Rejected, ShardPlan, ShardRecord
from animate.film import replay
from animate.formats import WRITERS
from animate.recipe import BuildRecipe, Format
from animate.render import check_device
from animate.shards.place import BuildRefused, Place
from animate.shards.plan import MANIFEST, PLAN, Plan, open_plan, read_plan
from animate.shards.read import rejection, stored_rows
from animate.shards.write import ShardWriter
from animate.strict_toml import from_table


def materialize(
    shards: str | Path,
    out: str | Path,
    *,
    format: str,
    workers: int | None = None,
    address: str | None = None,
    overwrite: bool = False,
    time_limit: float | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    device: str = "cpu",
) -> BuildReport:
    """Make `out` hold the clips of the virtual shards at `shards` as `format`, a shard for each of theirs.

    Goes on where an earlier run stopped; the settings after `format` are those of `build`. Raises
    `BuildRefused` if `shards` is not a finished set of virtual clips, or `out` holds something else.
    """
    started = time.monotonic()
    stored = _stored_format(format)
    origin = Place.at(shards)
    if origin == Place.at(out):
        raise BuildRefused(f"out = {str(out)!r}: is the shard set that is read; choose another folder")
    virtual = _virtual_plan(origin)
    recipe = from_table(BuildRecipe, virtual.recipe)
    recipe = dataclasses.replace(recipe, video=dataclasses.replace(recipe.video, format=stored))
    check_device(device, here=address is None)
    make_shard = functools.partial(_materialize_shard, shards=_absolute(shards), device=device)
    with open_shard_set(out) as place:
        plan = open_plan(
            place,
            recipe.content(),
            _fingerprint(origin, virtual),
            lambda _: virtual.shards,
            overwrite=overwrite,
        )
        return run_plan(
            plan,
            place,
            recipe,
            make_shard,
            workers=workers,
            address=address,
            time_limit=time_limit,
            started=started,
            on_gpus=device.startswith("cuda"),
            on_progress=on_progress,
        )


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


def _absolute(shards: str | Path) -> str:
    """The same set, found from any working directory."""
    local = Place.at(shards).local
    return str(shards) if local is None else str(local.absolute())


def _materialize_shard(
    plan: ShardPlan, recipe: BuildRecipe, out: str, plan_folder: str, *, shards: str, device: str
) -> ShardRecord:
    """Renders the clips of one virtual shard and passes its rejections on, in their order."""
    with ShardWriter(out, plan.name) as writer:
        for take, row in stored_rows(Place.at(shards), plan.name):
            if isinstance(row, Rejected):
                writer.reject(take, row)
                continue
            still = row.members["jpg"]
            try:
                frames = replay(still, row.record, device)
            except UndecodableImage as error:
                writer.reject(take, rejection(row.record, error.status, str(error)))
                continue
            made = WRITERS[recipe.video.format](still, frames, recipe.video)
            writer.add(Clip(take=take, members=made, record=row.record))
        return writer.finish()
