"""`animate build --retry-failed`: addresses that gave no image are tried again, in shards after the last.

No finished shard is touched. The rows to try again are copied from the frozen listing into one more listing,
and the plan grows by its shards. From then on these are shards like any other; `ShardPlan.again` says which
rejections of earlier shards they stand for, so that totals count every input once. A clip is drawn from its
key alone: made late, it has the bytes that it would have had at once.
"""

import dataclasses
import itertools
import tempfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import MENDABLE, SHARD_SUFFIXES, Part, ShardPlan
from animate.shards.place import OURS, BuildRefused, Place
from animate.shards.plan import Plan, cut, file_sha256, frozen_folder, write_plan
from animate.shards.read import read_table
from animate.sources.listing import RETRY


def plan_again(plan: Plan, place: Place, samples_per_shard: int, takes: int) -> Plan:
    """The plan of the finished set at `place`, longer by a try of whatever its last try could not download.

    Returned as it is if nothing is left to try. Written before this returns. Raises `BuildRefused` if its
    samples were not downloaded.
    """
    if not all(shard.part.downloaded for shard in plan.shards):
        raise BuildRefused(
            "retry_failed: only what was downloaded can be tried again; this corpus lies on disk"
        )
    latest = [shard for shard in plan.shards if _same_try(shard, plan.shards[-1])]
    tries = {shard.part.path for shard in plan.shards if shard.again}
    name = f"{RETRY}{len(tries) + 1:03d}.parquet"
    listings = frozen_folder(place.location, plan.frozen)
    with tempfile.TemporaryDirectory() as folder:
        statuses = _copy_rows(listings, latest, place, Path(folder) / name, samples_per_shard, takes)
        if not statuses:
            return plan
        files = {**plan.frozen_files, name: file_sha256(Path(folder) / name)}
        place.upload(Path(folder), OURS)
    again = []
    for shard in cut([Part(reader="urls", path=name, rows=len(statuses))], samples_per_shard):
        counts = Counter(statuses[shard.start : shard.stop])
        taken = {status: count * takes for status, count in sorted(counts.items())}
        again.append(dataclasses.replace(shard, index=len(plan.shards) + shard.index, again=taken))
    longer = dataclasses.replace(plan, shards=(*plan.shards, *again), frozen_files=files)
    write_plan(place, longer)
    return longer


def without_overtaken(plan: Plan, finished: Collection[str], place: Place) -> Plan:
    """The plan without the tries after one of which a shard is to be made again (it was faulty, or lost).

    Made again, that shard may have clips that they have too, so they go; written before this returns.
    """
    unfinished = next((shard for shard in plan.shards if shard.name not in finished), None)
    if unfinished is None:
        return plan
    same_try = [shard for shard in plan.shards if _same_try(shard, unfinished)]
    kept, overtaken = plan.shards[: same_try[-1].index + 1], plan.shards[same_try[-1].index + 1 :]
    if not overtaken:
        return plan
    for shard in overtaken:
        for suffix in reversed(SHARD_SUFFIXES):  # the marker first: cut off here, all of this is done again
            place.remove(shard.name + suffix)
    shorter = dataclasses.replace(plan, shards=kept)
    write_plan(place, shorter)
    return shorter


def _same_try(one: ShardPlan, other: ShardPlan) -> bool:
    return one.part.path == other.part.path if one.again and other.again else not (one.again or other.again)


def _copy_rows(
    listings: Path, shards: Sequence[ShardPlan], place: Place, target: Path, rows_a_group: int, takes: int
) -> list[str]:
    """Writes the rows of `shards` that another try may mend to `target`; their statuses, in order.

    A row group of either is a shard long. Memory stays flat but for a reference a row.
    """
    statuses: list[str] = []
    schema = pq.read_schema(listings / shards[0].part.path)
    with pq.ParquetWriter(target, schema, compression="zstd", use_dictionary=False) as writer:
        pending = schema.empty_table()
        for path, group in itertools.groupby(shards, key=lambda shard: shard.part.path):
            with pq.ParquetFile(listings / path) as file:
                for number, shard in enumerate(group):
                    mendable = {
                        row: status
                        for row, status in enumerate(_statuses(place, shard, takes))
                        if status in MENDABLE
                    }
                    statuses += mendable.values()
                    again = file.read_row_group(number).take(pa.array(list(mendable), pa.int64()))
                    pending = pa.concat_tables([pending, again])
                    while len(pending) >= rows_a_group:
                        writer.write_table(pending[:rows_a_group], row_group_size=rows_a_group)
                        pending = pending[rows_a_group:]
        writer.write_table(pending, row_group_size=rows_a_group)
    return statuses


def _statuses(place: Place, shard: ShardPlan, takes: int) -> list[str]:
    """What became of each row of a finished shard, whose parquet has a row for each take."""
    return read_table(place, shard.name, ["status"])["status"].to_pylist()[::takes]
