"""Read a shard set again, all of it, and list whatever is not as a build leaves it.

Nothing is taken on trust but the plan. `animate.shards.check` reads each shard; the files of the set, and
what only several shards together show, are looked at here.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from animate import executor
from animate.data import SHARD_SUFFIXES, ShardPlan
from animate.executor import HERE, Workforce
from animate.record import SUCCESS
from animate.shards.card import card_sha256
from animate.shards.check import Damage, ShardCheck, check_shard
from animate.shards.lease import locked
from animate.shards.place import (
    ATTEMPTS,
    CARD,
    LENGTH,
    MANIFEST,
    ONLY_FINISHED,
    OURS,
    PLAN,
    BuildRefused,
    Place,
)
from animate.shards.plan import Plan, damaged_files, read_plan, totals
from animate.shards.read import read_table
from animate.stores import NO_ANSWER


def verify(
    out: str,
    workforce: Workforce = HERE,
    *,
    quick: bool = False,
    on_shard: Callable[[int, int], None] | None = None,
) -> list[Damage]:
    """Every fault of the shard set at `out` (a folder or an fsspec URL); none means it is whole and sound.

    A `quick` look finds whatever changed since the build, by the sha256 of each tar, and what counts do not
    bear out; it decodes nothing. `on_shard` is told how many shards of how many are read. Raises
    `BuildRefused` where there is no plan to measure by, one of `NO_ANSWER` where the store does not give a
    file: that is no fault of the set's.
    """
    place = Place.at(out)
    plan = read_plan(place)
    if plan is None:
        raise BuildRefused(f"{place.root}: holds no shard set ({PLAN} is missing)")
    checks: dict[int, ShardCheck] = {}

    def on_done(index: int, check: ShardCheck) -> None:
        checks[index] = check
        if on_shard is not None:
            on_shard(len(checks), len(begun))

    begun = _begun(place, plan)
    tasks = [(out, shard, plan.recipe, plan.columns) for shard in begun]
    check = functools.partial(check_shard, quick=quick)
    failures = executor.run_tasks(
        check, tasks, workforce, on_done=on_done, names=[f"shard {shard.name}" for shard in begun]
    )
    if failures:
        raise RuntimeError(f"shard {begun[failures[0].task].name}: {failures[0].details}")
    ordered = [checks[index] for index in range(len(begun))]
    faults = [damage for check in ordered for damage in check.damages]
    return [*faults, *_set_faults(place, plan, ordered), *_duplicate_keys(place, begun, ordered)]


def _begun(place: Place, plan: Plan) -> Sequence[ShardPlan]:
    """The shards that should be there: all of a finished set, else those of which some file is."""
    if place.has(MANIFEST):
        return plan.shards
    names = place.names()
    return [shard for shard in plan.shards if any(shard.name + suffix in names for suffix in SHARD_SUFFIXES)]


def repair(out: str, workforce: Workforce = HERE, *, quick: bool = False) -> list[Damage]:
    """Removes what `verify` finds at fault, shard by shard, so that the same build makes it again.

    Returns the faults found. The plan and sound shards are left alone.
    """
    place = Place.at(out)
    with locked(place):
        faults = verify(out, workforce, quick=quick)
        if not all(fault.unfinished for fault in faults):
            for name in ONLY_FINISHED:  # they come last again
                place.remove(name)
        for name in sorted({fault.shard for fault in faults} - {""}):
            for suffix in reversed(SHARD_SUFFIXES):
                place.remove(name + suffix)
        place.remove(ATTEMPTS)
    return faults


def _set_faults(place: Place, plan: Plan, checks: list[ShardCheck]) -> Iterator[Damage]:
    def fault(what: str, shard: str = "") -> Damage:
        return Damage(shard=shard, key="", what=what)

    yield from (fault(f"leftover: {ATTEMPTS}/{name}") for name in sorted(place.names(ATTEMPTS)))
    for name in damaged_files(place, plan):
        yield fault(f"{OURS}/{name} is damaged: the same build writes it anew from the same corpus")
    planned = {shard.name for shard in plan.shards}
    for name in sorted(place.names()):
        stem = next((name.removesuffix(suffix) for suffix in SHARD_SUFFIXES if name.endswith(suffix)), "")
        if stem.isdecimal() and stem not in planned:
            yield fault(f"leftover: {name} is not in the plan", stem)
    missing = len(plan.shards) - len(checks)
    if missing:
        what = f"not finished: {len(checks):,} of {len(plan.shards):,} shards; the same command goes on"
        yield Damage(shard="", key="", what=what, unfinished=True)
        return
    clips = sum(check.clips for check in checks)
    length = place.read_text(LENGTH)
    if length is None:
        yield fault(f"{LENGTH} is missing")
    elif length != str(clips):
        yield fault(f"{LENGTH} is {length!r}, and there are {clips} clips")
    yield from map(fault, _manifest_faults(place, plan, checks))


def _manifest_faults(place: Place, plan: Plan, checks: list[ShardCheck]) -> Iterator[str]:
    try:
        manifest = place.read_json(MANIFEST)
    except NO_ANSWER:
        raise
    except ValueError as error:
        yield f"{MANIFEST} cannot be read: {error}"
        return
    if manifest is None:
        yield f"{MANIFEST} is missing: the build is not finished"
        return
    if manifest.get("digest") != plan.digest:
        yield f"{MANIFEST} is of another plan"
    known = {check.record.name: check.record for check in checks if check.record is not None}
    if len(known) == len(checks) and manifest.get("totals") != totals(plan, known):
        yield f"{MANIFEST} has other totals than the markers together"
    yield from _card_faults(place, manifest.get("card", ""))
    records = {row["name"]: row for row in manifest.get("shards", ())}
    for check in checks:
        record = check.record
        if record is not None and records.get(record.name, {}).get("sha256") != record.sha256:
            yield f"{MANIFEST} has another sha256 for shard {record.name} than its marker"


def _card_faults(place: Place, sha256: str) -> Iterator[str]:
    """`sha256` is what the manifest says of the card; sets of earlier releases have none."""
    if not sha256:
        return
    try:
        text = place.read_text(CARD)
    except NO_ANSWER:
        raise
    except ValueError:
        text = ""
    if text is None:
        yield f"{CARD} is missing: --repair, and the same build writes it anew"
    elif card_sha256(text) != sha256:
        yield f"{CARD} is not as the build wrote it: --repair, and the same build writes it anew"


def _duplicate_keys(place: Place, shards: Sequence[ShardPlan], checks: list[ShardCheck]) -> Iterator[Damage]:
    """Clips of different shards with one key.

    Digests find the shards. A sixteenth of them, those that begin alike, is sorted at a time: beside the 8
    bytes a key that they are, memory stays small.
    """
    digests = np.concatenate([np.empty(0, np.uint64), *(check.keys for check in checks)])
    ends = np.cumsum([len(check.keys) for check in checks])
    suspects: set[int] = set()
    for beginning in range(16):
        places = np.flatnonzero(digests >> np.uint64(60) == beginning)
        values, counts = np.unique(digests[places], return_counts=True)
        repeated = places[np.isin(digests[places], values[counts > 1])]
        suspects.update(np.searchsorted(ends, repeated, side="right").tolist())
    first: dict[str, str] = {}
    for owner in sorted(suspects):
        name = shards[owner].name
        for row in read_table(place, name, ["key", "status"]).to_pylist():
            if row["status"] == SUCCESS and first.setdefault(row["key"], name) != name:
                yield Damage(shard=name, key=row["key"], what=f"the key is in shard {first[row['key']]} too")
