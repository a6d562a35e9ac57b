"""What a corpus must be able to do, and what a reader of its rows looks like."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from animate.data import Frozen, Part, Rejected, Sample
from animate.recipe import SourceRecipe
from animate.record import Columns


class Source(Protocol):
    """A corpus that was found where the recipe says it is.

    `root` is the folder that names of its files are relative to; empty where they are URLs.
    """

    root: str

    def fingerprint(self) -> dict[str, str | int]:
        """What tells this corpus from others and from its own earlier versions: counts, sizes, digests.

        Quick to compute, and the same on every machine and in every folder.
        """
        ...

    def freeze(self, folder: Path, rows_per_shard: int) -> Frozen:
        """Writes what workers must know into `folder`; gives the parts and the columns of the corpus.

        Reads file names, headers, captions and what samples carry, and images only where the recipe looks
        for duplicates. Memory use does not grow with the images.
        """
        ...


#: Reads rows `start` to `stop` of a part; the arguments are those of `animate.sources.read_part`.
Reader = Callable[[Part, int, int | None, SourceRecipe, Path, Columns], Iterator[Sample | Rejected]]
