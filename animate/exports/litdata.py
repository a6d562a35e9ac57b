"""The optimized format of LitData (`litdata/streaming/writer.py`), written without it.

    train/00000-000.bin                     the clips of shard 00000, at most 64 MiB a chunk
    train/index.json                        what `litdata.StreamingDataset("OUT/train")` opens

A chunk has the number of items, their offsets and the items; an item is the sizes of the leaves of a
dictionary, in its order, and their bytes. Leaves are text and bytes alone, of which every release has the
same idea: `captions` and `json` are JSON.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from animate.exports.binary import FILE_BYTES, Encode, SampleFiles
from animate.exports.clip import ExportClip, Exported, Exporter, Note, Notes
from animate.exports.videos import write_index

#: Leaves of an item, and how LitData serializes each.
LEAVES = {"key": "str", "video": "bytes", "caption": "str", "captions": "str", "json": "str"}


def _config() -> dict[str, Any]:
    """The shape of an item is a tree of PyTorch's `pytree`, as `treespec_dumps` spells it."""
    leaf = {"type": None, "context": None, "children_spec": []}
    context = json.dumps(list(LEAVES))
    tree = {"type": "builtins.dict", "context": context, "children_spec": [leaf] * len(LEAVES)}
    return {
        "chunk_bytes": FILE_BYTES,
        "chunk_size": None,
        "compression": None,
        "data_format": list(LEAVES.values()),
        "data_spec": json.dumps([1, tree]),
        "encryption": None,
        "item_loader": "PyTreeLoader",
    }


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    for split, name, items, size in SampleFiles(folder, "bin").write(clips, Encode(list(LEAVES))):
        chunk = {"chunk_bytes": size, "chunk_size": items, "dim": None, "filename": name}
        yield Note(split=split, value=chunk)


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    rest = {"config": _config(), "updated_at": "0"}
    for split in exported.splits:
        write_index(out / split / "index.json", "chunks", notes.of(split), rest)


LITDATA = Exporter(
    layout="<split>/*.bin and <split>/index.json, for litdata.StreamingDataset",
    write=_write,
    finish=_finish,
)
