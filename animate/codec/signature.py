"""Which image format data is in, by its first bytes, whatever its file is called."""

import re
from collections.abc import Callable

#: First bytes -> format, by Pillow's name for it where it has one. Longer ones stand before shorter ones.
_BEGINNINGS = (
    (b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0\x10\0\0\0CR\2", "camera raw"),  # Canon's CR2; NEF, DNG and others begin as any TIFF does
    (b"IIRO", "camera raw"),
    (b"IIRS", "camera raw"),
    (b"MMOR", "camera raw"),
    (b"IIU\0", "camera raw"),
    (b"FUJIFILMCCD-RAW", "camera raw"),
    (b"FOVb", "camera raw"),
    (b"\0MRM", "camera raw"),
    (b"II\x1a\0\0\0HEAPCCDR", "camera raw"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"II\xbc\1", "JPEG XR"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"8BPS\0\1", "PSD"),
    (b"8BPS\0\2", "PSB"),
    (b"DDS \x7c\0\0\0", "DDS"),
    (b"qoif", "QOI"),
    (b"\x59\xa6\x6a\x95", "SUN"),
    (b"DanM", "MSP"),
    (b"LinS", "MSP"),
    (b"/* XPM */", "XPM"),
    (b"icns", "ICNS"),
    (b"BLP1", "BLP"),
    (b"BLP2", "BLP"),
    (b"\xb1\x68\xde\x3a", "DCX"),
    (b"SIMPLE  =", "FITS"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"gimp xcf ", "XCF"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"#?RGBE", "Radiance HDR"),
    (b"AT&TFORM", "DjVu"),
    (b"BPG\xfb", "BPG"),
    (b"FLIF", "FLIF"),
    (b"\x8aMNG\r\n\x1a\n", "MNG"),
    (b"\x8bJNG\r\n\x1a\n", "JNG"),
    (b"\x97JB2\r\n\x1a\n", "JBIG2"),
    (b"SDPX", "DPX"),
    (b"XPDS", "DPX"),
    (b"farbfeld", "farbfeld"),
    (b"\xabKTX ", "KTX"),
    (b"P7\n", "PAM"),
)
#: Brands in the first box of a file of boxes -> format. One of AVIF may call itself HEIF as well.
_BRANDS = (
    ((b"avif", b"avis"), "AVIF"),
    ((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    ((b"crx ",), "camera raw"),
)
#: A BMP has one of these sizes in its second header.
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
#: "P6 640 480", with comments (which may be longer than what is looked at) after the P6.
_NETPBM = re.compile(rb"P([1-6fF])\s(?:\s*#[^\n]*\n)*\s*(?:\d+\s+\d+\s|#[^\n]*\Z)")
_XBM = re.compile(rb"\s*(?:/\*[^*]*\*/\s*)?#define\s+\w*width\s+\d+\s")
#: XML whose first element is a drawing, behind a declaration, comments and a document type.
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE\s+svg[^>]*>\s*)*<svg[\s>]", re.S
)
_PCX = re.compile(rb"\n[\x00\x02-\x05]\x01[\x01\x02\x04\x08]")
_SGI = re.compile(rb"\x01\xda[\x00\x01][\x01\x02]")


def image_format(data: bytes) -> str | None:
    """The image format that `data` begins like, None if it is no image: `"PNG"`, `"HEIC"`, `"camera raw"`.

    The first 64 bytes are enough, but for SVG, whose first element may come late: what is found of it depends
    on how much is given, of which no more than 4,096 bytes are looked at.
    """
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data[4:8] == b"ftyp":
        brands = data[8 : int.from_bytes(data[:4], "big")][:56]
        return next((name for known, name in _BRANDS if any(brand in brands for brand in known)), None)
    return next((name for name, holds in _RULES if holds(data)), None)


def _is_icon(kind: int) -> Callable[[bytes], bool]:
    return lambda data: data[:4] == bytes((0, 0, kind, 0)) and data[4:6] != b"\0\0" and data[9:10] == b"\0"


def _is_targa(data: bytes) -> bool:
    """Targa has no beginning of its own: every field of its 18 bytes must make sense.

    They are: length of a text, whether there is a palette, the kind; first, number (2 bytes each) and bits of
    its colours; left, top, width, height (2 bytes each); bits of a pixel, and flags.
    """
    if len(data) < 18:
        return False
    has_palette, kind, bits = data[1], data[2], data[16]
    width, height = int.from_bytes(data[12:14], "little"), int.from_bytes(data[14:16], "little")
    palette_length = int.from_bytes(data[5:7], "little")
    if has_palette:
        sane = kind in (1, 9) and bits == 8 and 0 < palette_length <= 256 and data[7] in (15, 16, 24, 32)
    else:
        sane = data[3:8] == bytes(5) and (
            (kind in (2, 10) and bits in (16, 24, 32)) or (kind in (3, 11) and bits in (1, 8, 16))
        )
    return has_palette <= 1 and sane and width > 0 and height > 0 and not data[17] & 0xC0


#: What no fixed beginning tells, from the sure to the less sure.
_RULES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("WEBP", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP"),
    ("BMP", lambda data: data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES),
    ("PFM", lambda data: data[1:2] in (b"f", b"F") and _NETPBM.match(data[:128]) is not None),
    ("PPM", lambda data: _NETPBM.match(data[:128]) is not None),
    ("EMF", lambda data: data[:4] == b"\1\0\0\0" and data[40:44] == b" EMF"),
    ("ILBM", lambda data: data[:4] == b"FORM" and data[8:12] in (b"ILBM", b"PBM ")),
    ("GBR", lambda data: data[20:24] == b"GIMP"),
    ("FLI", lambda data: data[4:6] in (b"\x11\xaf", b"\x12\xaf") and data[12:14] == b"\x08\0"),
    ("SGI", lambda data: _SGI.match(data) is not None),
    ("PCX", lambda data: _PCX.match(data) is not None),
    ("ICO", _is_icon(1)),
    ("CUR", _is_icon(2)),
    ("TGA", _is_targa),
    ("XBM", lambda data: _XBM.match(data[:128]) is not None),
    ("SVG", lambda data: _SVG.match(data[:4096]) is not None),
)
