"""Many JPEGs at once to pixels on a torch device: nvJPEG on a GPU, through torchvision."""

import warnings
from collections.abc import Sequence
from typing import Any

from animate.codec.color import transform_to_srgb
from animate.codec.errors import UndecodableImage
from animate.codec.jpeg import JpegHeader, read_jpeg_header
from animate.codec.still import check_size
from animate.recipe import SourceRecipe


def decode_plain_jpegs(images: Sequence[bytes], source: SourceRecipe, device: str) -> list[Any]:
    """For each image a uint8 tensor "3 h w" on `device`, upright sRGB; None where `decode_still` must look.

    Taken here are whole JPEGs within the limits of `source` that are upright and in sRGB already. Nothing is
    rejected here: what a GPU's decoder does not take, the strict one is asked to read, and says why not.
    """
    plain = [i for i, image in enumerate(images) if _is_plain(image, source)]
    pixels: list[Any] = [None] * len(images)
    for i, decoded in zip(plain, _decoded([images[i] for i in plain], device), strict=True):
        pixels[i] = decoded
    return pixels


def _decoded(images: Sequence[bytes], device: str) -> Sequence[Any]:
    import numpy as np
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    if not images:
        return []
    # A copy, for torch warns of arrays that it may not write to.
    data = [torch.from_numpy(np.frombuffer(image, np.uint8).copy()) for image in images]
    try:
        with warnings.catch_warnings():
            # From 0.29 on it points to torchcodec, whose decoder needs FFmpeg's libraries on the machine.
            warnings.filterwarnings("ignore", "The image decoding and encoding", DeprecationWarning)
            return list(decode_jpeg(data, mode=ImageReadMode.RGB, device=device))
    except RuntimeError:  # torchvision's word for data that it, or this build of it, cannot decode
        return [None] * len(images)


def _is_plain(image: bytes, source: SourceRecipe) -> bool:
    # The last marker must be there: decoders on a device fill what is missing with grey and say nothing.
    if not image.startswith(b"\xff\xd8\xff") or image.rfind(b"\xff\xd9", -64) < 0:
        return False
    try:
        header = read_jpeg_header(image)
        check_size(header.width, header.height, source)
    except UndecodableImage:
        return False
    return header.channels in (1, 3) and header.orientation == 1 and not _has_other_colours(header)


def _has_other_colours(header: JpegHeader) -> bool:
    return bool(header.profile) and transform_to_srgb(header.profile, "RGB") is not None
