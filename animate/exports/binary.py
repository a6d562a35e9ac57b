"""Binary files of many samples that their readers find by offsets: those of MDS and of LitData alike."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from animate.exports.clip import ExportClip, Split, write_file
from animate.exports.videos import all_captions, compact

#: A file ends with the first sample that brings it to so many bytes: it is read, and fetched, as a whole.
FILE_BYTES = 64 * 2**20


class SampleFiles:
    """Samples of one shard, cut into files by split and size: `train/00000-000` and so on.

    A file is the number of its samples, as many offsets and one more, `preamble`, and the samples:

        02 00 00 00 | 10+p 00 00 00 | 13+p 00 00 00 | 17+p 00 00 00 | preamble (p bytes) | abc | defg
    """

    def __init__(self, folder: Path, suffix: str, preamble: bytes = b"") -> None:
        self._folder, self._suffix, self._preamble = folder, suffix, preamble
        self._samples: dict[Split, list[bytes]] = {}
        self._written: dict[Split, int] = {}

    def write(self, clips: Iterable[ExportClip], encode: "Encode") -> Iterator[tuple[Split, str, int, int]]:
        """Of each file its split, name, number of samples and of bytes, when it is written."""
        shard = ""
        for clip in clips:
            shard = clip.shard
            samples = self._samples.setdefault(clip.split, [])
            samples.append(encode(clip))
            if sum(map(len, samples)) >= FILE_BYTES:
                yield self._flush(clip.split, shard)
        for split, samples in self._samples.items():
            if samples:
                yield self._flush(split, shard)

    def _flush(self, split: Split, shard: str) -> tuple[Split, str, int, int]:
        samples = self._samples[split]
        number = self._written.get(split, 0)
        self._written[split] = number + 1
        name = f"{shard}-{number:03d}.{self._suffix}"
        begin = 4 * (len(samples) + 2) + len(self._preamble)
        offsets = [begin]
        for sample in samples:
            offsets.append(offsets[-1] + len(sample))
        head = struct.pack(f"<{len(samples) + 2}I", len(samples), *offsets)
        write_file(self._folder / split / name, b"".join((head, self._preamble, *samples)))
        self._samples[split] = []
        return split, name, len(samples), offsets[-1]


class Encode:
    """A clip as a sample: the sizes of its columns of bytes and text, then what is in them."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def __call__(self, clip: ExportClip) -> bytes:
        values = [_value(clip, column) for column in self._columns]
        return struct.pack(f"<{len(values)}I", *map(len, values)) + b"".join(values)


def _value(clip: ExportClip, column: str) -> bytes:
    """A column of a clip: `captions` and `json` are JSON."""
    if column == "video":
        return clip.video
    if column == "json":
        return clip.json
    texts = {
        "key": clip.record.key,
        "caption": clip.record.caption,
        "captions": compact(all_captions(clip)),
    }
    return texts[column].encode()
