"""How far a build is, and what it came to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from animate.shards.examples import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a build is, with what earlier runs made and what shards in hand have so far.

    `inputs_planned` is None if some part of the corpus must be read to be counted.
    """

    shards_planned: int
    shards_finished: int
    inputs_planned: int | None
    inputs: int
    clips: int
    rejected: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFailure:
    """A shard that raised on every attempt: `message` is one line, `details` the traceback."""

    name: str
    attempts: int
    message: str
    details: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a build came to.

    Counts and `size_bytes` cover the whole shard set; `clips_made`, `shards_made` and `seconds` this run
    alone. `inputs` = `clips` + the sum of `rejected` (status to count). Of the `shots` in the clips,
    `shots_held_back` show little of what was drawn (`ShardRecord`); shards of before these were counted are
    left out of both. `examples` has an input of each status of `rejected`. Where images were downloaded,
    `filming_share` is the share of the workers' time that was not spent waiting for them; otherwise None.
    """

    out: str
    shards_planned: int
    shards_finished: int
    shards_made: int
    inputs: int
    clips: int
    clips_made: int
    rejected: Mapping[str, int]
    size_bytes: int
    seconds: float
    failures: tuple[ShardFailure, ...]
    shots: int = 0
    shots_held_back: int = 0
    filming_share: float | None = None
    examples: Mapping[str, Example] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Every planned shard is finished, and the manifest says so."""
        return self.shards_finished == self.shards_planned

    @property
    def clips_per_second(self) -> float:
        return self.clips_made / self.seconds if self.seconds > 0 else 0.0
