"""Downloaded images on disk, as img2dataset lays them out: a tar, a parquet and a marker for each part.

Its rows stand in the order in which they were asked for, and a row's key is its number in the list, the
same as in a build from the list. (img2dataset's stand in the order of arrival, and have keys of their own.)
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from animate import ustar
from animate.data import SHARD_SUFFIXES, Fault
from animate.record import SUCCESS
from animate.sources.download.process import DOWNLOADED, Download

#: Columns of a part's parquet. Those of sizes are in img2dataset's, which has decoded the images.
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("url", "caption", "key", "status", "error_message", *DOWNLOADED)]
)


class Answer(NamedTuple):
    """A row of a part: what was asked for, and the file of the image, or why there is none."""

    key: str
    url: str
    caption: str
    fault: Fault | None
    file: Path
    meta: dict[str, Any]

    @classmethod
    def of(cls, key: str, url: str, caption: str, download: Download) -> "Answer":
        """The answer to an order."""
        return cls(key, url, caption, download.fault, download.file, dict(download.meta))

    @property
    def status(self) -> str:
        return SUCCESS if self.fault is None else self.fault.status

    def columns(self) -> dict[str, str | None]:
        """The row as the parquet has it, and as the JSON beside the image."""
        return {
            "url": self.url,
            "caption": self.caption,
            "key": self.key,
            "status": self.status,
            "error_message": self.fault.message if self.fault else None,
            **{name: self.meta.get(name) for name in DOWNLOADED},
        }


def part_files(folder: Path, name: str) -> list[Path]:
    """Tar, parquet and marker of a part, in the order in which they may appear."""
    return [folder / f"{name}{suffix}" for suffix in SHARD_SUFFIXES]


def write_part(folder: Path, name: str, answers: Sequence[Answer], scratch: Path) -> Counter[str]:
    """Part `name` of `folder` has `answers`, in order, whose images it takes from their files; how many of
    each status. It is written in `scratch`, on the same file system, and then moved, the marker last."""
    made = part_files(scratch, name)
    tar, parquet, marker = made
    rows = [answer.columns() for answer in answers]
    with open(tar, "wb") as file:
        for answer, row in zip(answers, rows, strict=True):
            if answer.fault is None:
                for suffix, content in (
                    ("jpg", answer.file.read_bytes()),
                    ("txt", answer.caption.encode("utf-8", "replace")),
                    ("json", json.dumps(row, indent=4).encode()),
                ):
                    file.writelines(ustar.member(f"{answer.key}.{suffix}", content))
        file.write(ustar.end(file.tell()))
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), parquet)
    counts = Counter(answer.status for answer in answers)
    marker.write_text(json.dumps({**_stats(counts), "bytes": tar.stat().st_size}))
    for attempt, kept in zip(made, part_files(folder, name), strict=True):
        os.replace(attempt, kept)
    for answer in answers:
        answer.file.unlink(missing_ok=True)
    return counts


def is_complete(folder: Path, name: str) -> bool:
    """Whether all files of a part are there, and are as long as its marker says."""
    tar, parquet, marker = part_files(folder, name)
    try:
        said = json.loads(marker.read_text())
        return tar.stat().st_size == said["bytes"] and pq.read_metadata(parquet).num_rows == said["count"]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowInvalid):
        return False


def _stats(counts: Counter[str]) -> dict[str, Any]:
    """The counts by img2dataset's names; nothing is decoded here, so nothing failed to resize."""
    total = sum(counts.values())
    return {
        "count": total,
        "successes": counts[SUCCESS],
        "failed_to_download": total - counts[SUCCESS],
        "failed_to_resize": 0,
        "status_dict": dict(counts.most_common()),
    }
