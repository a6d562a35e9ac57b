"""One video of a gallery: as it is made, as it is kept, and as it is known again."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import BFloat16, Float, Float32, Int16
from torch import Tensor

from retrieval.paths import stored_path
from retrieval.video import printable_path

GALLERY_FORMAT = 2
#: Columns of videos.parquet; beside them stands `embedding`, as many float32 as the vectors are wide.
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "path": pa.string(),
        "path_bytes": pa.binary(),  # only of a path that is no valid text
        "duration": pa.float64(),
        "num_frames": pa.int32(),
        "seconds": pa.list_(pa.float64()),
        "status": pa.string(),
        "size": pa.int64(),
        "modified": pa.int64(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryRow:
    """What a gallery knows of one video besides its features.

    `file` is what to open, and `path` its name in valid text. `size` and `modified` are those of the file
    when it was read, -1 if unknown.
    """

    COLUMNS: ClassVar[list[str]] = [name for name in SCHEMA.names if name != "num_frames"]

    video_id: str
    file: Path
    duration: float
    seconds: tuple[float, ...]
    status: str
    size: int
    modified: int

    @property
    def path(self) -> str:
        return printable_path(self.file)

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> "GalleryRow":
        """From a line of the table."""
        return cls(
            video_id=line["id"],
            file=stored_path(line),
            duration=line["duration"],
            seconds=tuple(line["seconds"]),
            status=line["status"],
            size=line["size"],
            modified=line["modified"],
        )

    def line(self) -> dict[str, Any]:
        """A line of the table."""
        return {
            "id": self.video_id,
            "path": self.path,
            "path_bytes": os.fsencode(self.file) if self.path != str(self.file) else None,
            "duration": self.duration,
            "num_frames": len(self.seconds),
            "seconds": list(self.seconds),
            "status": self.status,
            "size": self.size,
            "modified": self.modified,
        }

    def to_json(self) -> str:
        values = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps({**values, "file": str(self.file)})

    @classmethod
    def from_json(cls, text: str) -> "GalleryRow":
        value = json.loads(text)
        return cls(**{**value, "file": Path(value["file"]), "seconds": tuple(value["seconds"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One video as it goes into a gallery.

    `vector`, of any length (it is normalised), is for the coarse stage, `tokens` are for the fine one, and
    `frame_vectors`, one for each frame, for the moment. `status`, `size` and `modified` are those of the file
    when it was read; -1 if not known.
    """

    video_id: str
    path: str
    duration: float
    seconds: Sequence[float]
    vector: Float[Tensor, "d"]
    tokens: Float[Tensor, "n w"]
    frame_vectors: Float[Tensor, "t d"]
    status: str = "ok"
    size: int = -1
    modified: int = -1

    def is_finite(self) -> bool:
        """Whether none of its numbers is NaN or infinite: such a one has no place among others."""
        return all(bool(part.isfinite().all()) for part in (self.vector, self.tokens, self.frame_vectors))

    def stored(self) -> "Stored":
        """As it is kept. ValueError unless it is finite."""
        if not self.is_finite():
            raise ValueError(f"entry {self.video_id!r}: its features are not finite")
        return Stored(
            row=GalleryRow(
                video_id=self.video_id,
                file=Path(self.path),
                duration=float(self.duration),
                seconds=tuple(float(second) for second in self.seconds),
                status=self.status,
                size=self.size,
                modified=self.modified,
            ),
            embedding=torch.nn.functional.normalize(self.vector.float(), dim=0).numpy(),
            tokens=floats_to_bits(self.tokens),
            frame_vectors=floats_to_bits(torch.nn.functional.normalize(self.frame_vectors.float(), dim=1)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Everything that a gallery keeps of one video: unit vectors, and bfloat16 as numpy can hold it."""

    row: GalleryRow
    embedding: Float32[np.ndarray, "d"]
    tokens: Int16[np.ndarray, "n w"]
    frame_vectors: Int16[np.ndarray, "t d"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A video that has no place in a gallery, and why; `size` and `modified` as in `GalleryRow`."""

    video_id: str
    path: str
    status: str
    message: str
    size: int
    modified: int


def floats_to_bits(values: Float[Tensor, "n w"]) -> Int16[np.ndarray, "n w"]:
    """bfloat16 as numpy can hold it."""
    return values.to(torch.bfloat16).contiguous().view(torch.int16).numpy()


def bits_to_floats(bits: Int16[np.ndarray, "n w"]) -> Float[Tensor, "n w"]:
    """The numbers behind bfloat16 as numpy can hold it."""
    half: BFloat16[Tensor, "n w"] = torch.from_numpy(bits).view(torch.bfloat16)
    return half.float()
