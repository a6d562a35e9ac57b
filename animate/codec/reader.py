"""Which of Pillow's readers reads a format, where it comes from, and why some formats have none here."""

import importlib
from dataclasses import dataclass

from PIL import Image, features

from animate.codec.errors import UndecodableImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A package that gives Pillow `reader`, when `module` is imported and `register` in it called."""

    package: str
    module: str
    reader: str
    register: str | None = None


#: Format -> what to install for it. AVIF is Pillow's own since 11.3, but not in every build.
PLUGINS = {
    "HEIC": Plugin(
        package="pillow-heif", module="pillow_heif", reader="HEIF", register="register_heif_opener"
    ),
    "JPEG XL": Plugin(package="pillow-jxl-plugin", module="pillow_jxl", reader="JXL"),
    "AVIF": Plugin(package="pillow-avif-plugin", module="pillow_avif", reader="AVIF"),
}
#: Format -> the feature of Pillow without which it cannot read it.
_FEATURES = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
#: Readers that turn the picture themselves: these formats say in words of their own how, and what their EXIF
#: says of it is only information (pillow-heif's documentation quotes the HEIF standard).
TURNED_BY_READER = ("HEIF", "JXL")

_DRAWING = "a drawing, not pixels"
_ICON = "icons are not read; save the picture as PNG"
_RARE = "nothing here reads it; save the picture as PNG"
_NO_WHITE = "measured light, whose white is not stated; save the picture as PNG"
#: Format that is recognised, but not read -> why.
_NOT_READ = {
    "SVG": _DRAWING,
    "WMF": _DRAWING,
    "EMF": _DRAWING,
    "EPS": "a program that draws, which is not run",
    # The pictures inside state sizes of their own, which Pillow learns when it decodes them.
    "ICO": _ICON,
    "CUR": _ICON,
    "ICNS": _ICON,
    "camera raw": "develop it first, with rawpy for instance",
    "FITS": _NO_WHITE,
    "OpenEXR": _NO_WHITE,
    "Radiance HDR": _NO_WHITE,
    "PFM": _NO_WHITE,
    **dict.fromkeys(
        ("JPEG-LS", "JPEG XR", "PSB", "BLP", "DCX", "XCF", "DjVu", "BPG", "FLIF", "MNG", "JNG", "JBIG2",
         "DPX", "farbfeld", "KTX", "PAM", "ILBM", "GBR"), _RARE
    ),
}  # fmt: skip


def reader_of(format: str) -> str:
    """Pillow's name for its reader of `format`, loaded; `UndecodableImage` if it has none, which says why."""
    if format in _NOT_READ:
        raise UndecodableImage("unsupported_format", f"{format}: {_NOT_READ[format]}")
    plugin, feature = PLUGINS.get(format), _FEATURES.get(format)
    if feature and features.check(feature):
        return format
    if plugin:
        if not _load(plugin):
            raise UndecodableImage("unsupported_format", f"{format}: install {plugin.package}")
        return plugin.reader
    if feature:
        raise UndecodableImage(
            "unsupported_format", f"{format}: this Pillow was built without it; install pillow from PyPI"
        )
    return format


def _load(plugin: Plugin) -> bool:
    """Whether Pillow has the reader of `plugin`, after loading it where it is installed."""
    try:
        module = importlib.import_module(plugin.module)
    except ImportError:
        return False
    if plugin.register and plugin.reader not in Image.OPEN:
        getattr(module, plugin.register)()
    return True
