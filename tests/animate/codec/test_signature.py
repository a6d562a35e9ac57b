"""What the first bytes tell, and what is said of images that are not read here."""

import importlib
import struct
import sys
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, features

from animate.codec import UndecodableImage, decode_still, image_format, still_size
from animate.codec.reader import PLUGINS
from tests.support.pictures import SOURCE, picture, saved, status_of
from tests.support.tiffs import tiff

WRITTEN = (
    "JPEG",
    "PNG",
    "GIF",
    "WEBP",
    "TIFF",
    "BMP",
    "JPEG2000",
    "PPM",
    "TGA",
    "PCX",
    "SGI",
    "DDS",
    "QOI",
    "XBM",
)


def stored(kind: str) -> bytes:
    image = Image.fromarray(picture())
    return saved(image.convert("1") if kind in ("XBM", "MSP") else image, kind)


@pytest.mark.parametrize("kind", WRITTEN)
def test_64_bytes_tell_the_format(kind):
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    whole = stored(kind)
    assert image_format(whole) == kind == image_format(whole[:64])
    assert decode_still(whole, SOURCE).shape == picture().shape


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40)
BEGINNINGS = {
    "HEIC": [HEIC, b"\0\0\0\x18ftypmif1\0\0\0\0mif1heix"],
    "AVIF": [b"\0\0\0\x1cftypavif\0\0\0\0mif1miafavif", b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavif"],
    "JPEG XL": [b"\xff\x0a\xfa\x3f", b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl "],
    "JPEG2000": [b"\xff\x4f\xff\x51\0\x2f"],
    "SVG": [
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9'>",
        b'<?xml version="1.0" standalone="no"?>\n<!-- a <g> -->\n<!DOCTYPE svg PUBLIC "x" "y">\n<svg>',
    ],
    "EPS": [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6\x1e\0\0\0"],
    "ICO": [b"\0\0\1\0\1\0\x20\x20\0\0\1\0\x20\0"],
    "CUR": [b"\0\0\2\0\1\0\x20\x20\0\0\1\0\x20\0"],
    "FITS": [b"SIMPLE  =                    T"],
    "camera raw": [
        b"II*\0\x10\0\0\0CR\2\0",
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
    ],
    "PSD": [b"8BPS\0\1\0\0\0\0\0\0\0\3"],
    "OpenEXR": [b"\x76\x2f\x31\x01\2\0\0\0"],
    "Radiance HDR": [b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n"],
    "PFM": [b"PF\n64 48\n-1.0\n"],
    "PPM": [b"P6\n# Created by a program that has a long name\n64 48\n255\n", b"P4 64 48 "],
    "PAM": [b"P7\nWIDTH 64\n"],
    "WMF": [b"\xd7\xcd\xc6\x9a\0\0"],
    "EMF": [b"\1\0\0\0" + bytes(36) + b" EMF"],
}


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_beginnings_of_what_is_not_written_here(kind):
    for beginning in BEGINNINGS[kind]:
        assert image_format(beginning) == kind


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"P1 is the first of the players",
        b"BM, the initials of a text",
        b"P5 5 a side",
        b"a caption\n",
        b"\nA line, and a caption.",
        b"<html><body><svg></body></html>",
        b"<?xml version='1.0'?><kml/>",
        b"%PDF-1.7\n",
        b'{"url": "x"}',
        b"PAR1",
        b"PK\3\4\x14\0\0\0\x08\0",
        b"\x1f\x8b\x08\0\0\0\0\0\0\3",
        b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        b"\x1aE\xdf\xa3",
        b"\x93NUMPY\1\0",
        b"ID3\4\0",
        bytes(512),
        "\N{GOTHIC LETTER AHSA}".encode() * 8,
    ],
)
def test_other_files_are_no_images(data):
    assert image_format(data) is None


@given(st.text(max_size=80))
def test_words_are_no_image(text):
    assert image_format(("The " + text).encode(errors="replace")) is None


def refusal(data: bytes) -> str:
    assert status_of(data) == "unsupported_format"
    with pytest.raises(UndecodableImage) as raised:
        still_size(data)
    assert raised.value.fault.status == "unsupported_format"
    return str(raised.value)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("SVG", "a drawing, not pixels"),
        ("EPS", "a program"),
        ("ICO", "icons"),
        ("FITS", "white"),
        ("camera raw", "rawpy"),
        ("OpenEXR", "white"),
    ],
)
def test_what_is_recognised_but_not_read_says_what_it_is(kind, words):
    for beginning in BEGINNINGS[kind]:
        assert refusal(beginning).startswith(f"{kind}: ") and words in refusal(beginning)


@pytest.mark.parametrize("kind", ["HEIC", "JPEG XL"])
def test_what_a_package_would_read_names_the_package(monkeypatch, kind):
    monkeypatch.setitem(sys.modules, PLUGINS[kind].module, None)  # so that importing it fails
    assert refusal(BEGINNINGS[kind][0]) == f"{kind}: install {PLUGINS[kind].package}"


@pytest.mark.parametrize("kind", ["AVIF", "JPEG2000", "WEBP"])
def test_what_this_pillow_was_built_without_is_not_supported(monkeypatch, kind):
    monkeypatch.setattr(features, "check", lambda name: False)
    monkeypatch.setitem(sys.modules, "pillow_avif", None)
    data = BEGINNINGS[kind][0] if kind in BEGINNINGS else stored(kind)
    assert refusal(data).startswith(f"{kind}: ")


def photoshop() -> bytes:
    planes = picture().transpose(2, 0, 1).tobytes()
    return b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, 64, 96, 8, 3) + bytes(12) + bytes(2) + planes


def sun_raster() -> bytes:
    bgr = picture()[..., ::-1].tobytes()
    return struct.pack(">8I", 0x59A66A95, 96, 64, 24, len(bgr), 1, 0, 0) + bgr


@pytest.mark.parametrize(("kind", "data"), [("PSD", photoshop()), ("SUN", sun_raster())])
def test_formats_that_pillow_only_reads(kind, data):
    assert image_format(data[:64]) == kind
    assert np.array_equal(decode_still(data, SOURCE), picture())
    assert status_of(data[:5000]) in ("truncated", "undecodable")


class TurnedReader(ImageFile.ImageFile):
    """Stands for the reader of a plugin: a red picture, upright already, whose EXIF says how it was."""

    format = "HEIF"

    def _open(self) -> None:
        self._size, self._mode = (40, 30), "RGB"
        exif = Image.Exif()
        exif[0x0112] = 6
        self.info["exif"] = exif.tobytes()

    def load(self):
        self.im = Image.new("RGB", (40, 30), (255, 0, 0)).im
        return Image.Image.load(self)


@pytest.mark.parametrize("kind", ["HEIC", "JPEG XL"])
def test_a_plugin_that_is_installed_is_used_and_turns_the_picture_itself(monkeypatch, kind):
    plugin = PLUGINS[kind]
    Image.init()
    readers = dict(Image.OPEN)
    monkeypatch.setattr(Image, "OPEN", readers)
    module = types.ModuleType(plugin.module)

    def register() -> None:
        readers[plugin.reader] = (TurnedReader, None)

    if plugin.register:
        monkeypatch.setattr(module, plugin.register, register, raising=False)
    else:
        register()
    monkeypatch.setitem(sys.modules, plugin.module, module)
    data = BEGINNINGS[kind][0]
    assert still_size(data) == (40, 30)
    assert (decode_still(data, SOURCE) == (255, 0, 0)).all() and decode_still(data, SOURCE).shape == (
        30,
        40,
        3,
    )


@pytest.mark.parametrize("kind", PLUGINS)
def test_the_plugins_that_are_here_are_what_is_said_of_them(kind):
    plugin = PLUGINS[kind]
    try:
        module = importlib.import_module(plugin.module)
    except ImportError:
        pytest.skip(f"{plugin.package} is not installed")
    if plugin.register:
        getattr(module, plugin.register)()
    assert plugin.reader in Image.OPEN


@pytest.mark.parametrize(
    "more",
    [
        {50706: ("B", [1, 4, 0, 0])},  # DNG
        {262: ("H", [32803])},  # behind a colour filter
        {262: ("H", [34892])},
        {254: ("I", [1]), 330: ("I", [8])},  # NEF, ARW: a thumbnail, and the picture elsewhere
    ],
)
def test_a_camera_raw_that_begins_as_a_tiff_is_no_picture_of_its_thumbnail(more):
    data = tiff(bytes(range(256)) * 12, 64, 48, 8, more=more)
    assert image_format(data) == "TIFF"
    assert refusal(data).startswith("camera raw: ")


def test_arrangements_of_tiff_that_are_not_read_are_named():
    assert refusal(tiff(bytes(9000), 64, 48, 24)).startswith("TIFF with samples of 24 bits")
    assert refusal(tiff(bytes(9000), 64, 48, 8, more={259: ("H", [34712])})).startswith(
        "TIFF with compression 34712"
    )


def test_a_picture_that_is_not_as_large_as_its_header_says_is_refused(monkeypatch):
    class Liar(TurnedReader):
        def load(self):
            super().load()
            self.im = Image.new("RGB", (64, 64)).im
            self._size = (64, 64)
            return Image.Image.load(self)

    Image.init()
    monkeypatch.setattr(Image, "OPEN", {**Image.OPEN, "QOI": (Liar, None)})
    assert (
        status_of(saved(np.zeros((30, 40, 3), np.uint8), "QOI") if "QOI" in Image.SAVE else b"qoif")
        == "undecodable"
    )
