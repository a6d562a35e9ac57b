"""Pictures and their bytes, for tests of the codecs."""

import io

import numpy as np
import pytest
from PIL import Image

from animate.codec import (
    UndecodableImage,
    decode_still,
)
from animate.recipe import SourceRecipe

SOURCE = SourceRecipe(min_side=16)


def picture(width: int = 96, height: int = 64) -> np.ndarray:
    """A smooth picture, different in every corner, [h, w, 3]."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = [40 + 180 * x, 60 + 150 * y, 128 + 90 * np.sin(6 * x + 3 * y)]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def saved(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    with io.BytesIO() as stream:
        image.save(stream, kind, **options)
        return stream.getvalue()


def difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    return float(np.abs(a.astype(int) - b).mean())


def status_of(data: bytes, source: SourceRecipe = SOURCE) -> str:
    with pytest.raises(UndecodableImage) as refusal:
        decode_still(data, source)
    assert str(refusal.value)
    return refusal.value.fault.status


PHOTO = picture(160, 120) ^ np.random.default_rng(0).integers(0, 32, (120, 160, 3), dtype=np.uint8)
