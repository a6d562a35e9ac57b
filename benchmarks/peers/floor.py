"""The floor: the least that a plain script can do for the same tar: no bounds, records or anti-aliasing."""

import hashlib
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from benchmarks.peers import moves


def floor_perspective(photographs: Sequence[Path], tar: Path) -> None:
    """Fastest decode, `warpPerspective` into reused frames, fastest 4:2:0 encode, hand-written tar."""
    _film(photographs, tar, affine=False)


def floor_affine(photographs: Sequence[Path], tar: Path) -> None:
    """The same for moves without perspective, which `warpAffine` does in less time."""
    _film(photographs, tar, affine=True)


def _film(photographs: Sequence[Path], tar: Path, *, affine: bool) -> None:
    size = (moves.SIZE, moves.SIZE)
    frame = np.empty((moves.SIZE, moves.SIZE, 3), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    with open(tar, "wb", buffering=1 << 20) as file:
        for number, photograph in enumerate(photographs):
            still = simplejpeg.decode_jpeg(photograph.read_bytes(), "RGB")
            height, width = still.shape[:2]
            matrices = (moves.affine if affine else moves.perspective)(number, width, height)
            key = f"{number:09d}"
            for i, matrix in enumerate(matrices):
                if affine:
                    cv2.warpAffine(still, matrix, size, frame, flags, cv2.BORDER_REPLICATE)
                else:
                    cv2.warpPerspective(still, matrix, size, frame, flags, cv2.BORDER_REPLICATE)
                encoded = simplejpeg.encode_jpeg(
                    frame, quality=moves.JPEG_QUALITY, colorspace="RGB", colorsubsampling="420"
                )
                file.write(_header(f"{key}.{i:02d}.jpg", len(encoded)) + encoded + bytes(-len(encoded) % 512))
            record = json.dumps({"key": key, "homographies": matrices.reshape(len(matrices), -1).tolist()})
            for name, content in ((f"{key}.json", record.encode()), (f"{key}.txt", b"a photograph")):
                file.write(_header(name, len(content)) + content + bytes(-len(content) % 512))
        file.write(bytes(1024))


_BLANK = bytearray(tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT))
_BLANK[124:136] = bytes(12)
_BLANK[148:156] = b" " * 8
_BLANK_SUM = sum(_BLANK)


def _header(name: str, size: int) -> bytes:
    header = bytearray(_BLANK)
    text, digits = name.encode(), b"%011o" % size
    header[: len(text)] = text
    header[124:135] = digits
    header[148:156] = b"%06o\0 " % (_BLANK_SUM + sum(text) + sum(digits))
    return bytes(header)


def copy_loop(photographs: Sequence[Path], tar: Path) -> None:
    """The floor of the virtual format: bytes read, hashed and written to a tar with a JSON and a caption."""
    with open(tar, "wb", buffering=1 << 20) as file:
        for number, photograph in enumerate(photographs):
            key, image = f"{number:09d}", photograph.read_bytes()
            height, width = map(int, simplejpeg.decode_jpeg_header(image)[:2])
            matrices = moves.perspective(number, width, height)
            record = {
                "key": key,
                "sha256": hashlib.sha256(image).hexdigest(),
                "homographies": matrices.reshape(-1, 9).tolist(),
            }
            members = {"jpg": image, "json": json.dumps(record).encode(), "txt": b"a photograph"}
            for suffix, content in members.items():
                file.write(_header(f"{key}.{suffix}", len(content)) + content + bytes(-len(content) % 512))
        file.write(bytes(1024))
