"""A Hugging Face data set: Parquet with a `video` column, and a README.md that is its card.

    data/train-00000.parquet                the clips of shard 00000; `validation` and `test` likewise
    README.md                               `datasets.load_dataset("OUT")` reads the splits from its head

A video is a struct of `bytes` and `path`, and the schema says that it is one (`datasets.Video`): `datasets`
3.2 and later decode it, anything else reads the bytes of an mp4. Row groups are small, for a viewer fetches
whole ones.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from animate.exports.clip import ExportClip, Exported, Exporter, Note, Notes, Split
from animate.exports.videos import all_captions, write_text
from animate.record import Columns, ColumnType
from animate.shards.card import card_body

#: What the hub calls a split.
SPLIT_NAMES: dict[Split, str] = {"train": "train", "val": "validation", "test": "test"}
#: A row group ends with the first row that brings it to so many bytes of video, …
_GROUP_BYTES = 16 * 2**20
#: … or with so many rows.
_GROUP_ROWS = 100

#: Columns of every data set, between `video` and what the corpus carries.
_COLUMNS: Columns = {
    "key": "string",
    "source_key": "string",
    "take": "int64",
    "caption": "string",
    "camera": "string",
    "camera_caption": "string",
    "url": "string",
    "width": "int64",
    "height": "int64",
    "num_frames": "int64",
    "fps": "double",
    "duration": "double",
}
#: The type of a column as `datasets` spells it.
_DTYPES: dict[ColumnType, str] = {"string": "string", "int64": "int64", "double": "float64", "bool": "bool"}


class _Parquet:
    """One file while it is written."""

    def __init__(self, path: Path, columns: Columns, closing: ExitStack, *, whole_fps: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._schema = schema(columns, whole_fps=whole_fps)
        self._columns = columns
        self._writer = closing.enter_context(pq.ParquetWriter(path, self._schema, compression="zstd"))
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0

    def add(self, clip: ExportClip) -> None:
        record = clip.record.table()
        row = {name: record[name] for name in _COLUMNS}
        row |= {own: clip.carried[name] for name, own in _carried(self._columns).items()}
        row |= {"video": {"bytes": clip.video, "path": f"{clip.name}.mp4"}, "captions": all_captions(clip)}
        self._rows.append(row)
        self._bytes += len(clip.video)
        if len(self._rows) >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows, self._bytes = [], 0


def _carried(columns: Columns) -> dict[str, str]:
    """What a corpus carries, by its name here: `video` and the like are taken."""
    taken = {"video", "captions", *_COLUMNS}
    return {
        name: f"source_{name}" if name in taken else name
        for name in columns
        if f"source_{name}" not in columns or name not in taken
    }


def schema(columns: Columns, *, whole_fps: bool) -> pa.Schema:
    """That of every file of a set whose corpus carries `columns`, with the features of `datasets`."""
    types: dict[str, ColumnType] = {
        **_COLUMNS,
        "fps": "int64" if whole_fps else "double",
        **{own: columns[name] for name, own in _carried(columns).items()},
    }
    text = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {
        "video": {"_type": "Video"},
        "captions": {"feature": text, "_type": "Sequence"},
        **{name: {"dtype": _DTYPES[kind], "_type": "Value"} for name, kind in types.items()},
    }
    fields: list[tuple[str, Any]] = [
        ("video", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("captions", pa.list_(pa.string())),
        *((name, pa.type_for_alias(kind)) for name, kind in types.items()),
    ]
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema(fields, metadata=metadata)


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    files: dict[Split, _Parquet] = {}
    with ExitStack() as closing:
        for clip in clips:
            if clip.split not in files:
                path = folder / "data" / f"{SPLIT_NAMES[clip.split]}-{clip.shard}.parquet"
                whole_fps = isinstance(clip.record.fps, int)  # it is the same in the whole set
                files[clip.split] = _Parquet(path, clip.columns, closing, whole_fps=whole_fps)
            files[clip.split].add(clip)
        for file in files.values():
            file.flush()
    yield from ()


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    found: list[Split] = [split for split in exported.splits if exported.counts.get(split, 0)]
    lines = ["---", "license: other", "tags:", "- video", "- text", "- synthetic", "configs:"]
    lines += ["- config_name: default", "  data_files:"]
    for split in found:
        lines += [f"  - split: {SPLIT_NAMES[split]}", f"    path: data/{SPLIT_NAMES[split]}-*.parquet"]
    lines += ["---", ""]
    counts = ", ".join(f"{exported.counts[split]:,} {SPLIT_NAMES[split]}" for split in found)
    card = card_body(exported.manifest, exported.licences, f"Clips here: {counts}.", stored="mp4")
    write_text(out / "README.md", ["\n".join((*lines, *card)) + "\n"])


HF = Exporter(
    layout="data/<split>-*.parquet with a video column, and README.md, for Hugging Face datasets",
    write=_write,
    finish=_finish,
)
