"""WebDataset tars with an index for NVIDIA DALI (`fn.readers.webdataset`, https://github.com/NVIDIA/DALI).

    train/00000.tar                         json, mp4 and txt of each clip
    train/00000.idx                         where each lies, as DALI's tools/wds2idx.py writes it

The index, restated: `v1.2` and the number of samples, then a line a sample with, for each member, its
suffix, the offset of its content, its size and its name, parted by spaces. A sample's name goes to its first
dot; a tar without samples is refused, so a shard that has no clip in a split has no tar there.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from animate import ustar
from animate.exports.clip import ExportClip, Exported, Exporter, Note, Notes, Split, write_file

INDEX_VERSION = "v1.2"


class _Tar:
    """One tar while it is written, and the lines of its index."""

    def __init__(self, path: Path, closing: ExitStack) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file: BinaryIO = closing.enter_context(path.open("xb"))
        self._bytes = 0
        self._lines: list[str] = []

    def add(self, clip: ExportClip) -> None:
        members = {
            "json": clip.json,
            "mp4": clip.video,
            "txt": clip.record.caption.encode(),
        }
        fields = []
        for suffix, content in members.items():
            name = f"{clip.name}.{suffix}"
            header, _, padding = ustar.member(name, content)
            fields += [suffix, str(self._bytes + len(header)), str(len(content)), name]
            self._write(header, content, padding)
        self._lines.append(" ".join(fields))

    def end(self) -> None:
        self._write(ustar.end(self._bytes))
        lines = [f"{INDEX_VERSION} {len(self._lines)}", *self._lines]
        write_file(self._path.with_suffix(".idx"), "".join(f"{line}\n" for line in lines).encode())

    def _write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._file.write(piece)
            self._bytes += len(piece)


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    tars: dict[Split, _Tar] = {}
    with ExitStack() as closing:
        for clip in clips:
            if clip.split not in tars:
                tars[clip.split] = _Tar(folder / clip.split / f"{clip.shard}.tar", closing)
            tars[clip.split].add(clip)
        for tar in tars.values():
            tar.end()
    yield from ()


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    """Every tar and its index are there already."""


DALI = Exporter(
    layout="<split>/*.tar with a .idx beside each, for NVIDIA DALI's fn.readers.webdataset",
    write=_write,
    finish=_finish,
)
