"""What decoding needs: bytes a pixel at the peak, in a process of its own, beyond what it had before."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from animate.codec import decode_still, still, strips
from animate.recipe import SourceRecipe
from tests.support.pictures import saved

SIDE = 4000
#: Prints the bytes a pixel of the highest resident set while the file is decoded. `getrusage` would give a
#: child the peak of its parent, so what the kernel notes for this process alone is read.
PROGRAM = """
import re, sys
from pathlib import Path
from animate.codec import decode_still
from animate.recipe import SourceRecipe

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

decode_still(Path(sys.argv[2]).read_bytes(), SourceRecipe())  # a small one: all libraries are loaded
data = Path(sys.argv[1]).read_bytes()
before = peak()
height, width, _ = decode_still(data, SourceRecipe()).shape
print((peak() - before) / (height * width))
"""


def large(mode: str) -> Image.Image:
    blocks = np.random.default_rng(0).integers(0, 256, (SIDE // 100, SIDE // 100, 4), np.uint8)
    pixels = np.kron(blocks, np.ones((100, 100, 1), np.uint8))
    return Image.fromarray(pixels).convert(mode) if mode != "CMYK" else Image.fromarray(pixels, "CMYK")


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = 6
    return exif


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGBA", "PNG", {}),
        ("RGBA", "PNG", {"exif": turned()}),
        ("LA", "PNG", {}),
        ("RGB", "BMP", {}),
        ("RGBA", "TIFF", {"compression": "tiff_lzw"}),
        ("CMYK", "JPEG", {}),
        ("RGB", "JPEG", {"exif": turned()}),
    ],
)
def test_the_peak_is_six_bytes_a_pixel(tmp_path, mode, kind, options):
    options = {"compress_level": 1, **options} if kind == "PNG" else options
    (tmp_path / "large").write_bytes(saved(large(mode), kind, **options))
    (tmp_path / "small").write_bytes(saved(large(mode).resize((100, 100)), kind, **options))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "large"), str(tmp_path / "small")]
    found = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert 3 < found < 6.5  # the strips, and what allocators keep, are within the half byte


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_strips_give_the_same_pixels(monkeypatch, mode, kind):
    grey = np.random.default_rng(0).integers(0, 65536, (90, 70), np.uint16)
    pixels = np.random.default_rng(1).integers(0, 256, (90, 70, 4), np.uint8)
    image = Image.fromarray(grey) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = saved(image, kind, icc_profile=profile)
    whole = decode_still(data, SourceRecipe())
    monkeypatch.setattr(strips, "PIXELS", 200)
    assert (decode_still(data, SourceRecipe()) == whole).all()
    if mode in ("LA", "RGBA"):
        with Image.open(io.BytesIO(data)) as opened:
            assert (still._rgb(opened.copy(), (255, 255, 255)) == whole).all()


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_strips_of_a_jpeg_give_the_same_pixels(monkeypatch, mode):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = srgb.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    pixels = np.random.default_rng(1).integers(0, 256, (90, 70, 4), np.uint8)
    image = Image.fromarray(pixels, "CMYK") if mode == "CMYK" else Image.fromarray(pixels).convert("RGB")
    data = saved(image, "JPEG", icc_profile=profile)
    whole = decode_still(data, SourceRecipe())
    monkeypatch.setattr(strips, "CONVERTED_PIXELS", 200)
    assert (decode_still(data, SourceRecipe()) == whole).all()
