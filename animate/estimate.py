"""What a build will come to, from its list and 50 samples: clips, bytes, hours, dead links, and the doubt."""

import dataclasses
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from animate.build import samples_per_shard
from animate.data import DOWNLOAD_STATUSES, Clip, Part, Rejected, Sample
from animate.leeway import check_leeway
from animate.recipe import BuildRecipe, Format
from animate.record import Columns, flat_json
from animate.shard import film_groups
from animate.shards.plan import cut
from animate.sources import open_source, read_part
from animate.ustar import room

#: Probed samples, and the runs of neighbours that they come in, spread evenly over the corpus.
PROBES, RUNS = 50, 5
FORMATS: tuple[Format, ...] = ("mp4", "frames", "virtual")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A mean and half the width of its 95 % interval, as the spread of the probes has it."""

    value: float
    doubt: float

    def __mul__(self, factor: float) -> "Guess":
        return Guess(value=self.value * factor, doubt=self.doubt * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A build before it is run. `inputs` counts takes; `share_made` is their part that becomes clips.

    `rejected` are the probes' statuses, `examples` the key of one and its message for each,
    `failed_downloads` the share of probes that could not be had (None where nothing is downloaded).
    `bytes_a_clip` is by format; `seconds_an_input` is for one worker of this machine, reading and filming
    in the recipe's format.
    """

    inputs: int | None
    shards: int
    probed: int
    share_made: Guess
    rejected: dict[str, int]
    examples: dict[str, tuple[str, str]]
    failed_downloads: Guess | None
    bytes_a_clip: dict[str, Guess]
    seconds_an_input: Guess

    @property
    def clips(self) -> Guess | None:
        return None if self.inputs is None else self.share_made * self.inputs

    def hours(self, workers: int) -> Guess | None:
        """The time on so many workers (of which no more work than there are shards), without start-up, if
        these do not wait for one another or for a network."""
        if self.inputs is None:
            return None
        busy = max(1, min(workers, self.shards))
        return self.seconds_an_input * (self.inputs / busy / 3600)


def estimate(recipe: BuildRecipe) -> Estimate:
    """Reads the corpus' list and films `PROBES` of its samples in every format, into memory.

    Raises `RecipeError` if the recipe contradicts itself.
    """
    check_leeway(recipe)
    fetch = dataclasses.replace(recipe.source.fetch, keep_images="")  # nothing stays
    recipe = dataclasses.replace(recipe, source=dataclasses.replace(recipe.source, fetch=fetch))
    source = open_source(recipe.source)
    rows_a_shard = samples_per_shard(recipe)
    with tempfile.TemporaryDirectory() as folder:
        frozen = source.freeze(Path(folder), rows_a_shard)
        shards = list(cut(frozen.parts, rows_a_shard))
        parts = list(dict.fromkeys(shard.part for shard in shards))
        counts = [part.rows for part in parts]
        rows = None if None in counts else sum(count or 0 for count in counts)
        runs, seconds = [], []
        for part, start, stop in _runs(parts):
            began = time.perf_counter()
            run = list(read_part(part, start, stop, recipe.source, Path(folder), frozen.columns))
            runs.append(run)
            seconds.append((time.perf_counter() - began, len(run)))
    samples = [item for run in runs for item in run]
    made, sizes, filming = _film_all(runs, recipe, frozen.columns)
    refused = [row for row in made if row is not None]
    examples = {row.fault.status: (key, row.fault.message) for key, row in reversed(refused)}
    reading = [spent / count for spent, count in seconds if count]
    downloads = None
    if parts and parts[0].downloaded:
        tried = [item for item in samples if _was_asked_for(item)]
        downloads = share([isinstance(item, Rejected) for item in tried])
    took = mean(filming)
    read = mean(reading)
    return Estimate(
        inputs=None if rows is None else rows * recipe.takes,
        shards=len(shards),
        probed=len(samples),
        share_made=share([row is None for row in made]),
        rejected=dict(sorted(Counter(row.fault.status for _, row in refused).items())),
        examples=examples,
        failed_downloads=downloads,
        bytes_a_clip={name: mean(values) for name, values in sizes.items()},
        seconds_an_input=Guess(
            value=took.value + read.value / recipe.takes,
            doubt=math.hypot(took.doubt, read.doubt / recipe.takes),
        ),
    )


def _was_asked_for(row: Sample | Rejected) -> bool:
    return isinstance(row, Sample) or row.fault.status in DOWNLOAD_STATUSES


def mean(values: Sequence[float]) -> Guess:
    """The mean and its 95 % interval by the normal rule; of no value at all, 0 with infinite doubt."""
    if not values:
        return Guess(value=0.0, doubt=math.inf)
    middle = sum(values) / len(values)
    if len(values) == 1:
        return Guess(value=middle, doubt=math.inf)
    variance = sum((value - middle) ** 2 for value in values) / (len(values) - 1)
    return Guess(value=middle, doubt=1.96 * math.sqrt(variance / len(values)))


def share(found: Sequence[bool]) -> Guess:
    """A share and its 95 % interval (Agresti and Coull's, which is never empty)."""
    if not found:
        return Guess(value=0.0, doubt=1.0)
    count, middle = len(found) + 4, (sum(found) + 2) / (len(found) + 4)
    return Guess(value=sum(found) / len(found), doubt=1.96 * math.sqrt(middle * (1 - middle) / count))


def free_bytes(out: str) -> int | None:
    """Free space where `out` is or will be; None behind an address."""
    if "://" in out:
        return None
    path = os.path.abspath(out)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    import shutil

    return shutil.disk_usage(path).free


def _runs(parts: Sequence[Part]) -> list[tuple[Part, int, int]]:
    """Where the probes are: evenly over the rows of all parts (or over the parts, if not counted)."""
    length = PROBES // RUNS
    if any(part.rows is None for part in parts):
        chosen = [parts[i * len(parts) // RUNS] for i in range(min(RUNS, len(parts)))]
        return [(part, 0, PROBES // len(chosen)) for part in chosen]
    total = sum(part.rows or 0 for part in parts)
    starts = sorted({i * max(total - length, 0) // (RUNS - 1) for i in range(RUNS)})
    if total <= PROBES:
        length = -(-total // RUNS)
        starts = list(range(0, total, length)) if total else []
    found, first = [], 0
    for part in parts:
        rows = part.rows or 0
        for start in starts:
            low, high = max(start, first), min(start + length, first + rows)
            if low < high:
                found.append((part, low - first, high - first))
        first += rows
    return found


def _film_all(
    runs: Sequence[Sequence[Sample | Rejected]], recipe: BuildRecipe, columns: Columns
) -> tuple[list[tuple[str, Rejected] | None], dict[str, list[float]], list[float]]:
    """Each take that was rejected, with its still's key (None for a clip), bytes of each clip by format,
    seconds a take of each run in the recipe's own format. Montages are judged by their first still
    alone."""
    single = dataclasses.replace(
        recipe, shot=dataclasses.replace(recipe.shot, edit=dataclasses.replace(recipe.shot.edit, stills=1))
    )
    made: list[tuple[str, Rejected] | None] = []
    seconds: list[float] = []
    sizes: dict[str, list[float]] = {name: [] for name in FORMATS}
    for name in FORMATS:
        wanted = dataclasses.replace(single, video=dataclasses.replace(single.video, format=name))
        for run in runs:
            began = time.perf_counter()
            outcomes = [outcome for _, outcome in film_groups(enumerate([row] for row in run), wanted)]
            if outcomes and name == recipe.video.format:
                seconds.append((time.perf_counter() - began) / len(outcomes))
            for outcome in outcomes:
                if isinstance(outcome, Clip):
                    sizes[name].append(_tar_bytes(outcome, columns))
                if name == recipe.video.format:
                    made.append(None if isinstance(outcome, Clip) else (outcome[0].source_key, outcome[1]))
    return made, sizes, seconds


def _tar_bytes(clip: Clip, columns: Columns) -> int:
    """What a clip takes in its shard, the json and the txt too."""
    lengths = [len(content) for content in clip.members.values()]
    lengths += [len(flat_json(clip.record, clip.carried, columns)), len(clip.record.caption.encode())]
    return sum(room(length) for length in lengths)
