"""MDS, the format of mosaicml-streaming (`streaming/base/format/mds`), written without it.

    train/00000-000.mds                     the clips of shard 00000, at most 64 MiB a file
    train/index.json                        what `StreamingDataset(local=OUT, split="train")` opens

A file has the number of samples, their offsets, the configuration as JSON, and the samples; a sample is the
sizes of its columns, in the order of their names, and their bytes. `captions` and `json` are of MDS's own
kind `json`, so that no sample needs pickle.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from animate.exports.binary import Encode, SampleFiles
from animate.exports.clip import ExportClip, Exported, Exporter, Note, Notes
from animate.exports.videos import write_index

#: Columns and how MDS encodes them; it wants them sorted by name.
COLUMNS: Mapping[str, str] = {
    "caption": "str",
    "captions": "json",
    "json": "json",
    "key": "str",
    "video": "bytes",
}
_VERSION = 2
_CONFIG: Mapping[str, Any] = {
    "column_encodings": list(COLUMNS.values()),
    "column_names": list(COLUMNS),
    "column_sizes": [None] * len(COLUMNS),
    "compression": None,
    "format": "mds",
    "hashes": [],
    "size_limit": None,
    "version": _VERSION,
}


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    files = SampleFiles(folder, "mds", json.dumps(_CONFIG, sort_keys=True).encode())
    for split, name, samples, size in files.write(clips, Encode(list(COLUMNS))):
        raw = {"basename": name, "bytes": size, "hashes": {}}
        yield Note(split=split, value={**_CONFIG, "raw_data": raw, "samples": samples, "zip_data": None})


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    for split in exported.splits:
        write_index(out / split / "index.json", "shards", notes.of(split), {"version": _VERSION})


MDS = Exporter(
    layout="<split>/*.mds and <split>/index.json, for mosaicml-streaming",
    write=_write,
    finish=_finish,
)
