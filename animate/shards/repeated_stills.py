"""Stills that a shard set has twice, known only when all are there: the later ones are dropped.

What lies on disk is compared while it is listed (`animate.sources.duplicates`). Downloaded images and tars
behind an address are not, so their shards are made first. A shard with duplicates is then written anew
without them, each a counted row, exactly as if they had been rejected at once. Cut off and begun again, this
comes to the same end: a row that was rejected holds no image.
"""

from collections.abc import Iterator

import numpy as np

from animate.data import Clip, ShardRecord
from animate.record import SUCCESS, Columns
from animate.seen import SeenKeys
from animate.shards.place import Place
from animate.shards.plan import Plan
from animate.shards.read import read_table, stored_rows
from animate.shards.write import ShardWriter
from animate.sources.keys import same_image


def repeated_stills(plan: Plan, place: Place) -> Iterator[tuple[str, frozenset[str]]]:
    """Shards with stills of which an earlier row of the set has the image: name and source keys.

    Memory is 8 bytes a still.
    """
    seen = SeenKeys()
    for shard in plan.shards:
        rows = read_table(place, shard.name, ["source_key", "status", "sha256"]).to_pylist()
        stills = {row["source_key"]: row["sha256"] for row in rows if row["status"] == SUCCESS}
        repeated = np.array(list(stills), dtype=object)[seen.add(list(stills.values()))]
        if len(repeated):
            yield shard.name, frozenset(repeated)


def without_stills(
    out: str, name: str, columns: Columns, whole_fps: bool, stills: frozenset[str]
) -> ShardRecord:
    """Writes shard `name` anew with the clips of `stills` as rejections; all or nothing."""
    place = Place.at(out)
    with ShardWriter(out, name, columns, whole_fps=whole_fps) as writer:
        for take, row in stored_rows(place, name, columns):
            if not isinstance(row, Clip):
                writer.reject(take, row)
            elif take.source_key not in stills:
                writer.add(row)
            else:
                writer.reject(take, row.rejected(same_image(row.record.sha256)))
        return writer.finish()
