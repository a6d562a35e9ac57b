"""Small corpora for tests of sources, and every row of one as a build reads it."""

import csv
import errno
import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from animate.data import Rejected, Sample
from animate.recipe import SourceRecipe
from animate.sources import open_source, read_part
from animate.sources.resolve import resolve_src

DEMO = Path(__file__).parents[2] / "animate" / "demo"
#: A photograph that decodes.
PHOTOGRAPH = (DEMO / "cat.jpg").read_bytes()
#: The beginning of a JPEG, for whatever does not decode it.
JPEG = b"\xff\xd8\xff\xe0 pretend"


def read(src: Path | str, tmp_path: Path, rows_per_shard: int = 3, **options) -> list[Sample | Rejected]:
    """Every row of what `--src` stands for."""
    return read_rows(SourceRecipe(**resolve_src(str(src)), **options), tmp_path, rows_per_shard)


def read_rows(recipe: SourceRecipe, tmp_path: Path, rows_per_shard: int = 3) -> list[Sample | Rejected]:
    """Every row of a corpus, read shard by shard as a build does."""
    folder = tmp_path / "_animate"
    folder.mkdir(exist_ok=True)
    rows = []
    frozen = open_source(recipe).freeze(folder, rows_per_shard)
    for part in frozen.parts:
        if part.rows is None:
            rows += read_part(part, 0, None, recipe, folder, frozen.columns)
            continue
        for start in range(0, part.rows, rows_per_shard):
            stop = min(start + rows_per_shard, part.rows)
            piece = list(read_part(part, start, stop, recipe, folder, frozen.columns))
            assert len(piece) == stop - start
            rows += piece
    return rows


def carried_by(row: Sample | Rejected) -> dict:
    """What the source said of a sample besides its captions."""
    return {name: value for name, value in row.meta.items() if name != "caption_raw"}


def statuses(rows: list[Sample | Rejected]) -> list[str]:
    return [row.fault.status if isinstance(row, Rejected) else "ok" for row in rows]


def write_images(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG + name.encode())


def write_members(path: Path, members: list[tuple[str, bytes]]) -> Path:
    """A tar of files by name, in this order; names may come twice."""
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_rows(path: Path, records: list[dict]) -> Path:
    """A table in the format that the suffix of `path` names."""
    name = path.name.removesuffix(".gz")
    names = list(records[0])
    if name.endswith(".parquet"):
        content = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(records), content)
        data = content.getvalue()
    elif name.endswith(".jsonl"):
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
    elif name.endswith(".json"):
        data = json.dumps(records).encode()
    elif name.endswith(".tsv"):
        data = "".join(
            "\t".join(map(str, row)) + "\n" for row in [names, *(r.values() for r in records)]
        ).encode()
    else:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(records)
        data = text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


def put(path: Path, content: bytes | str | dict | list) -> None:
    """A file, with its folders; what is no text or bytes is written as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict | list):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def refuse_folder(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    """Makes the folder one that may not be listed, for root too."""
    scandir, listdir = os.scandir, os.listdir

    def checked(path):
        if not isinstance(path, int) and os.fspath(path).rstrip("/") == folder:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), folder)
        return path

    monkeypatch.setattr(os, "scandir", lambda path: scandir(checked(path)))
    monkeypatch.setattr(os, "listdir", lambda path: listdir(checked(path)))
