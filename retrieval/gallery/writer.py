"""A gallery in the making: safe to interrupt at any moment, whole when it appears.

.NAME.indexing/      beside the gallery NAME, while it is being made
    about.json       what it is made of; only the same is gone on with
    journal.jsonl    a line a commit: its videos, those left out, and how long each file then was
    *.f16, *.bf16, embeddings.f32    only ever appended to; what is beyond the last commit is cut off
    gallery/         the finished one, for the moment before it moves
.NAME.old/           the gallery that it replaces, for the moment between two renames
"""

import contextlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrieval.durable import sync
from retrieval.errors import DataError
from retrieval.gallery.codes import build_codes
from retrieval.gallery.entry import GALLERY_FORMAT, SCHEMA, Entry, GalleryRow, LeftOut, Stored
from retrieval.gallery.place import locked, move_in, take_over
from retrieval.paths import state_folder
from retrieval.video import printable_path

log = logging.getLogger(__name__)

#: Up to here every vector is looked at; above, four bits for each four dimensions propose candidates.
EXACT_UP_TO = 50_000
ROWS_PER_GROUP = 4096
_EMBEDDINGS, _VECTORS, _TOKENS, _FRAMES = "embeddings.f32", "vectors.f16", "tokens.bf16", "frames.bf16"
_DATA = (_EMBEDDINGS, _VECTORS, _TOKENS, _FRAMES)


class Added(NamedTuple):
    """A video that is in: the how-manieth that was added, its file's state, and how it could be read."""

    at: int
    size: int
    modified: int
    status: str


class GalleryWriter:
    """Adds videos, commits them, and makes the gallery of them. Left unfinished, it can be opened again.

    `facts` is what gallery.json says beside its own numbers. `about` is what the videos' features depend on:
    an unfinished gallery about the same is gone on with; one about something else is refused, or thrown away
    with `restart`. With None, nothing is kept for later.
    """

    def __init__(
        self,
        folder: Path,
        facts: Mapping[str, Any],
        *,
        about: Mapping[str, Any] | None = None,
        restart: bool = False,
        exact_up_to: int = EXACT_UP_TO,
    ) -> None:
        self._folder, self._facts, self._exact_up_to = folder.resolve(), dict(facts), exact_up_to
        self._about = about
        self._state = state_folder(self._folder)
        self._state.mkdir(parents=True, exist_ok=True)
        self._lock = locked(self._state)
        #: Videos that are in, and those left out, by id; of two with one id the later counts.
        self.videos: dict[str, Added] = {}
        self.left_out: dict[str, LeftOut] = {}
        self._token_counts: list[int] = []
        self._frame_counts: list[int] = []
        self._widths: tuple[int, int] | None = None
        self._pending: list[Any] = []
        try:
            self._begin(about or {}, restart)
        except DataError:
            self._lock.close()
            raise
        self._files: dict[str, IO[bytes]] = {name: (self._state / name).open("ab") for name in _DATA}
        self._journal = (self._state / "journal.jsonl").open("ab")

    def __enter__(self) -> "GalleryWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        if self._about is None:
            self.discard()

    def __len__(self) -> int:
        return len(self.videos)

    def add(self, entry: Entry) -> None:
        """A video as the model gives it."""
        self.add_stored(entry.stored())

    def add_stored(self, stored: Stored) -> None:
        """A video as another gallery keeps it."""
        widths = (len(stored.embedding), stored.tokens.shape[1])
        if self._widths not in (None, widths):
            raise ValueError(f"entry {stored.row.video_id!r}: widths {widths}, others have {self._widths}")
        self._widths = widths
        parts = (stored.embedding, stored.embedding.astype(np.float16), stored.tokens, stored.frame_vectors)
        for name, part in zip(_DATA, parts, strict=True):
            self._files[name].write(part.tobytes())
        counts = len(stored.tokens), len(stored.frame_vectors)
        self._pending.append({"row": stored.row.to_json(), "counts": counts, "widths": widths})
        self._take(stored.row, *counts)
        if len(self._pending) >= ROWS_PER_GROUP:
            self.commit()

    def leave_out(self, video: LeftOut) -> None:
        """A video that has no place here is remembered, so that it is not tried again."""
        self._pending.append({"left_out": asdict(video)})
        self.left_out[video.video_id] = video

    def forget(self, video_id: str) -> None:
        """A video that was added or left out counts no longer."""
        self.videos.pop(video_id, None)
        self.left_out.pop(video_id, None)

    def commit(self) -> None:
        """What was added so far survives whatever comes."""
        if not self._pending:
            return
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
        ends = {name: file.tell() for name, file in self._files.items()}
        self._journal.write(json.dumps({"ends": ends, "videos": self._pending}).encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._pending = []

    def finish(self) -> dict[str, Any]:
        """Make the coarse index and move the gallery to its place; gives the content of gallery.json."""
        if self._widths is None or not self.videos:
            raise DataError("gallery: no video to put into it")
        self.commit()
        self._close_files()
        place = self._state / "gallery"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        ordinals = sorted(known.at for known in self.videos.values())
        starts = {
            _VECTORS: np.arange(len(self._token_counts) + 1),
            _TOKENS: np.cumsum([0, *self._token_counts]),
            _FRAMES: np.cumsum([0, *self._frame_counts]),
        }
        width, token_width = self._widths
        for name, row_width in ((_VECTORS, width), (_TOKENS, token_width), (_FRAMES, width)):
            take_over(self._state / name, place / name, starts[name] * row_width * 2, ordinals)
        for name, counts in (
            ("token_starts.npy", self._token_counts),
            ("frame_starts.npy", self._frame_counts),
        ):
            np.save(place / name, np.cumsum([0, *(counts[at] for at in ordinals)], dtype=np.int64))
        self._write_table(place / "videos.parquet", ordinals, width)
        vectors = np.memmap(place / _VECTORS, dtype=np.float16, mode="r").reshape(-1, width)
        exact = len(ordinals) <= self._exact_up_to
        faiss.write_index(build_codes(vectors, exact=exact), str(place / "coarse.faiss"))
        del vectors
        sizes = {path.name: path.stat().st_size for path in sorted(place.iterdir())}
        facts = {
            "format": GALLERY_FORMAT,
            "num_videos": len(ordinals),
            "vector_width": width,
            "token_width": token_width,
            "coarse": "exact" if exact else "product quantisation, re-scored exactly",
            "bytes_per_video": {name: round(size / len(ordinals), 1) for name, size in sizes.items()},
            "total_bytes_per_video": round(sum(sizes.values()) / len(ordinals), 1),
            **self._facts,
        }
        (place / "gallery.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        for path in (*place.iterdir(), place):
            sync(path)
        (self._state / "finished").touch()
        sync(self._state)
        move_in(self._folder)
        self._close()
        return facts

    def discard(self) -> None:
        """Nothing is left of an unfinished gallery."""
        self._close()
        shutil.rmtree(self._state, ignore_errors=True)

    def counts(self) -> dict[str, int]:
        """How many videos have each status, those left out included."""
        statuses = [known.status for known in self.videos.values()]
        return dict(Counter([*statuses, *(video.status for video in self.left_out.values())]))

    def _take(self, row: GalleryRow, tokens: int, frames: int) -> None:
        self.forget(row.video_id)
        self.videos[row.video_id] = Added(len(self._token_counts), row.size, row.modified, row.status)
        self._token_counts.append(tokens)
        self._frame_counts.append(frames)

    def _begin(self, about: Mapping[str, Any], restart: bool) -> None:
        """Go on with what is there, if it is about the same; else start."""
        note = self._state / "about.json"
        before = _read_json(note)
        about = json.loads(json.dumps(dict(about)))
        if before and before != about:
            differing = [key for key in {**before, **about} if before.get(key) != about.get(key)]
            what = ", ".join(f"{key} was {before.get(key)!r}, is {about.get(key)!r}" for key in differing)
            if not restart:
                raise DataError(
                    f"out = {printable_path(self._folder)!r}: an unfinished index is there, made otherwise "
                    f"({what}); finish it with its own command, or delete {printable_path(self._state)}"
                )
            log.warning("the unfinished index of %s is thrown away: %s", printable_path(self._folder), what)
            before = {}
        if not before:
            # The note goes first: a journal must never be taken for one about something else.
            for name in ("about.json", "journal.jsonl", *_DATA):
                (self._state / name).unlink(missing_ok=True)
            note.write_text(json.dumps(about), encoding="utf-8")
            return
        # Each line of the journal says how long every file was when it was written. Commits at 100 and 180
        # bytes, then a crash with 230 bytes in the file: it is cut to 180, and 50 bytes are encoded again.
        # With 150 bytes (the disk lost some), the second line counts no longer, and it is cut to 100.
        ends = dict.fromkeys(_DATA, 0)
        whole = 0
        there = {name: path.stat().st_size for name in _DATA if (path := self._state / name).exists()}
        for line in _whole_lines(self._state / "journal.jsonl"):
            commit = json.loads(line)
            if any(there.get(name, 0) < end for name, end in commit["ends"].items()):
                break  # a disk that lost what it said it had written
            whole, ends = whole + len(line), commit["ends"]
            for video in commit["videos"]:
                if "row" in video:
                    self._widths = tuple(video["widths"])
                    self._take(GalleryRow.from_json(video["row"]), *video["counts"])
                else:
                    left_out = LeftOut(**video["left_out"])
                    self.forget(left_out.video_id)
                    self.left_out[left_out.video_id] = left_out
        for name, end in {**ends, "journal.jsonl": whole}.items():
            with (self._state / name).open("ab") as file:
                file.truncate(end)

    def _write_table(self, path: Path, ordinals: Sequence[int], width: int) -> None:
        embeddings = np.memmap(self._state / _EMBEDDINGS, dtype=np.float32, mode="r").reshape(-1, width)
        schema = SCHEMA.append(pa.field("embedding", pa.list_(pa.float32(), width)))
        wanted = set(ordinals)
        rows = (row for at, row in enumerate(self._journalled()) if at in wanted)
        # Embeddings do not repeat: compression and a dictionary would cost time and save nothing.
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as table:
            for first in range(0, len(ordinals), ROWS_PER_GROUP):
                some = ordinals[first : first + ROWS_PER_GROUP]
                lines = pa.Table.from_pylist([row.line() for row in islice(rows, len(some))], schema=SCHEMA)
                column = pa.FixedSizeListArray.from_arrays(pa.array(embeddings[some].reshape(-1)), width)
                table.write_table(lines.append_column(schema.field("embedding"), column))

    def _journalled(self) -> Iterator[GalleryRow]:
        """Every video that was ever added, in order."""
        for line in _whole_lines(self._state / "journal.jsonl"):
            for video in json.loads(line)["videos"]:
                if "row" in video:
                    yield GalleryRow.from_json(video["row"])

    def _close_files(self) -> None:
        for file in (*self._files.values(), self._journal):
            file.close()

    def _close(self) -> None:
        self._close_files()
        self._lock.close()


def _read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file; nothing if it is not there, or was not written to its end."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        return json.loads(path.read_text(encoding="utf-8"))
    return {}


def _whole_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line
