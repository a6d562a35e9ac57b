"""Tars and pictures for tests of what reads them."""

import io
import tarfile
from pathlib import Path

import cv2

from retrieval.datasets import FrameReader
from retrieval.video import Sampler
from tests.support.clips import numbered

Samples = dict[str, dict[str, bytes]]
READER = FrameReader(sampler=Sampler(num_frames=4), size=32, decoder="pyav")


def write_tar(path: Path, samples: Samples, tar_format: int = tarfile.USTAR_FORMAT) -> Path:
    with tarfile.open(path, "w", format=tar_format) as tar:
        for key, members in samples.items():
            for suffix, content in members.items():
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size, info.mtime = len(content), 0.5 if tar_format == tarfile.PAX_FORMAT else 0
                tar.addfile(info, io.BytesIO(content))
    return path


def png(number: int) -> bytes:
    return cv2.imencode(".png", numbered(number))[1].tobytes()


def stills(count: int, broken: frozenset[int] = frozenset()) -> Samples:
    return {
        f"{i:03}": {"jpg": b"broken" if i in broken else png(i), "txt": f"number {i}".encode()}
        for i in range(count)
    }
