"""A shard set in the layout of another project, one shard after the other.

Each shard is written into a folder of its own, moved into place file by file, and marked. A run that finds
marks goes on behind them; when all shards are marked, the files of the whole set are written from the notes
that were kept of each, and marks and notes go. Memory holds the clips of one file, and never the set.

`_export/export.json` says what is exported from what, and in the end how many clips. Nothing in OUT depends
on where it lies, on the time, or on how often the export was stopped.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from animate import executor
from animate.errors import StopsBuild, UserError
from animate.executor import HERE, Workforce
from animate.exports import EXPORTS, SPLITS, Exported, Split, total
from animate.exports.shard import (
    MARKS,
    NOTES,
    OURS,
    WRITING,
    ExportJob,
    ShardMark,
    StoredNotes,
    export_shard,
    read_mark,
    write_json,
)
from animate.recipe import BuildRecipe
from animate.shards.card import most_counted
from animate.shards.finished import finished_records
from animate.shards.lease import locked_folder
from animate.shards.place import MANIFEST, PLAN, Place
from animate.shards.plan import Plan, read_plan, totals
from animate.sources.paths import is_url
from animate.strict_toml import differences, from_table, nearest

#: What is exported from what; in the end, how many clips.
STATE = f"{OURS}/export.json"
#: Raised when `_export` or a layout changes: what an earlier release began is not gone on with.
_VERSION = 1
#: Fewer clips than this are encoded before a Ray cluster has started.
_TOO_FEW_FOR_RAY = 2000

#: Told how many clips of how many are done.
OnClips = Callable[[int, int], None]


class ExportRefused(StopsBuild):
    """An export that cannot be made as it was asked for; the message says why and what to do instead."""


class ExportIncomplete(UserError):
    """Shards could not be read: all others are exported, and the same command goes on with these."""

    exit_code = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What `export_shards` made: `clips` by split, and `left_out` by reason; together all clips of the set.

    `made` is how many were exported in this run, `warnings` what the consumer makes of them.
    """

    clips: Mapping[Split, int]
    left_out: Mapping[str, int]
    made: int
    warnings: Sequence[str]


def export_shards(
    shards: str | Path,
    out: str | Path,
    *,
    to: str,
    licences: Sequence[str] = (),
    split: Sequence[float] = (),
    finished_only: bool = False,
    workforce: Workforce = HERE,
    on_clips: OnClips | None = None,
) -> ExportReport:
    """Make the folder `out` hold the clips of the set at `shards` in the layout `to`, a key of `EXPORTS`.

    Goes on where an earlier run stopped. `licences` lets those clips alone through, in any spelling
    (`animate.sources.licences`). `split` has the shares of train, val and test, which sum to 1: a still is in
    one of them with all its takes, by its key. Clips stored as mp4 are copied as they are, all others encoded
    as their recipe says; `finished_only` takes the finished shards of a set that is not.

    Raises `ExportRefused` where the set, `out` or an argument will not do, `ExportIncomplete` for shards that
    cannot be read.
    """
    shares = _shares(split)
    if to not in EXPORTS:
        raise ExportRefused(f"to = {to!r}: must be one of {', '.join(EXPORTS)}{nearest(to, EXPORTS)}")
    origin, folder = Place.at(shards), _local(out)
    plan = read_plan(origin)
    if plan is None:
        raise ExportRefused(f"{origin.root}: holds no shard set ({PLAN} is missing)")
    recipe = from_table(BuildRecipe, plan.recipe)
    job = ExportJob(
        shards=origin.location,
        out=str(folder),
        to=to,
        licences=tuple(sorted(licences)),
        shares=shares,
        recipe=recipe,
        columns=plan.columns,
        device=workforce.device,
    )
    if licences and not job.licence_column:
        raise ExportRefused("--license: the set carries no column of licences; see its `_animate/card.md`")
    if origin.local is not None and folder.resolve() == origin.local.resolve():
        raise ExportRefused(f"out = {str(out)!r}: is the shard set that is read; choose another folder")
    begun_with = _begun_with(folder) if finished_only else ()
    manifest = _manifest(origin, plan, recipe, begun_with, finished_only=finished_only)
    state = _state(job, manifest)
    with _ours(folder, state) as begun:
        if "clips" not in begun:
            made = _export(job, manifest, begun, workforce, on_clips)
        else:
            made = 0
            _clear_up(folder)
        report = _report(job, json.loads((folder / STATE).read_text(encoding="utf-8")), made)
    if "finished" not in manifest:
        return report
    taken = f"{len(manifest['finished']):,} of {manifest['shards_planned']:,}"
    told = f"these are {taken} shards, finished when this began"
    return dataclasses.replace(report, warnings=(told, *report.warnings))


def _shares(split: Sequence[float]) -> tuple[float, ...]:
    if not split:
        return ()
    shown = ",".join(f"{share:g}" for share in split)
    if not 2 <= len(split) <= len(SPLITS) or not all(0 < share < 1 for share in split):
        raise ExportRefused(f"split = {shown}: must be two or three shares above 0, as 0.9,0.1 for train,val")
    if not math.isclose(sum(split), 1, abs_tol=1e-6):
        raise ExportRefused(f"split = {shown}: sums to {sum(split):g}, and not to 1")
    return tuple(split)


def _local(out: str | Path) -> Path:
    if is_url(str(out)):
        raise ExportRefused(f"out = {str(out)!r}: is a URL; exports are folders of this machine")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise ExportRefused(f"out = {str(out)!r}: is a file; name a folder")
    return folder


def _begun_with(folder: Path) -> Sequence[str]:
    """Names of the shards that an export of an unfinished set was begun with; none for any other."""
    try:
        return json.loads((folder / STATE).read_text(encoding="utf-8"))["set"].get("finished", ())
    except FileNotFoundError:
        return ()


def _manifest(
    origin: Place, plan: Plan, recipe: BuildRecipe, begun_with: Sequence[str], *, finished_only: bool
) -> dict[str, Any]:
    """The manifest of the set, or what it would say of the shards that are finished.

    An export of these that was `begun_with` some goes on with them, though there may be more by now.
    """
    manifest = origin.read_json(MANIFEST)
    if manifest is not None and not begun_with:
        return manifest
    if not finished_only:
        raise ExportRefused(
            f"{origin.root}: is not finished ({MANIFEST} is missing); end its build first, or give "
            "--finished-only for the shards that are"
        )
    records = finished_records(plan, origin, recipe.takes)
    if not records:
        raise ExportRefused(f"{origin.root}: no shard is finished yet")
    if begun_with and records.keys() >= set(begun_with):
        records = {name: records[name] for name in begun_with}
    return {
        "finished": [shard.name for shard in plan.shards if shard.name in records],
        "shards_planned": len(plan.shards),
        "name": recipe.name,
        "digest": plan.digest,
        "totals": totals(plan, records),
        "recipe": plan.recipe,
        "source": plan.source,
        "shards": [dataclasses.asdict(records[shard.name]) for shard in plan.shards if shard.name in records],
    }


def _state(job: ExportJob, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What is exported from what: equal for runs that go on with one another."""
    tars = "".join(row["name"] + row["sha256"] for row in manifest["shards"])
    return {
        "version": _VERSION,
        "to": job.to,
        "license": list(job.licences),
        "split": list(job.shares),
        "set": {
            "digest": manifest["digest"],
            "shards": len(manifest["shards"]),
            "tars": hashlib.blake2b(tars.encode(), digest_size=16).hexdigest(),
            **({"finished": manifest["finished"]} if "finished" in manifest else {}),
        },
        # Stills are rendered here, and a GPU rounds otherwise.
        **({"device": job.device.partition(":")[0]} if job.recipe.video.format == "virtual" else {}),
    }


@contextlib.contextmanager
def _ours(folder: Path, state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """`folder` is this export's inside the block, with what its state was: `state`, and counts at its end."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if there - {OURS} and not (folder / STATE).is_file():
        raise ExportRefused(f"{folder}: is not empty and holds no export ({STATE} is missing)")
    (folder / OURS).mkdir(parents=True, exist_ok=True)
    refusal = ExportRefused(f"{folder}: another export is writing there")
    with locked_folder(folder / OURS, refusal):
        if not (folder / STATE).is_file():
            write_json(folder / STATE, state)
        found = json.loads((folder / STATE).read_text(encoding="utf-8"))
        changed = differences({key: found.get(key) for key in state}, dict(state))
        # A list of shards tells nobody more than their number does.
        changed = [line for line in changed if not line.startswith("set.finished")]
        if changed:
            raise ExportRefused(
                f"{folder}: holds another export ({'; '.join(changed)}); give another --out, or delete it"
            )
        yield found


def _export(
    job: ExportJob,
    manifest: Mapping[str, Any],
    state: Mapping[str, Any],
    workforce: Workforce,
    on_clips: OnClips | None,
) -> int:
    """Writes every shard that has no mark, then the files of the set; the clips that this run exported."""
    folder = Path(job.out)
    rows = {row["name"]: row["clips"] for row in manifest["shards"]}
    marks: dict[str, ShardMark] = {}
    for name in rows:
        if (mark := read_mark(folder, name)) is not None:
            marks[name] = mark
    shutil.rmtree(folder / WRITING, ignore_errors=True)
    todo = [name for name in rows if name not in marks]
    done, whole, made = sum(rows[name] for name in marks), sum(rows.values()), 0

    def show() -> None:
        if on_clips is not None:
            on_clips(done, whole)

    def on_done(index: int, mark: ShardMark) -> None:
        nonlocal done, made
        marks[todo[index]] = mark
        done += rows[todo[index]]
        made += sum(mark.clips.values())
        show()

    show()
    small = job.recipe.video.format == "mp4" or whole - done < _TOO_FEW_FOR_RAY
    failures = executor.run_tasks(
        functools.partial(export_shard, job),
        [(name, rows[name]) for name in todo],
        workforce.sized(len(todo), small=small),
        on_done=on_done,
        names=[f"shard {name}" for name in todo],
        retries=0,  # what does not read does not read the second time
    )
    if failures:
        raise ExportIncomplete(
            f"{len(failures)} of {len(rows)} shards could not be exported, first {todo[failures[0].task]}: "
            f"{failures[0].message}; `animate verify` says what is wrong, and the same command goes on"
        )
    if len(marks) < len(rows):
        raise ExportIncomplete(f"{len(marks)} of {len(rows)} shards are exported; the same command goes on")
    _finish(job, manifest, state, [marks[name] for name in rows])
    return made


def _finish(
    job: ExportJob, manifest: Mapping[str, Any], state: Mapping[str, Any], marks: Sequence[ShardMark]
) -> None:
    """The files of the whole set are there, the state has its counts, and nothing is left of the work."""
    folder = Path(job.out)
    clips, left_out = total(mark.clips for mark in marks), total(mark.left_out for mark in marks)
    lost = sum(row["clips"] for row in manifest["shards"]) - clips.total() - left_out.total()
    assert not lost, f"{lost} clips are neither exported nor left out"
    exported = Exported(
        splits=_splits(job),
        counts=clips,  # pyright: ignore[reportArgumentType]
        licences=most_counted(total(mark.licences for mark in marks)) if job.licence_column else {},
        manifest=manifest,
    )
    notes = StoredNotes(folder, [row["name"] for row in manifest["shards"]])
    job.exporter.finish(folder, notes, exported)
    counts = {
        "clips": {split: clips[split] for split in exported.splits},
        "left_out": dict(sorted(left_out.items())),
        "remarks": dict(sorted(total(mark.remarks for mark in marks).items())),
        "licences": dict(sorted(exported.licences.items())),
    }
    write_json(folder / STATE, {**state, **counts})
    _clear_up(folder)


def _clear_up(folder: Path) -> None:
    for name in (MARKS, NOTES, WRITING):
        shutil.rmtree(folder / name, ignore_errors=True)


def _splits(job: ExportJob) -> Sequence[Split]:
    return SPLITS[: len(job.shares) or 1]


def _report(job: ExportJob, state: Mapping[str, Any], made: int) -> ExportReport:
    exporter, video = job.exporter, job.recipe.video
    exported = Exported(splits=_splits(job), counts=state["clips"], licences=state["licences"], manifest={})
    warnings = [f"{count:,} {remark}" for remark, count in state["remarks"].items()]
    if sum(state["clips"].values()):
        warnings = [*exporter.warnings(video), *warnings, *exporter.afterwards(exported)]
    return ExportReport(clips=state["clips"], left_out=state["left_out"], made=made, warnings=warnings)
