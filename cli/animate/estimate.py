"""`animate estimate`: what a build will come to, before it is run."""

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from .options import with_recipe
from .report import shortened

if TYPE_CHECKING:
    from animate.estimate import Guess
    from animate.recipe import BuildRecipe


@with_recipe
def estimate(
    wanted: "BuildRecipe",
    out: Annotated[
        str, typer.Option(help="Where the shards are to go; nothing is written there.")
    ] = "shards",
    workers: Annotated[
        int,
        typer.Option(min=0, help="Tell the hours on so many workers, too; 0 is this process, and so is 1."),
    ] = 16,
) -> None:
    """Read the list, film 50 samples into memory, and tell clips, shards, bytes, hours and dead links.

    Options up to --allow-outside are those of `animate build`, for the build that they stand for.
    """
    from animate.estimate import PROBES, estimate, free_bytes
    from animate.recipe import kept_of_preset
    from animate.threads import available_cpus

    found = estimate(wanted)
    here = available_cpus()
    kept = kept_of_preset(wanted.shot)
    if kept:
        said = ", ".join(f"{key} = {_toml(value)}" for key, value in kept.items())
        print(f"shot      a list of the recipe's own, and of the preset {wanted.shot.preset!r} still: {said}")
    print(f"inputs    {'unknown' if found.inputs is None else f'{found.inputs:,}'}")
    print(f"shards    {found.shards:,}")
    made = _percent(found.share_made)
    print(f"probed    {found.probed} of {PROBES}: {made} become clips")
    for status, count in found.rejected.items():
        key, message = found.examples[status]
        print(f"          {status} {count:,}, such as {key!r}: {shortened(message)}")
    if found.failed_downloads is not None:
        print(f"links     {_percent(found.failed_downloads)} cannot be had")
    clips = found.clips
    if clips is not None:
        print(f"clips     {_count(clips)}")
    for name, size in found.bytes_a_clip.items():
        total = "" if clips is None else f", in all {_bytes(size * clips.value)}"
        marker = "  <- the recipe's" if name == wanted.video.format else ""
        print(f"{name:<9} {_bytes(size)} a clip{total}{marker}")
    free = free_bytes(out)
    if free is not None:
        print(f"free      {free / 1e9:,.1f} GB at {out}")
    for number in dict.fromkeys((here, max(workers, 1))):
        hours = found.hours(number)
        if hours is not None:
            where = "CPUs here" if number == here else "workers"
            print(f"time      {_time(hours)} on {number} {where}")


def _toml(value: object) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _percent(guess: "Guess") -> str:
    return f"{guess.value:.0%} ± {guess.doubt:.0%}"


def _count(guess: "Guess") -> str:
    return f"{guess.value:,.0f} ± {guess.doubt:,.0f}"


def _time(hours: "Guess") -> str:
    return _in_units(hours, {"h": 1.0, "min": 1 / 60, "s": 1 / 3600})


def _bytes(guess: "Guess") -> str:
    return _in_units(guess, {"TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3})


def _in_units(guess: "Guess", units: dict[str, float]) -> str:
    """In the largest unit of which there is one, else in the smallest; "?" where the doubt is infinite."""
    unit, size = next(
        ((unit, size) for unit, size in units.items() if guess.value >= size), list(units.items())[-1]
    )
    doubt = f"{guess.doubt / size:,.1f}" if math.isfinite(guess.doubt) else "?"
    return f"{guess.value / size:,.1f} ± {doubt} {unit}"
