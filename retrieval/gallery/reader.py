"""A finished gallery, opened: the coarse stage searches it, the fine one reads its candidates' entries."""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Float, Float16, Int16, Int64
from torch import Tensor

from retrieval.errors import DataError
from retrieval.gallery.entry import GALLERY_FORMAT, GalleryRow, Stored, bits_to_floats
from retrieval.model.features import Features
from retrieval.paths import check_gallery, damaged_gallery

#: Candidates that the codes propose for each one wanted; they are then scored exactly.
PROPOSED_FOR_ONE = 40


class Gallery:
    """A finished gallery, opened: codes in memory, all else mapped."""

    def __init__(self, folder: Path) -> None:
        self.facts = check_gallery(folder)
        if self.facts.get("format") != GALLERY_FORMAT:
            raise DataError(
                f"gallery {str(folder)!r}: has format {self.facts.get('format')}, this program reads "
                f"{GALLERY_FORMAT}; index the videos again"
            )
        try:
            self._open(folder)
        # What the five libraries say of files that are missing, cut off, or of another length.
        except (OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
            raise damaged_gallery(folder, error) from None

    def _open(self, folder: Path) -> None:
        self._codes = faiss.read_index(str(folder / "coarse.faiss"))
        self._exact = self.facts["coarse"] == "exact"
        width, token_width = self.facts["vector_width"], self.facts["token_width"]
        self._vectors: Float16[np.ndarray, "n d"] = _mapped(folder / "vectors.f16", np.float16, width)
        self._tokens: Int16[np.ndarray, "m w"] = _mapped(folder / "tokens.bf16", np.int16, token_width)
        self._frames: Int16[np.ndarray, "f d"] = _mapped(folder / "frames.bf16", np.int16, width)
        self._token_starts = np.load(folder / "token_starts.npy", mmap_mode="r")
        self._frame_starts = np.load(folder / "frame_starts.npy", mmap_mode="r")
        self._table = pq.ParquetFile(folder / "videos.parquet")
        # Two threads that read from one ParquetFile at a time end the process, or wait for ever.
        self._reading = Lock()
        groups = [self._table.metadata.row_group(i).num_rows for i in range(self._table.num_row_groups)]
        self._group_starts = np.cumsum([0, *groups])

    def __len__(self) -> int:
        return int(self.facts["num_videos"])

    def coarse(self, query: Float[np.ndarray, "d"], k: int) -> tuple[Int64[np.ndarray, "k"], np.ndarray]:
        """The `k` videos of highest cosine with the query (fewer in a smaller gallery), best first."""
        if not np.isfinite(query).all():
            raise DataError("query: its features are not finite, so nothing is near it")
        unit = np.ascontiguousarray(query / np.linalg.norm(query), dtype=np.float32)[None]
        k = min(k, len(self))
        if self._exact:
            cosines, rows = self._codes.search(unit, k)
            return rows[0], cosines[0]
        _, proposed = self._codes.search(unit, min(len(self), k * PROPOSED_FOR_ONE))
        rows = np.sort(proposed[0][proposed[0] >= 0])
        cosines = self._vectors[rows].astype(np.float32) @ unit[0]
        best = np.argsort(-cosines, kind="stable")[:k]
        return rows[best], cosines[best]

    def vectors(self, rows: Int64[np.ndarray, "k"]) -> Float[Tensor, "k d"]:
        """Unit vectors of the coarse stage."""
        return torch.from_numpy(self._vectors[rows].astype(np.float32))

    def features(self, rows: Int64[np.ndarray, "k"]) -> Features:
        """What the fine stage needs of these videos; nothing of the others is read."""
        spans = [_slice(self._tokens, self._token_starts, int(row)) for row in rows]
        longest = max(len(span) for span in spans)
        tokens = torch.zeros(len(spans), longest, self._tokens.shape[1])
        mask = torch.zeros(len(spans), longest, dtype=torch.bool)
        for i, span in enumerate(spans):
            tokens[i, : len(span)] = bits_to_floats(span)
            mask[i, : len(span)] = True
        return Features(pooled=self.vectors(rows), tokens=tokens, mask=mask)

    def frame_vectors(self, row: int) -> Float[Tensor, "t d"]:
        """Unit vectors of one video's frames."""
        return bits_to_floats(_slice(self._frames, self._frame_starts, row))

    def row(self, row: int) -> GalleryRow:
        """One video's line of the table; threads may ask at once, as those of a server do."""
        group = int(np.searchsorted(self._group_starts, row, side="right")) - 1
        with self._reading:
            table = self._table.read_row_group(group, columns=GalleryRow.COLUMNS)
        return GalleryRow.of(table.slice(row - int(self._group_starts[group]), 1).to_pylist()[0])

    def rows(self) -> Iterator[GalleryRow]:
        """Every video's line of the table, in order."""
        for batch in self._table.iter_batches(columns=GalleryRow.COLUMNS):
            yield from map(GalleryRow.of, batch.to_pylist())

    def stored(self, rows: Sequence[int]) -> Iterator[Stored]:
        """Everything that is kept of these videos (ascending), as it is kept."""
        # Rows 1 5 6 of batches of 4: the first batch (first = 0) has line 1, the second (first = 4) lines 1
        # 2.
        wanted = np.asarray(rows, dtype=np.int64)
        first = 0
        for batch in self._table.iter_batches(columns=[*GalleryRow.COLUMNS, "embedding"]):
            inside = wanted[(first <= wanted) & (wanted < first + batch.num_rows)]
            lines = batch.take(pa.array(inside - first))
            embeddings = (
                lines.column("embedding")
                .flatten()
                .to_numpy()
                .reshape(len(inside), self.facts["vector_width"])
            )
            descriptions = lines.select(GalleryRow.COLUMNS).to_pylist()
            for row, line, embedding in zip(inside.tolist(), descriptions, embeddings, strict=True):
                yield Stored(
                    row=GalleryRow.of(line),
                    embedding=embedding,
                    tokens=_slice(self._tokens, self._token_starts, row),
                    frame_vectors=_slice(self._frames, self._frame_starts, row),
                )
            first += batch.num_rows


def _mapped(path: Path, kind: type[np.generic], width: int) -> np.ndarray:
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mmap, "MADV_RANDOM"):  # entries are read here and there: what lies behind one is not wanted
        mapped.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(mapped, dtype=kind).reshape(-1, width)


def _slice(data: np.ndarray, starts: np.ndarray, row: int) -> np.ndarray:
    return np.array(data[int(starts[row]) : int(starts[row + 1])])
