"""The stills that a shard set was filmed from, where the corpus is still there: nothing is downloaded."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from animate.data import Rejected, Sample
from animate.inspect.opened import DAMAGED, OpenClip, ShardSet, Spot
from animate.recipe import SourceRecipe
from animate.record import ClipRecord
from animate.shards.plan import frozen_folder
from animate.sources import SourceError, listed_image, open_source, read_part

#: Parts whose rows cannot be read one by one from what lies on disk.
_OUT_OF_REACH = ("urls", "tar_stream")
#: Where a corpus is asked for that a set never had.
MADE_OF_VIRTUAL = (
    "this set was made of virtual clips, and the virtual set has the stills: name that as SHARDS"
)
#: What reading a row raises where the corpus went away, or another lies there now.
_GONE = (SourceError, IndexError, *DAMAGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Originals:
    """Reads rows of the corpus that `set` was filmed from, which lies where `source` says."""

    set: ShardSet
    source: SourceRecipe

    def of_clip(self, record: ClipRecord, spot: Spot) -> list[bytes] | None:
        """The files of a clip's stills, in the order of its `source_keys`; None where one is not there, or
        the first is not the file that was filmed."""
        images = {row.key: row.image for row in self._group(spot) if isinstance(row, Sample)}
        if not all(key in images for key in record.source_keys):
            return None
        if hashlib.sha256(images[record.source_key]).hexdigest() != record.sha256:
            return None
        return [images[key] for key in record.source_keys]

    def of_rejected(self, spot: Spot) -> bytes | None:
        """The file of a rejected input, also of one that was refused unread; None where there is none."""
        shard = self.set.shard(spot.shard)
        if shard.part.reader in _OUT_OF_REACH:
            return None
        row = self._rows(spot, 1)
        if row and isinstance(row[0], Sample):
            return row[0].image
        number = shard.start + spot.row // self.set.recipe.takes
        try:
            image = listed_image(shard.part, number, self.source, self._folder, self.set.plan.columns)
        except _GONE:
            return None
        return image if isinstance(image, bytes) else None

    @property
    def _folder(self) -> Path:
        return frozen_folder(self.set.place.location, self.set.plan.frozen)

    def _group(self, spot: Spot) -> Sequence[Sample | Rejected]:
        """The rows that a montage beginning with this one may show: those of its group in the shard."""
        return self._rows(spot, self.set.recipe.shot.edit.stills)

    def _rows(self, spot: Spot, together: int) -> Sequence[Sample | Rejected]:
        """The `together` rows of the corpus among which the input's is.

        With 2 takes and montages of 3, row 9 of a table is take 1 of the shard's input 4, in the group 3 4 5.
        """
        shard = self.set.shard(spot.shard)
        if shard.part.reader in _OUT_OF_REACH:
            return ()
        number = spot.row // self.set.recipe.takes
        start = shard.start + number - number % together
        stop = start + together if shard.stop is None else min(start + together, shard.stop)
        try:
            return list(read_part(shard.part, start, stop, self.source, self._folder, self.set.plan.columns))
        except _GONE:
            return ()


def stills_of(originals: Originals | None, clip: OpenClip, spot: Spot) -> tuple[str, list[bytes]]:
    """The files of a clip's stills, and where they are from: the "shard", the "corpus", or "" for none."""
    if clip.virtual:
        return "shard", [clip.members["jpg"]]
    found = originals.of_clip(clip.record, spot) if originals else None
    return ("corpus", found) if found else ("", [])


def find_originals(shard_set: ShardSet, path: str) -> Originals | None:
    """The corpus at `path`; without one that inside the package, where the set was filmed from that, or None.

    Raises `SourceError` if there is no such corpus at `path`, or the set was made of virtual clips, which
    have the stills.
    """
    source = shard_set.recipe.source
    if shard_set.plan.of_virtual:
        if path:
            raise SourceError(f"--source {path!r}: {MADE_OF_VIRTUAL}")
        return None
    if source.name == "demo":
        return Originals(set=shard_set, source=source)
    if not path:
        return None
    source = replace(source, path=path)
    open_source(source)
    return Originals(set=shard_set, source=source)
