"""Virtual shards to shards of pixels: the same clips, rendered from what they carry.

A shard that comes out is, byte for byte, the one that a build with this format would have made.
"""

import dataclasses
import functools
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from animate.build import BuildReport, Progress, open_shard_set, run_plan
from animate.codec import UndecodableImage
from animate.data import Clip, Rejected, ShardPlan, ShardRecord, Take
from animate.film import replay
from animate.place import BuildRefused, Place
from animate.plan import MANIFEST, PLAN, Plan, open_plan, read_plan
from animate.recipe import BuildRecipe, Format
from animate.render import check_device
from animate.strict_toml import from_table
from animate.ustar import read_samples
from animate.writers import COLUMNS, PARQUET, SUCCESS, TAR, WRITERS, ShardWriter


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
    origin = Place.at(shards)
    stem = f"{origin.root}/{plan.name}"
    with (
        origin.filesystem.open(stem + TAR, "rb") as tar,
        origin.filesystem.open(stem + PARQUET, "rb") as table,
        ShardWriter(out, plan.name) as writer,
    ):
        samples = read_samples(tar)
        # Not on Arrow's threads: one that holds a piece of the file at exit aborts the process.
        for row in pq.ParquetFile(table).read(use_threads=False).to_pylist():
            take = Take(source_key=row["source_key"], index=row["take"])
            if row["status"] != SUCCESS:
                writer.reject(take, _rejection(row))
                continue
            key, members = next(samples, ("", {}))
            if key != take.key:
                raise ValueError(
                    f"{stem}: the table has {take.key} where the tar has {key!r}: see `animate verify`"
                )
            record = _as_built(json.loads(members["json"]), row)
            try:
                frames = replay(members["jpg"], record, device)
            except UndecodableImage as error:
                writer.reject(take, _rejection(row | {"status": error.status, "error_message": str(error)}))
                continue
            made = WRITERS[recipe.video.format](members["jpg"], frames, recipe.video)
            writer.add(Clip(take=take, members=made, record=record))
        return writer.finish()


def _as_built(record: dict[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """A clip's record as it was before it was written: values that are null in its row were missing."""
    return {name: None if name in row and row[name] is None else value for name, value in record.items()}


def _rejection(row: Mapping[str, Any]) -> Rejected:
    """The rejection that a row of the table tells of."""
    carried = {name: value for name, value in row.items() if name not in COLUMNS or name in ("url", "sha256")}
    return Rejected(
        key=row["source_key"],
        status=row["status"],
        message=row["error_message"],
        captions=() if row["caption"] is None else (row["caption"],),
        meta=carried,
    )
