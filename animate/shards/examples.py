"""Of each status that inputs of a shard set were rejected with, one input and what its row says."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow.compute as pc

from animate.data import PARQUET, ShardRecord
from animate.shards.place import Place
from animate.shards.plan import Plan
from animate.shards.read import read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A rejected input by its key, the `error_message` of its row, and the parquet that has it."""

    key: str
    message: str
    parquet: str


def rejection_examples(place: Place, plan: Plan, records: Mapping[str, ShardRecord]) -> dict[str, Example]:
    """An example of each status with which the finished shards (`records`, by name) rejected any input.

    Of a set with retries it is one of the last: those of before may have been mended. At most one parquet a
    status is read; one that cannot be read gives no example.
    """
    shards = plan.shards[::-1] if any(shard.again for shard in plan.shards) else plan.shards
    found: dict[str, Example] = {}
    for shard in shards:
        record = records.get(shard.name)
        wanted = {} if record is None else {name for name in record.rejected if name not in found}
        if not wanted:
            continue
        try:
            table = read_table(place, shard.name, ["source_key", "status", "error_message"])
        except (OSError, ValueError):  # `animate verify` is there to say so
            continue
        for status in wanted:
            rows = table.filter(pc.field("status") == status).slice(0, 1).to_pylist()
            for row in rows:
                found[status] = Example(
                    key=row["source_key"],
                    message=row["error_message"] or "",
                    parquet=shard.name + PARQUET,
                )
    return found
