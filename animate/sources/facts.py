"""What the files of a corpus were when a build was planned, and whether they are that still.

Files that hold many rows (tables, lists, tars, zips) stand in `files.json`, each with size, time and a digest
of its content. Images that are files of their own have a row of size and time in a file beside the listing:
a few bytes each, and no image is opened for it.

A file of another size is another file. So is one of another digest, which is asked for where the time
differs. Of an image only the time is left: where other images of its shard still have theirs, it was
replaced; where none has, the corpus was copied without its times, and that is no change.
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from animate.data import Part
from animate.errors import StopsBuild
from animate.sources.errors import SourceError
from animate.sources.paths import is_url
from animate.sources.regular import special
from animate.stores import open_store, patiently, shown

log = logging.getLogger(__name__)

#: Of files that hold many rows.
FILES = "files.json"
#: Of the images of one file of the listing; before its name.
_FACTS = "facts-"
_SCHEMA = pa.schema([("size", pa.int64()), ("modified", pa.int64())])
#: The digest of a file of up to so many bytes is of all of them, …
_WHOLE_BYTES = 64 * 2**20
#: … of a longer one of so many pieces, spread evenly from the first byte to the last, …
_PIECES = 64
#: … of so many bytes.
_PIECE_BYTES = 4096
#: How digests of pieces begin: equal ones do not prove that the files are.
_SAMPLED = "pieces:"
#: Times closer than this are the same: some file systems keep even seconds only.
_SECONDS = 2
#: Requests at once for what stores tell of URLs.
_REQUESTS = 16


class SourceChanged(SourceError, StopsBuild):
    """A file of the corpus is not what it was when the build was planned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A file: its `name` relative to the corpus (or URL), `size` in bytes, and when it was `modified`, in
    seconds since 1970; None for what is not known. `digest` is empty where there is none; of a URL it is the
    store's ETag.
    """

    name: str
    size: int | None
    modified: int | None
    digest: str


def write_files(folder: Path, files: Iterable[str], root: str) -> None:
    """Notes in `folder` what `files` (paths or URLs) are; those that are not there are left out."""
    with ThreadPoolExecutor(_REQUESTS) as pool:
        facts = [found for found in pool.map(lambda file: _facts(file, root), files) if found is not None]
    table = {"files": [asdict(found) for found in facts]}
    Path(folder, FILES).write_text(json.dumps(table, indent=1) + "\n", encoding="ascii")


class ImageFacts:
    """The facts of the images of one file of the listing, written group by group as that is."""

    def __init__(self, listing: Path, root: str) -> None:
        self._root = root
        columns = dict.fromkeys(_SCHEMA.names, "DELTA_BINARY_PACKED")
        self._writer = pq.ParquetWriter(
            _beside(listing), _SCHEMA, compression="zstd", use_dictionary=False, column_encoding=columns
        )

    def write(self, files: Sequence[str | None]) -> None:
        """One more group: of each row its image, relative to the corpus; None where that is no file."""
        found = [_size_and_time(os.path.join(self._root, file)) if file else (None, None) for file in files]
        sizes, times = zip(*found, strict=True)
        columns = [pa.array(sizes, pa.int64()), pa.array(times, pa.int64())]
        batch = pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)
        self._writer.write_batch(batch, row_group_size=len(files))

    def close(self) -> None:
        """The file is whole."""
        self._writer.close()


def changed_files(folder: Path, root: str, *, thorough: bool) -> Iterator[str]:
    """What `write_files` noted in `folder` and is not so now, each in words that begin with the file.

    Digests are compared where times differ or, where that is wanted to be `thorough`, always.
    """
    path = Path(folder, FILES)
    if not path.is_file():  # a plan of an earlier release
        return
    recorded = [FileFacts(**row) for row in json.loads(path.read_text(encoding="ascii"))["files"]]
    doubtful = []
    with ThreadPoolExecutor(_REQUESTS) as pool:
        names = [file.name if is_url(file.name) else os.path.join(root, file.name) for file in recorded]
        now = pool.map(lambda name: _facts(name, root, digest=thorough), names)
        for before, name, after in zip(recorded, names, now, strict=True):
            if after is None:
                yield f"{shown(name)} is not there"
            elif None not in (before.size, after.size) and before.size != after.size:
                yield f"{shown(name)} has {after.size:,} bytes, and had {before.size:,}"
            elif thorough or is_url(name) or not _same_time(before.modified, after.modified):
                digest = after.digest or ("" if is_url(name) else _digest(name))
                if before.digest and digest and before.digest != digest:
                    yield f"{shown(name)} has another content of the same size"
                elif digest.startswith(_SAMPLED) and not _same_time(before.modified, after.modified):
                    doubtful.append(name)
    if doubtful:
        log.warning(
            "%s%s: of another time than when the build was planned; the same size, and the same content in "
            "each of %d places that were compared",
            doubtful[0],
            f" and {len(doubtful) - 1:,} more" if len(doubtful) > 1 else "",
            _PIECES,
        )


def changed_images(listing: Path, start: int, stop: int | None, root: str) -> Iterator[str]:
    """Images of these rows of a file of the listing that are not what they were, in words that begin with the
    file. One that is not there is left out: its row says so."""
    if not _beside(listing).is_file():
        return
    same, doubtful = False, []
    for file, size, modified in _noted(listing, start, stop):
        now = _size_and_time(os.path.join(root, file))
        if size is None or now == (None, None):
            continue
        if now[0] != size:
            yield f"{os.path.join(root, file)} has {now[0]:,} bytes, and had {size:,}"
        elif _same_time(modified, now[1]):
            same = True
        else:
            doubtful.append(file)
    if same:
        yield from (f"{os.path.join(root, file)} was written anew, with the same size" for file in doubtful)


def check_images(part: Part, start: int, stop: int | None, root: str, folder: Path) -> None:
    """Raises `SourceChanged` for the first image of these rows that is not what it was."""
    for change in changed_images(folder / part.path, start, stop, root):
        raise SourceChanged(
            f"{change} when the build was planned: clips of both would be mixed; put the corpus back as it "
            "was, or start afresh with --overwrite"
        )


def is_copy(folder: Path, parts: Iterable[Part], root: str) -> bool:
    """Whether images were noted, and none of a few that are looked at has the time that it had."""
    looked = 0
    for part in dict.fromkeys(parts):
        listing = folder / part.path
        if not part.rows or not _beside(listing).is_file():
            continue
        for row in sorted({0, part.rows // 2, part.rows - 1}):
            for file, size, modified in _noted(listing, row, min(row + 8, part.rows)):
                now = _size_and_time(os.path.join(root, file))
                if size is not None and now[0] == size:
                    looked += 1
                    if _same_time(modified, now[1]):
                        return False
    return looked > 0


def _noted(listing: Path, start: int, stop: int | None) -> Iterator[tuple[str, int | None, int | None]]:
    """File, size and time of rows `start` to `stop`, whose row groups are the same in both files."""
    with pq.ParquetFile(listing) as rows, pq.ParquetFile(_beside(listing)) as facts:
        first = 0
        for group in range(rows.num_row_groups):
            end = first + rows.metadata.row_group(group).num_rows
            if end > start and (stop is None or first < stop):
                files = rows.read_row_group(group, columns=["file"])["file"].to_pylist()
                noted = facts.read_row_group(group)
                sizes, times = noted["size"].to_pylist(), noted["modified"].to_pylist()
                low, high = max(start - first, 0), len(files) if stop is None else stop - first
                for file, size, time in list(zip(files, sizes, times, strict=True))[low:high]:
                    yield file.decode("utf-8", "surrogateescape"), size, time
            first = end


def _beside(listing: Path) -> Path:
    return listing.with_name(_FACTS + listing.name)


def _facts(file: str, root: str, *, digest: bool = True) -> FileFacts | None:
    """What a file is; None if it is not there. Without `digest` only that of a URL is told."""
    if is_url(file):
        return _facts_of_url(file)
    size, modified = _size_and_time(file)
    if size is None:
        return None
    name = os.path.relpath(file, root)
    return FileFacts(name=name, size=size, modified=modified, digest=_digest(file) if digest else "")


def _facts_of_url(url: str) -> FileFacts | None:
    """What the store tells; all of it unknown where it tells nothing, or refuses to."""
    try:
        filesystem, path = open_store(url)
        found = patiently(url, lambda: filesystem.info(path))
    except FileNotFoundError:
        return None
    except OSError:  # its reader will say
        found = {}
    tag = found.get("ETag") or found.get("etag") or found.get("md5Hash") or found.get("sha256") or ""
    return FileFacts(name=url, size=found.get("size"), modified=None, digest=str(tag))


def _size_and_time(path: str) -> tuple[int | None, int | None]:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None, None
    if special(found.st_mode):  # a fifo would be waited for
        return None, None
    return found.st_size, int(found.st_mtime)


def _same_time(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= _SECONDS


def _digest(path: str) -> str:
    """Of a file's content, whole or in pieces; empty if it cannot be read."""
    with contextlib.suppress(OSError), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= _WHOLE_BYTES:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        digest = hashlib.blake2b(digest_size=16)
        for piece in range(_PIECES):
            file.seek(piece * (size - _PIECE_BYTES) // (_PIECES - 1))
            digest.update(file.read(_PIECE_BYTES))
        return _SAMPLED + digest.hexdigest()
    return ""
