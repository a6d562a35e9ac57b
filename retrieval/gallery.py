"""A gallery on disk: vectors of the coarse stage, tokens of the fine one, and what each video is.

    gallery.json      what made it, how many, bytes a video
    videos.parquet    id, path, duration, number of frames and their seconds, embedding; a row a video
    coarse.faiss      codes of the vectors, or the vectors themselves while there are few
    vectors.f16       unit vectors, to score exactly those that the codes propose
    tokens.bf16       all tokens of all videos, one after the other; token_starts.npy says whose are which
    frames.bf16       one unit vector a frame, to find the moment; frame_starts.npy likewise

All but the codes stay on disk, memory-mapped: a search reads the entries of its candidates and no others.
"""

import json
import mmap
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import BFloat16, Float, Float16, Int16, Int64
from torch import Tensor

from retrieval.datasets import DataError
from retrieval.model import Features

FORMAT = 1
# Up to here every vector is looked at; above, four bits for each four dimensions propose candidates.
EXACT_UP_TO = 50_000
TRAINING_VECTORS = 65_536
# Candidates that the codes propose for each one wanted; they are then scored exactly.
PROPOSED_FOR_ONE = 40
_ROWS_PER_GROUP = 4096
# Beside these stands `embedding`: as many float32 as the vectors are wide.
_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "path": pa.string(),
        "duration": pa.float64(),
        "num_frames": pa.int32(),
        "seconds": pa.list_(pa.float64()),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One video as it goes into a gallery.

    vector: for the coarse stage, of any length (it is normalised). frame_vectors: one for each frame.
    """

    video_id: str
    path: str
    duration: float
    seconds: Sequence[float]
    vector: Float[Tensor, "d"]
    tokens: Float[Tensor, "n w"]
    frame_vectors: Float[Tensor, "t d"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a gallery knows of one video besides its features."""

    video_id: str
    path: str
    duration: float
    seconds: tuple[float, ...]


class GalleryWriter:
    """Writes a gallery beside its place and moves it there when finished; otherwise leaves nothing."""

    def __init__(self, folder: Path, facts: Mapping[str, Any], *, exact_up_to: int = EXACT_UP_TO) -> None:
        self._folder, self._facts, self._exact_up_to = folder, dict(facts), exact_up_to
        self._attempt = folder.with_name(f".{folder.name}.writing")
        shutil.rmtree(self._attempt, ignore_errors=True)
        self._attempt.mkdir(parents=True)
        self._files = {
            name: (self._attempt / name).open("wb") for name in ("vectors.f16", "tokens.bf16", "frames.bf16")
        }
        self._token_starts, self._frame_starts = [0], [0]
        self._widths: tuple[int, int] | None = None
        self._pending: list[dict[str, Any]] = []
        self._table: pq.ParquetWriter | None = None

    def __enter__(self) -> "GalleryWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()
        if self._table is not None:
            self._table.close()
        shutil.rmtree(self._attempt, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._token_starts) - 1

    def add(self, entry: Entry) -> None:
        widths = (len(entry.vector), entry.tokens.shape[1])
        if self._widths not in (None, widths):
            raise ValueError(f"entry {entry.video_id!r}: widths {widths}, others have {self._widths}")
        self._widths = widths
        vector = torch.nn.functional.normalize(entry.vector.float(), dim=0)
        frame_vectors = torch.nn.functional.normalize(entry.frame_vectors.float(), dim=1)
        self._files["vectors.f16"].write(vector.numpy().astype(np.float16).tobytes())
        self._files["tokens.bf16"].write(_bits(entry.tokens).tobytes())
        self._files["frames.bf16"].write(_bits(frame_vectors).tobytes())
        self._token_starts.append(self._token_starts[-1] + len(entry.tokens))
        self._frame_starts.append(self._frame_starts[-1] + len(entry.frame_vectors))
        self._pending.append(
            {
                "id": entry.video_id,
                "path": entry.path,
                "duration": float(entry.duration),
                "num_frames": len(entry.frame_vectors),
                "seconds": [float(second) for second in entry.seconds],
                "embedding": vector.numpy(),
            }
        )
        if len(self._pending) == _ROWS_PER_GROUP:
            self._flush()

    def finish(self) -> dict[str, Any]:
        """Make the coarse index and move the gallery to its place; gives the content of gallery.json."""
        if self._widths is None:
            raise DataError("gallery: no video to put into it")
        self._flush()
        assert self._table is not None
        self._table.close()
        for file in self._files.values():
            file.close()
        np.save(self._attempt / "token_starts.npy", np.array(self._token_starts, dtype=np.int64))
        np.save(self._attempt / "frame_starts.npy", np.array(self._frame_starts, dtype=np.int64))
        width = self._widths[0]
        vectors = np.memmap(self._attempt / "vectors.f16", dtype=np.float16, mode="r").reshape(-1, width)
        exact = len(self) <= self._exact_up_to
        faiss.write_index(build_codes(vectors, exact=exact), str(self._attempt / "coarse.faiss"))
        del vectors
        sizes = {path.name: path.stat().st_size for path in sorted(self._attempt.iterdir())}
        facts = {
            "format": FORMAT,
            "num_videos": len(self),
            "vector_width": width,
            "token_width": self._widths[1],
            "coarse": "exact" if exact else "product quantisation, re-scored exactly",
            "bytes_per_video": {name: round(size / len(self), 1) for name, size in sizes.items()},
            "total_bytes_per_video": round(sum(sizes.values()) / len(self), 1),
            **self._facts,
        }
        (self._attempt / "gallery.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._attempt.rename(self._folder)
        return facts

    def _flush(self) -> None:
        if not self._pending:
            return
        assert self._widths is not None
        embeddings = np.stack([row.pop("embedding") for row in self._pending])
        rows = pa.Table.from_pylist(self._pending, schema=_SCHEMA)
        column = pa.FixedSizeListArray.from_arrays(pa.array(embeddings.reshape(-1)), self._widths[0])
        rows = rows.append_column("embedding", column)
        if self._table is None:
            # Embeddings do not repeat: compression and a dictionary would cost time and save nothing.
            self._table = pq.ParquetWriter(
                self._attempt / "videos.parquet", rows.schema, compression="none", use_dictionary=False
            )
        self._table.write_table(rows)
        self._pending.clear()


class Gallery:
    """A finished gallery, opened: codes in memory, all else mapped."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "gallery.json").is_file():
            raise DataError(f"gallery {str(folder)!r}: no gallery there; make one with `retrieval index`")
        self.facts: dict[str, Any] = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
        if self.facts.get("format") != FORMAT:
            raise DataError(
                f"gallery {str(folder)!r}: has format {self.facts.get('format')}, this program reads "
                f"{FORMAT}; index the videos again"
            )
        self._codes = faiss.read_index(str(folder / "coarse.faiss"))
        self._exact = self.facts["coarse"] == "exact"
        width, token_width = self.facts["vector_width"], self.facts["token_width"]
        self._vectors: Float16[np.ndarray, "n d"] = _mapped(folder / "vectors.f16", np.float16, width)
        self._tokens: Int16[np.ndarray, "m w"] = _mapped(folder / "tokens.bf16", np.int16, token_width)
        self._frames: Int16[np.ndarray, "f d"] = _mapped(folder / "frames.bf16", np.int16, width)
        self._token_starts = np.load(folder / "token_starts.npy", mmap_mode="r")
        self._frame_starts = np.load(folder / "frame_starts.npy", mmap_mode="r")
        self._table = pq.ParquetFile(folder / "videos.parquet")
        groups = [self._table.metadata.row_group(i).num_rows for i in range(self._table.num_row_groups)]
        self._group_starts = np.cumsum([0, *groups])

    def __len__(self) -> int:
        return int(self.facts["num_videos"])

    def coarse(self, query: Float[np.ndarray, "d"], k: int) -> tuple[Int64[np.ndarray, "k"], np.ndarray]:
        """The `k` videos of highest cosine with the query (fewer in a smaller gallery), best first."""
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
            tokens[i, : len(span)] = _floats(span)
            mask[i, : len(span)] = True
        return Features(pooled=self.vectors(rows), tokens=tokens, mask=mask)

    def frame_vectors(self, row: int) -> Float[Tensor, "t d"]:
        """Unit vectors of one video's frames."""
        return _floats(_slice(self._frames, self._frame_starts, row))

    def row(self, row: int) -> Row:
        """One video's line of the table."""
        group = int(np.searchsorted(self._group_starts, row, side="right")) - 1
        columns = ["id", "path", "duration", "seconds"]
        table = self._table.read_row_group(group, columns=columns)
        line = table.slice(row - int(self._group_starts[group]), 1).to_pylist()[0]
        return Row(
            video_id=line["id"],
            path=line["path"],
            duration=line["duration"],
            seconds=tuple(line["seconds"]),
        )


def build_codes(vectors: Float16[np.ndarray, "n d"], *, exact: bool) -> Any:
    """The FAISS index of unit vectors: themselves, or four-bit codes of four dimensions each.

    Codes are scanned whole: a query's neighbours need not share a cell with it, as inverted files demand,
    and texts lie in another region than videos do.
    """
    count, width = vectors.shape
    if exact:
        index = faiss.IndexFlatIP(width)
    else:
        parts = max(part for part in range(1, width // 4 + 1) if width % part == 0)
        index = faiss.IndexPQFastScan(width, parts, 4, faiss.METRIC_INNER_PRODUCT)
        sample = np.linspace(0, count - 1, min(count, TRAINING_VECTORS), dtype=np.int64)
        index.train(vectors[sample].astype(np.float32))
    for first in range(0, count, TRAINING_VECTORS):
        index.add(vectors[first : first + TRAINING_VECTORS].astype(np.float32))
    return index


def _mapped(path: Path, kind: type[np.generic], width: int) -> np.ndarray:
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mmap, "MADV_RANDOM"):  # entries are read here and there: what lies behind one is not wanted
        mapped.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(mapped, dtype=kind).reshape(-1, width)


def _slice(data: np.ndarray, starts: np.ndarray, row: int) -> np.ndarray:
    return np.array(data[int(starts[row]) : int(starts[row + 1])])


def _bits(values: Float[Tensor, "n w"]) -> Int16[np.ndarray, "n w"]:
    """bfloat16 as numpy can hold it."""
    return values.to(torch.bfloat16).contiguous().view(torch.int16).numpy()


def _floats(bits: Int16[np.ndarray, "n w"]) -> Float[Tensor, "n w"]:
    half: BFloat16[Tensor, "n w"] = torch.from_numpy(bits).view(torch.bfloat16)
    return half.float()
