"""Scripts that a user of OpenCV, Pillow, kornia or torchvision would write, in each library's usual way."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from benchmarks.peers import moves


def opencv(photographs: Sequence[Path], tar: Path) -> None:
    """imread, warpPerspective, imencode (4:2:0 by default), tarfile."""
    size = (moves.SIZE, moves.SIZE)
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as file:
        for number, photograph in enumerate(photographs):
            still = cv2.imread(str(photograph))
            assert still is not None, photograph
            for i, matrix in enumerate(moves.perspective(number, still.shape[1], still.shape[0])):
                frame = cv2.warpPerspective(
                    still, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                    borderMode=cv2.BORDER_REPLICATE,
                )  # fmt: skip
                _, encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, moves.JPEG_QUALITY])
                _add(file, f"{number:09d}.{i:02d}.jpg", encoded.tobytes())
            _add(file, f"{number:09d}.txt", b"a photograph")


def pillow(photographs: Sequence[Path], tar: Path) -> None:
    """resize(box=…), which pans and zooms only and is anti-aliased, and save; `opencv`'s tar."""
    from PIL import Image

    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as file:
        for number, photograph in enumerate(photographs):
            with Image.open(photograph) as image:
                still = image.convert("RGB")
            for i, box in enumerate(moves.boxes(number, *still.size)):
                frame = still.resize((moves.SIZE, moves.SIZE), Image.Resampling.BILINEAR, box=tuple(box))
                with io.BytesIO() as buffer:
                    frame.save(buffer, "JPEG", quality=moves.JPEG_QUALITY)
                    _add(file, f"{number:09d}.{i:02d}.jpg", buffer.getvalue())
            _add(file, f"{number:09d}.txt", b"a photograph")


def kornia_frame_by_frame(photographs: Sequence[Path], tar: Path) -> None:
    """As kornia's examples do: one warp_perspective a frame; else as `kornia_one_call`."""
    _kornia(photographs, tar, frames_at_once=1)


def kornia_one_call(photographs: Sequence[Path], tar: Path) -> None:
    """read_image, one warp_perspective for all frames, encode_jpeg, webdataset's TarWriter."""
    _kornia(photographs, tar, frames_at_once=moves.NUM_FRAMES)


def _kornia(photographs: Sequence[Path], tar: Path, frames_at_once: int) -> None:
    import torch
    import webdataset
    from kornia.geometry.transform import warp_perspective
    from torchvision.io import encode_jpeg, read_image

    with torch.inference_mode(), webdataset.TarWriter(str(tar)) as writer:
        for number, photograph in enumerate(photographs):
            still = read_image(str(photograph)).float() / 255
            matrices = moves.perspective(number, still.shape[2], still.shape[1])
            frame_from_source = torch.from_numpy(np.linalg.inv(matrices)).float()
            frames = torch.cat([
                warp_perspective(
                    still.expand(len(some), -1, -1, -1), some, (moves.SIZE, moves.SIZE),
                    padding_mode="border", align_corners=True,
                )
                for some in frame_from_source.split(frames_at_once)
            ])  # fmt: skip
            sample = {"__key__": f"{number:09d}", "txt": "a photograph"}
            for i, frame in enumerate((frames * 255).clamp(0, 255).byte()):
                sample[f"{i:02d}.jpg"] = bytes(encode_jpeg(frame, moves.JPEG_QUALITY).numpy())
            writer.write(sample)


def torchvision_affine(photographs: Sequence[Path], tar: Path) -> None:
    """v2's affine, centre crop and resize frame by frame; else as `kornia_one_call`."""
    import torch
    import webdataset
    from torchvision.io import encode_jpeg, read_image
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as v2

    with torch.inference_mode(), webdataset.TarWriter(str(tar)) as writer:
        for number, photograph in enumerate(photographs):
            still = read_image(str(photograph))
            widest = min(still.shape[1:])
            sample = {"__key__": f"{number:09d}", "txt": "a photograph"}
            for i, (zoom, x, y) in enumerate(zip(*moves.path(number), strict=True)):
                moved = v2.affine(
                    still, angle=0.0, translate=[-x * zoom * widest, -y * zoom * widest], scale=float(zoom),
                    shear=[0.0, 0.0], interpolation=InterpolationMode.BILINEAR,
                )  # fmt: skip
                frame = v2.resize(v2.center_crop(moved, [widest, widest]), [moves.SIZE, moves.SIZE])
                sample[f"{i:02d}.jpg"] = bytes(encode_jpeg(frame, moves.JPEG_QUALITY).numpy())
            writer.write(sample)


def _add(file: tarfile.TarFile, name: str, content: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    file.addfile(header, io.BytesIO(content))
