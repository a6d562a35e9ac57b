"""What every exporter is given and gives back: clips with a file name and a split, and notes about them.

An exporter has two steps. `write` puts the clips of one shard into a folder, as OUT is to have them, and
notes what the files of the whole set will say of them. `finish` writes these files, from the notes of all
shards in order, one note at a time.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from animate.data import Scalar
from animate.recipe import VideoRecipe
from animate.record import ClipRecord, Columns, flat_json

#: The parts of an export, in the order of `--split`. Without one, all is `train`.
SPLITS: tuple["Split", ...] = ("train", "val", "test")
Split = Literal["train", "val", "test"]

#: File names that are no name of a file in any shell, system or pattern, and no number to any reader of csv.
_SAFE = re.compile(r"[A-Za-z0-9_~][A-Za-z0-9_~-]*")
#: How names end that are not their key: no key that ends so stands as it is.
_HASHED = re.compile(r".*-[0-9a-f]{16}", re.DOTALL)
#: Characters of a key that its file name has at most, before the hash: a member of a tar has 100 bytes.
_LONGEST = 70

#: Cells of a csv that pandas reads as no value, unless it is told otherwise (`pandas.read_csv`, `na_values`).
PANDAS_MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
#: Why a clip is left out whose captions all read as no value.
READS_AS_MISSING = "caption that pandas reads as missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportClip:
    """A clip on its way out: `name` is that of its file without a suffix, unique in the set.

    `shard` is the name of its shard, `still` the number of its still there, counted by first appearance.
    `video` is H.264 in MP4. `carried` has a value, or None, for each of `columns`, which are the set's.
    """

    name: str
    shard: str
    still: int
    split: Split
    video: bytes
    record: ClipRecord
    carried: Mapping[str, Scalar]
    columns: Columns

    @property
    def json(self) -> bytes:
        """As it stands in the tar."""
        return flat_json(self.record, self.carried, self.columns)


def file_name(key: str) -> str:
    """The name of a file for the clip `key`: letters of ASCII, digits, `_`, `~` and `-`, at most 87 of them.

    A key that is none becomes its safe characters and a hash of all of it, so that different keys have
    different names: `a%2Fb_0` is `a_2Fb_0-` and 16 digits. So does a key that ends as such a name would.
    """
    if _SAFE.fullmatch(key) and len(key) <= _LONGEST and not _HASHED.fullmatch(key):
        return key
    digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_~-]|^-', '_', key)[:_LONGEST]}-{digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What `finish` needs to know of a clip, or of a file of them: any JSON value, and the split it is of."""

    split: Split
    value: Any


class Notes(Protocol):
    """The notes of all shards, in order; they are read from disk anew each time that they are asked for."""

    def of(self, split: Split) -> Iterator[Any]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What is known when all shards are written: `counts` of clips by split, of those exported.

    `splits` are those that were asked for, even if they got no clip. `manifest` is that of the shard set, or
    what of it there is while the set is not finished; `licences` counts the clips exported, by licence.
    """

    splits: Sequence[Split]
    counts: Mapping[Split, int]
    licences: Mapping[str, int]
    manifest: Mapping[str, Any]


def _no_warning(video: VideoRecipe) -> Iterator[str]:
    yield from ()


def _anything(clip: ExportClip) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """A consumer's layout: `layout` says in one line what OUT has, for `--help`.

    `write` is given an empty folder, and the clips of a shard one by one; its notes are kept until `finish`.
    `warnings` are what the consumer makes of clips with these frames, `refuses` says why it cannot read one
    (then it is left out, and counted under that), `remarks` counts what it reads otherwise than it was.
    """

    layout: str
    write: Callable[[Path, Iterable[ExportClip]], Iterator[Note]]
    finish: Callable[[Path, Notes, Exported], None]
    warnings: Callable[[VideoRecipe], Iterator[str]] = _no_warning
    refuses: Callable[[ExportClip], str] = _anything
    remarks: Callable[[ExportClip], str] = _anything
    #: What `finish` says of counts that its consumer stumbles over.
    afterwards: Callable[[Exported], Iterator[str]] = field(default=lambda exported: iter(()))


def write_file(path: Path, content: bytes) -> None:
    """A new file, and the folders that it lies in; `FileExistsError` if there is one of that name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "xb") as file:
        file.write(content)


def caption_for_csv(clip: ExportClip) -> str:
    """The clip's caption, or its next one that pandas does not read as a missing value; "" if all do."""
    texts = (clip.record.caption, *clip.record.captions)
    return next((text for text in texts if text not in PANDAS_MISSING), "")


def unread_by_pandas(clip: ExportClip) -> str:
    """Why a reader of csv cannot have the clip: all its captions are `NA`, `null` and the like."""
    return "" if caption_for_csv(clip) else READS_AS_MISSING


def total(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Counts of several shards together."""
    found = Counter[str]()
    for some in counts:
        found.update(some)
    return found
