"""Every mode of pixels in every format that Pillow writes it in, held against Pillow's own conversion."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from animate.codec import decode_still, image_format, still_size
from animate.codec.color import lab_to_srgb
from tests.support.pictures import SOURCE, difference, picture, saved, status_of

FORMATS = (
    "JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "PPM", "AVIF", "TGA", "PCX", "SGI", "DDS", "QOI",
    "XBM", "MSP",
)  # fmt: skip
LOSSY = ("JPEG", "WEBP", "AVIF", "JPEG2000")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B", "I", "F", "LAB")


def image_of(mode: str) -> Image.Image:
    colors = Image.fromarray(picture())
    alpha = Image.fromarray(np.linspace(0, 255, 96).astype(np.uint8)[None, :].repeat(64, axis=0))
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.applyTransform(colors, ImageCms.buildTransform(srgb, lab, "RGB", "LAB"))
        assert converted is not None
        return converted
    if mode.startswith("I"):
        order = {"I;16": "<u2", "I;16B": ">u2", "I": "i4"}[mode]
        wide = picture()[..., 0].astype(order) * 256 + 9
        size = (96, 64)
        return Image.frombytes(mode, size, wide.astype(order).tobytes())
    if mode == "PA":
        palette = colors.quantize(32).convert("PA")
        palette.putalpha(alpha)
        return palette
    if mode in ("LA", "RGBA"):
        image = colors.convert(mode)
        image.putalpha(alpha)
        return image
    return colors.quantize(64) if mode == "P" else colors.convert(mode)


def expected_of(image: Image.Image) -> np.ndarray:
    """What Pillow's own conversion says, over white; wide samples keep their high byte."""
    if image.mode.startswith("I"):
        high = (np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)
        return np.repeat(high[..., None], 3, axis=2)
    if image.mode == "LAB":
        return np.asarray(lab_to_srgb(image))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        under = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return np.asarray(Image.alpha_composite(under, image.convert("RGBA")).convert("RGB"))
    return np.asarray(image.convert("RGB"))


def written(mode: str, kind: str) -> bytes | None:
    options = {"quality": 100} if kind in ("WEBP", "AVIF", "JPEG") else {}
    try:
        stored = saved(image_of(mode), kind, **options)
        with Image.open(io.BytesIO(stored)) as image:
            image.load()  # Pillow before 11.1 writes some TIFFs that it does not read
        return stored
    except (OSError, ValueError, KeyError, SystemError):
        return None  # this format cannot hold the mode


@pytest.mark.parametrize("kind", FORMATS)
def test_every_mode_comes_out_as_pillow_converts_it(kind):
    Image.init()
    if kind not in Image.SAVE or (kind == "AVIF" and not features.check("avif")):
        pytest.skip(f"this Pillow does not write {kind}")
    held = {mode: stored for mode in MODES if (stored := written(mode, kind)) is not None}
    assert held
    for mode, stored in held.items():
        assert image_format(stored) == ("PFM" if (kind, mode) == ("PPM", "F") else kind)
        with Image.open(io.BytesIO(stored)) as image:
            image.load()  # a writer may have made another mode of it
        if image.mode == "F" or (image.mode == "I" and kind == "TIFF"):
            assert status_of(stored) == "unsupported_format"
            continue
        still = decode_still(stored, SOURCE)
        assert still_size(stored) == still.shape[1::-1]
        assert difference(still, expected_of(image)) < (2 if kind == "JPEG" else 0.01), mode
        if image.mode == mode and kind != "GIF":
            assert difference(still, expected_of(image_of(mode))) < (3 if kind in LOSSY else 0.01), mode


def test_lab_is_the_colour_that_was_meant():
    assert difference(decode_still(saved(image_of("LAB"), "TIFF"), SOURCE), picture()) < 2
