"""Whether the corpus of a shard set is still the one that it was planned from.

A build that goes on looks at the files that hold many rows, and at a few images; its workers look at the
images of their rows. `source_faults` looks at everything.
"""

import itertools
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from animate.recipe import BuildRecipe
from animate.shards.check import Damage
from animate.shards.place import PLAN, BuildRefused, Place
from animate.shards.plan import Plan, damaged_files, frozen_folder, read_plan
from animate.sources import Source, SourceError, open_source
from animate.sources.facts import changed_files, changed_images, is_copy
from animate.strict_toml import from_table

log = logging.getLogger(__name__)

#: What decides a sample before its image is read.
_LISTED = ["key", "file", "captions", "status", "image", "text", "json", "meta"]


def check_source(plan: Plan, place: Place, source: Source) -> None:
    """Raises `BuildRefused` for the first file with many rows that is not what it was when this was planned.

    Warns once of a corpus that was copied without the times of its images.
    """
    folder = frozen_folder(place.location, plan.frozen)
    for change in changed_files(folder, source.root, thorough=False):
        raise BuildRefused(
            f"{place.shown('')} was begun with another corpus: {change} when the build was planned; put the "
            "corpus back as it was, give another --out, or --overwrite to start afresh"
        )
    _warn_of_copy(plan, folder, source)


def _warn_of_copy(plan: Plan, folder: Path, source: Source) -> None:
    if is_copy(folder, [shard.part for shard in plan.shards], source.root):
        log.warning(
            "%s: its images have other times than when the build was planned, as copies have; that they have "
            "the same sizes is checked, that they are the same cannot be",
            source.root,
        )


def changes(plan: Plan, place: Place, source: Source, *, thorough: bool) -> Iterator[str]:
    """All that is not as it was in a corpus, in words that begin with the file, as far as was noted."""
    folder = frozen_folder(place.location, plan.frozen)
    yield from changed_files(folder, source.root, thorough=thorough)
    for listing in dict.fromkeys(folder / shard.part.path for shard in plan.shards if shard.part.path):
        yield from changed_images(listing, 0, None, source.root)


def changed_rows(plan: Plan, place: Place, freeze: Callable[[Path], object]) -> Iterator[str]:
    """The first row of the frozen listing that the corpus no longer gives, in words."""
    folder = frozen_folder(place.location, plan.frozen)
    with tempfile.TemporaryDirectory() as temporary:
        freeze(Path(temporary))
        listings = [
            name
            for name in dict.fromkeys(shard.part.path for shard in plan.shards)
            if name in plan.frozen_files
        ]
        before, now = (_rows(Path(where), listings) for where in (folder, temporary))
        for number, (old, new) in enumerate(itertools.zip_longest(before, now)):
            if old != new:
                yield _difference(number, old, new)
                return


def first_change(plan: Plan, place: Place, source: Source, freeze: Callable[[Path], object]) -> str:
    """The first file of a corpus of another fingerprint that is not as it was, in words; empty for none."""
    if damaged_files(place, plan):
        return ""
    found = itertools.chain(changes(plan, place, source, thorough=False), changed_rows(plan, place, freeze))
    return next((f"first of all: {change}" for change in found), "")


def source_faults(out: str, path: str, *, most: int = 10) -> list[Damage]:
    """What differs in the corpus at `path` from the one that the set at `out` was planned from.

    Everything is compared: digests, sizes and times of files, and the rows that the corpus gives. The first
    `most` are named. Raises `BuildRefused` where there is no plan or the
    set was made of virtual clips, `SourceError` where there is no corpus.
    """
    place = Place.at(out)
    plan = read_plan(place)
    if plan is None:
        raise BuildRefused(f"{place.shown('')}: holds no shard set ({PLAN} is missing)")
    if plan.of_virtual:
        raise BuildRefused(
            f"{place.shown('')}: was made of virtual clips: the virtual set is what to compare with a corpus"
        )
    if damaged_files(place, plan):
        raise BuildRefused(
            f"{place.shown('')}: its listing is damaged, so that nothing can be compared with it"
        )
    recipe = from_table(BuildRecipe, plan.recipe)
    if recipe.source.name == "demo" and path not in ("", "demo"):
        raise SourceError(f"{path!r}: this set was filmed from the demo inside the package; write `demo`")
    source = open_source(replace(recipe.source, path=path or recipe.source.path))
    _warn_of_copy(plan, frozen_folder(place.location, plan.frozen), source)
    found = list(changes(plan, place, source, thorough=True))
    rows_per_shard = max(shard.stop - shard.start if shard.stop else 1 for shard in plan.shards)
    if not found:
        found = list(changed_rows(plan, place, lambda folder: source.freeze(folder, rows_per_shard)))
    if not found and plan.source != source.fingerprint():
        found = ["its files have other names or sizes"]
    more = [f"and {len(found) - most:,} more"] if len(found) > most else []
    return [Damage(shard="", key="", what=f"source: {what}") for what in (*found[:most], *more)]


def _rows(folder: Path, listings: list[str]) -> Iterator[dict[str, object]]:
    for name in listings:
        if (folder / name).is_file():
            with pq.ParquetFile(folder / name) as file:
                for group in range(file.num_row_groups):
                    yield from file.read_row_group(group, columns=_LISTED).to_pylist()


def _difference(number: int, old: dict[str, object] | None, new: dict[str, object] | None) -> str:
    if old is None or new is None:
        row = new if old is None else old
        return f"row {number:,} ({_name(row)}) {'was added' if old is None else 'is there no longer'}"
    if _name(old) != _name(new):
        return f"row {number:,} is {_name(new)}, and was {_name(old)}"
    names = ", ".join(name for name in _LISTED if old[name] != new[name])
    return f"row {number:,} ({_name(old)}) is read otherwise: {names}"


def _name(row: dict[str, object] | None) -> str:
    assert row is not None
    file = row["file"]
    return file.decode("utf-8", "replace") if isinstance(file, bytes) and file else str(row["key"])
