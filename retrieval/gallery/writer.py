"""A gallery in the making: safe to interrupt at any moment, whole when it appears.

.NAME.indexing/      beside the gallery NAME, while it is being made: its journal, and
    gallery/         the finished one, for the moment before it moves
.NAME.old/           the gallery that it replaces, for the moment between two renames
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retrieval.durable import sync
from retrieval.errors import DataError
from retrieval.gallery.codes import build_codes
from retrieval.gallery.entry import GALLERY_FORMAT, SCHEMA, Entry, LeftOut, Stored
from retrieval.gallery.journal import EMBEDDINGS, FRAMES, TOKENS, VECTORS, Appended, Journal
from retrieval.gallery.place import locked, move_in, take_over
from retrieval.paths import state_folder

#: Up to here every vector is looked at; above, four bits for each four dimensions propose candidates.
EXACT_UP_TO = 50_000
ROWS_PER_GROUP = 4096


class Added(NamedTuple):
    """A video that is in: its place in the order of adding, its file's state, and how it could be read."""

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
        try:
            self._journal = Journal(self._folder, about or {}, restart=restart, take=self._take)
        except DataError:
            self._lock.close()
            raise

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
        parts = (stored.embedding, stored.embedding.astype(np.float16), stored.tokens, stored.frame_vectors)
        video = Appended(
            row=stored.row, counts=(len(stored.tokens), len(stored.frame_vectors)), widths=widths
        )
        self._journal.append(video, [part.tobytes() for part in parts])
        self._take(video)
        if self._journal.num_pending >= ROWS_PER_GROUP:
            self.commit()

    def leave_out(self, video: LeftOut) -> None:
        """A video that has no place here is remembered, so that it is not tried again."""
        self._journal.leave_out(video)
        self.left_out[video.video_id] = video

    def forget(self, video_id: str) -> None:
        """A video that was added or left out counts no longer."""
        self.videos.pop(video_id, None)
        self.left_out.pop(video_id, None)

    def commit(self) -> None:
        """What was added so far survives whatever comes."""
        self._journal.commit()

    def finish(self) -> dict[str, Any]:
        """Make the coarse index and move the gallery to its place; gives the content of gallery.json."""
        if self._widths is None or not self.videos:
            raise DataError("gallery: no video to put into it")
        self.commit()
        self._journal.close()
        place = self._state / "gallery"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        ordinals = sorted(known.at for known in self.videos.values())
        starts = {
            VECTORS: np.arange(len(self._token_counts) + 1),
            TOKENS: np.cumsum([0, *self._token_counts]),
            FRAMES: np.cumsum([0, *self._frame_counts]),
        }
        width, token_width = self._widths
        for name, row_width in ((VECTORS, width), (TOKENS, token_width), (FRAMES, width)):
            take_over(self._state / name, place / name, starts[name] * row_width * 2, ordinals)
        for name, counts in (
            ("token_starts.npy", self._token_counts),
            ("frame_starts.npy", self._frame_counts),
        ):
            np.save(place / name, np.cumsum([0, *(counts[at] for at in ordinals)], dtype=np.int64))
        self._write_table(place / "videos.parquet", ordinals, width)
        vectors = np.memmap(place / VECTORS, dtype=np.float16, mode="r").reshape(-1, width)
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

    def _take(self, video: Appended | LeftOut) -> None:
        if isinstance(video, LeftOut):
            self.forget(video.video_id)
            self.left_out[video.video_id] = video
            return
        row = video.row
        self.forget(row.video_id)
        self.videos[row.video_id] = Added(len(self._token_counts), row.size, row.modified, row.status)
        self._widths = video.widths
        tokens, frames = video.counts
        self._token_counts.append(tokens)
        self._frame_counts.append(frames)

    def _write_table(self, path: Path, ordinals: Sequence[int], width: int) -> None:
        embeddings = np.memmap(self._state / EMBEDDINGS, dtype=np.float32, mode="r").reshape(-1, width)
        schema = SCHEMA.append(pa.field("embedding", pa.list_(pa.float32(), width)))
        wanted = set(ordinals)
        rows = (row for at, row in enumerate(self._journal.rows()) if at in wanted)
        # Embeddings do not repeat: compression and a dictionary would cost time and save nothing.
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as table:
            for first in range(0, len(ordinals), ROWS_PER_GROUP):
                some = ordinals[first : first + ROWS_PER_GROUP]
                lines = pa.Table.from_pylist([row.line() for row in islice(rows, len(some))], schema=SCHEMA)
                column = pa.FixedSizeListArray.from_arrays(pa.array(embeddings[some].reshape(-1)), width)
                table.write_table(lines.append_column(schema.field("embedding"), column))

    def _close(self) -> None:
        self._journal.close()
        self._lock.close()
