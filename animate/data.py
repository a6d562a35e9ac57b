"""The nouns of a build: what goes in, what comes out, and what is planned in between."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self

import numpy as np

from animate.record import KEPT, ClipRecord, Columns
from animate.text import printable

Scalar = str | int | float | bool | None

#: Every way an input can give no clip, and what it means. Stable: users count and filter on these.
STATUSES: Mapping[str, str] = {
    "undecodable": "the bytes say they are an image, but they break the rules of its format",
    "unsupported_format": "an image that is not read here; the message names its format and what to install",
    "truncated": "the image ends before its last row",
    "empty_file": "zero bytes",
    "outside_folder": "a table names an image outside its folder (source.allow_outside)",
    "missing_file": "the listing names an image that is not there",
    "not_an_image": "the bytes are of some other type",
    "too_small": "a side is under source.min_side, or the frame would need more than shot.max_magnification",
    "aspect_ratio": "longer side / shorter side is above source.max_aspect",
    "too_many_pixels": "width x height is above source.max_pixels (checked before decoding)",
    "missing_caption": "no caption, or nothing but white space",
    "caption_not_utf8": "the caption is not valid UTF-8",
    "duplicate_key": "an earlier input of the corpus has the same key",
    "bad_key": "the key is empty",
    "broken_archive": "the tar is damaged or breaks off; one row for all of it that cannot be read",
    "bad_url": "what the list has as an address is none, or names a host that cannot be",
    "failed_to_download": "the address gave no image; the message says why",
    "gone": "the site says that there is no such image (HTTP 404, 410 or 451)",
    "download_timed_out": "the image did not come within source.fetch.seconds",
    "too_large": "the image's file, or its member of a tar or zip, has more than 256 MiB",
    "too_many_bytes": "the download is longer than source.fetch.max_bytes",
    "blocked_address": "not http or https, or not on the public internet (source.fetch.allow_private)",
    "opted_out": "robots.txt or an X-Robots-Tag header forbids the use of the image",
    "filtered_script": "no caption is in the wanted scripts (source.filters.scripts)",
    "filtered_caption_length": "no caption has a length that source.filters allows",
    "filtered_similarity": "the listed similarity is missing, or not within those of source.filters",
    "filtered_nsfw": "the listed value is none of source.filters.nsfw, or not from min_nsfw to max_nsfw",
    "filtered_licence": "the listed licence is not one of source.filters.licences",
    "duplicate_image": "an earlier input has the same image (source.filters.duplicates)",
    "crashed": "filming it ended the process, twice; the message has the process's last words",
    "took_too_long": "filming it ended a worker, and took longer than limits.seconds",
    "took_too_much_memory": "filming it ended a worker, and took more than limits.memory_mb",
    "bad_row": "the row of the table or the sidecar file cannot be read",
}

#: Statuses of bytes that are no picture, or none that can be read.
UNDECODED = ("undecodable", "unsupported_format", "truncated", "empty_file", "not_an_image")
#: Statuses of an address that was asked for its image and gave none, …
DOWNLOAD_STATUSES = (
    "failed_to_download",
    "gone",
    "download_timed_out",
    "too_many_bytes",
    "blocked_address",
    "opted_out",
)
#: … and those of them that another try may mend: what is gone, opted out or blocked it does not.
MENDABLE = ("failed_to_download", "download_timed_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One captioned still, as the source gave it.

    `key` is tar-safe already (see `sources.safe_key`), `image` the untouched file bytes. `captions` holds at
    least one non-blank caption. `meta` holds what else the source carried: the same keys in every sample
    of a corpus, each value of its column's type or None.
    """

    key: str
    image: bytes
    captions: tuple[str, ...]
    meta: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an input: `status` is one of `STATUSES`, `message` says what was found."""

    status: str
    message: str

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status!r}: must be one of {', '.join(STATUSES)}")
        # It may quote what was found, which may be no text.
        object.__setattr__(self, "message", printable(self.message))


class Input(Protocol):
    """What is known of an input before its image is read: a sample, a row of a listing."""

    @property
    def key(self) -> str: ...
    @property
    def captions(self) -> tuple[str, ...] | None: ...
    @property
    def meta(self) -> Mapping[str, Scalar]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An input that gave no clip, and its `fault`; the rest is as in a `Sample`."""

    key: str
    fault: Fault
    captions: tuple[str, ...] = ()
    meta: Mapping[str, Scalar] = field(default_factory=dict)

    @classmethod
    def of(cls, input: Input, fault: Fault) -> Self:
        """The rejection of `input`, carrying what it did."""
        return cls(key=input.key, fault=fault, captions=input.captions or (), meta=input.meta)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """The `index`-th filming of the still with key `source_key`."""

    source_key: str
    index: int

    @property
    def key(self) -> str:
        """Key of the clip: names its members in the shard."""
        return f"{self.source_key}_{self.index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One finished output sample.

    `members` maps the suffix of each media member (`"mp4"`, `"00.jpg"`, …) to its bytes. `record` and
    `carried`, what the corpus gave along, are its JSON.
    """

    members: Mapping[str, bytes]
    record: ClipRecord
    carried: Mapping[str, Scalar]

    def rejected(self, fault: Fault) -> Rejected:
        """The rejection of the clip's input, for what is found only now."""
        record = self.record
        meta = {**self.carried, **{name: getattr(record, name) for name in KEPT}}
        return Rejected(key=record.source_key, fault=fault, captions=tuple(record.captions), meta=meta)


#: How rows of a part are read: the keys of `sources.READERS`.
ReaderName = Literal["files", "rows", "tar", "tar_stream", "urls", "images"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a source that can be read alone, from row `0` to row `rows`.

    `reader` names how (see `sources.READERS`), `path` what; `rows` is None where counting means reading it
    all (a tar behind a URL): such a part becomes one shard.
    """

    reader: ReaderName
    path: str
    rows: int | None

    @property
    def downloaded(self) -> bool:
        """Its images are asked for over the network, each at an address of its own."""
        return self.reader == "urls"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """A corpus as it is written down when a build is planned: its parts in order, and what it carries.

    `columns` is fixed here for every shard of the set.
    """

    parts: tuple[Part, ...]
    columns: Columns


#: Our own files, beside the shards of a set, and the first of them, by which one is known.
OURS = "_animate"
PLAN = f"{OURS}/plan.json"
#: Suffixes of a shard's three files, in the order in which they appear. The last, the marker, means "done".
TAR, PARQUET, STATS = SHARD_SUFFIXES = (".tar", ".parquet", "_stats.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """One unit of work, frozen before the build starts: rows `start` to `stop` of `part`.

    `stop` is None for "to the end". The plan follows from recipe and source alone, never from the workers.
    `again` counts, by status, the rejections of earlier shards that this one tries again and stands for.
    """

    index: int
    part: Part
    start: int
    stop: int | None
    again: Mapping[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Stem of the shard's three files."""
        return f"{self.index:05d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRecord:
    """What one finished shard holds; the content of its `_stats.json`.

    `inputs` = `clips` + the sum of `rejected` (status to count), by construction. `sha256` is the tar's.
    `shots` counts the shots of its clips, and `shots_held_back` those of which bounds or still left little
    (`animate.fit.HELD_BACK`); both are 0 where an earlier release did not count.
    """

    name: str
    inputs: int
    clips: int
    rejected: Mapping[str, int]
    bytes: int
    sha256: str
    shots: int = 0
    shots_held_back: int = 0


def take_rng(seed: int, corpus: str, take: Take) -> np.random.Generator:
    """The one generator behind every random choice for a take: the same on any machine and any worker."""
    text = "\0".join((str(seed), corpus, take.source_key, str(take.index)))
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))
