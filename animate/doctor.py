"""What this installation can do: libraries, codecs, devices, and what follows from what is missing.

Only looks: it imports libraries to see whether they work, which is why it may import what `codec.py` alone
may otherwise. Those that take seconds are imported where that is asked for; else it says what is installed.
"""

import contextlib
import ctypes
import ctypes.util
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from animate.executor import available_cpus
from animate.recipe import BYTES_A_PIXEL, SourceRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's: `missing` breaks something that `means` names, `note` is worth knowing."""

    name: str
    state: Literal["ok", "note", "missing"]
    found: str
    means: str = ""


def examine(*, load: bool = False) -> list[Finding]:
    """Everything the doctor looks at, in order; with `load` what takes seconds to import is imported, too."""
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return [
        Finding(name="machine", state="ok", found=f"{machine}, {available_cpus()} CPUs to use"),
        _pillow(),
        *(_library(name, meaning, probe, load) for name, (meaning, probe) in LIBRARIES.items()),
        _torch() if load else _torch_unloaded(),
        _torchcodec(load),
        _ffmpeg(),
        _shared_memory(),
        _worker_memory(),
    ]


#: Bytes of a worker that has no large still in hand: libraries, the frames of a clip (185 MB were measured).
WORKER_BYTES = 250_000_000


#: Format that Pillow reads with a package of its own -> that package, and its module.
EXTRA_READERS = {"HEIC": ("pillow-heif", "pillow_heif"), "JPEG XL": ("pillow-jxl-plugin", "pillow_jxl")}


def _pillow() -> Finding:
    """Pillow or pillow-simd: both are the package PIL, and the one installed last is the one that runs."""
    try:
        from PIL import Image, features
    except ImportError as error:
        return Finding(
            name="PIL", state="missing", found=str(error), means="no image but plain JPEG can be read"
        )
    installed = {name: _version(name) for name in ("pillow", "pillow-simd")}
    active = pillow_flavour(Image.__version__, installed)
    supported = set(features.get_supported())
    supported |= {module for _, module in EXTRA_READERS.values() if importlib.util.find_spec(module)}
    codecs = {"jpg": "JPEG", "zlib": "PNG", "webp": "WebP", "libtiff": "TIFF", "avif": "AVIF"}
    codecs["jpg_2000"] = "JPEG 2000"
    without = [label for codec, label in codecs.items() if codec not in supported]
    codecs |= {module: label for label, (_, module) in EXTRA_READERS.items()}
    found = f"{active} {Image.__version__} is active; reads " + ", ".join(
        label for codec, label in codecs.items() if codec in supported
    )
    found += "".join(
        f"; {label} with {package}"
        for label, (package, module) in EXTRA_READERS.items()
        if module not in supported
    )
    if without:
        return Finding(
            name="PIL", state="note", found=found, means=f"{', '.join(without)} inputs are rejected"
        )
    return Finding(name="PIL", state="ok", found=found)


def pillow_flavour(running: str, installed: dict[str, str | None]) -> str:
    """Which of the two distributions is imported, by the release that runs and those that are installed."""
    if installed["pillow-simd"] is None:
        return "pillow"
    if installed["pillow"] is None:
        return "pillow-simd"
    return "pillow-simd" if running == installed["pillow-simd"] != installed["pillow"] else "pillow"


def _opencv(cv2: ModuleType) -> str:
    jpeg = [
        line.split(":", 1)[1].strip() for line in cv2.getBuildInformation().splitlines() if " JPEG:" in line
    ]
    return f"warps frames; JPEG by {jpeg[0] if jpeg else 'nothing'}"


def _pyav(av: ModuleType) -> str:
    if "libx264" not in av.codecs_available:
        raise ImportError("PyAV is there, but its FFmpeg has no libx264")
    libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"libx264 with libavcodec {libavcodec}"


def _simplejpeg(simplejpeg: ModuleType) -> str:
    import numpy as np

    encoded = simplejpeg.encode_jpeg(np.zeros((16, 16, 3), np.uint8), colorsubsampling="420")
    assert simplejpeg.decode_jpeg(encoded).shape == (16, 16, 3)
    return "libjpeg-turbo works"


def _plain(module: ModuleType) -> str:
    return "works"


#: Module -> (what is lost without it, what to say about it when it is there).
LIBRARIES: dict[str, tuple[str, Callable[[ModuleType], str]]] = {
    "cv2": ("no clip can be rendered on a CPU", _opencv),
    "simplejpeg": ("no JPEG can be read or written", _simplejpeg),
    "av": ("no mp4 can be written or read", _pyav),
    "pyarrow": ("no table can be read, no shard written", _plain),
    "ray": ("only --workers 0 works", _plain),
    "kornia": ("no rendering on a GPU", _plain),
    "webdataset": ("retrieval cannot read shards; any other reader can", _plain),
    "open_clip": ("retrieval has no encoders", _plain),
    "img2dataset": ("no list of addresses can be downloaded", _plain),
    "protego": ("robots.txt cannot be read, so nothing is downloaded", _plain),
}

#: Those of `LIBRARIES` that take seconds to import, by themselves or for the torch that they bring.
SLOW = frozenset({"ray", "kornia", "webdataset", "open_clip"})
#: Looks for updates of another package when it is imported.
_NEVER_LOADED = frozenset({"img2dataset"})

_DISTRIBUTIONS = {"cv2": "opencv-python-headless", "open_clip": "open_clip_torch"}


def _library(name: str, meaning: str, probe: Callable[[ModuleType], str], load: bool) -> Finding:
    try:
        if name in _NEVER_LOADED or (name in SLOW and not load):
            version = _version(_DISTRIBUTIONS.get(name, name))
            if version is None:
                raise ImportError(f"No module named {name!r}")
            return Finding(name=name, state="ok", found=f"{version}: installed")
        module = importlib.import_module(name)
        found = probe(module)
    except (ImportError, OSError, RuntimeError) as error:  # not installed, or its native part does not load
        return Finding(name=name, state="missing", found=_first_line(error), means=meaning)
    version = _version(_DISTRIBUTIONS.get(name, name)) or getattr(module, "__version__", "unknown release")
    return Finding(name=name, state="ok", found=f"{version}: {found}")


def _torch() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding(
            name="torch",
            state="missing",
            found=_first_line(error),
            means="no GPU rendering, and no retrieval",
        )
    if torch.cuda.is_available():
        devices = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        return Finding(name="torch", state="ok", found=f"{torch.__version__}: sees {devices}")
    return Finding(
        name="torch",
        state="note",
        found=f"{torch.__version__}: sees no GPU",
        means="clips are rendered on the CPU with OpenCV; training is slow",
    )


def _torch_unloaded() -> Finding:
    """What the files of torch and the driver of the GPU say."""
    release = _version("torch")
    if release is None:
        return Finding(
            name="torch",
            state="missing",
            found="No module named 'torch'",
            means="no GPU rendering, and no retrieval",
        )
    cuda, devices = torch_cuda(), gpu_names()
    built = f"for CUDA {cuda}" if cuda else "without CUDA"
    found = f"{release}: installed, {built}; the driver shows {', '.join(devices) or 'no GPU'}"
    if cuda and devices:
        return Finding(name="torch", state="ok", found=found)
    means = "clips are rendered on the CPU with OpenCV; training is slow"
    return Finding(name="torch", state="note", found=found, means=means)


def torch_cuda() -> str | None:
    """The release of CUDA that torch was built for, from its own files; None for a build without."""
    spec = importlib.machinery.PathFinder.find_spec("torch")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        with contextlib.suppress(OSError):
            text = (Path(folder) / "version.py").read_text(encoding="utf-8")
            found = re.search(r"^cuda\b[^=]*= *['\"]([\d.]+)['\"]", text, flags=re.MULTILINE)
            return found[1] if found else None
    return None


def gpu_names() -> list[str]:
    """The GPUs that NVIDIA's driver shows; none where there is no driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return []
    count, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    names = []
    for i in range(count.value):
        if not driver.cuDeviceGet(ctypes.byref(device), i):
            driver.cuDeviceGetName(name, len(name), device)
            names.append(name.value.decode(errors="replace"))
    return names


def _torchcodec(load: bool) -> Finding:
    means = "not needed: videos are decoded with PyAV"
    if _version("torchcodec") is None:
        return Finding(name="torchcodec", state="note", found="not installed", means=means)
    if not load:
        return Finding(name="torchcodec", state="ok", found=f"{_version('torchcodec')}: installed")
    try:
        importlib.import_module("torchcodec")
    except (ImportError, OSError, RuntimeError) as error:  # it needs the system's FFmpeg libraries
        return Finding(
            name="torchcodec", state="note", found=f"does not load: {_first_line(error)}", means=means
        )
    return Finding(name="torchcodec", state="ok", found=f"{_version('torchcodec')}: works")


def _ffmpeg() -> Finding:
    program, library = shutil.which("ffmpeg"), ctypes.util.find_library("avcodec")
    if program or library:
        found = ", ".join(filter(None, (program, library)))
        return Finding(name="FFmpeg", state="ok", found=f"of the system: {found}")
    means = "torchcodec cannot load; nothing here needs it, PyAV carries its own"
    return Finding(name="FFmpeg", state="note", found="none on the system", means=means)


def _shared_memory() -> Finding:
    """Ray keeps its object store in /dev/shm, which containers often make tiny."""
    from animate.cluster import OBJECT_STORE_BYTES

    if not sys.platform.startswith("linux"):
        return Finding(name="memory", state="ok", found="no /dev/shm needed")
    free = shutil.disk_usage("/dev/shm").free
    found = f"{free / 2**20:,.0f} MB free in /dev/shm"
    if free < OBJECT_STORE_BYTES:
        return Finding(name="memory", state="note", found=found, means="Ray falls back to files in /tmp")
    return Finding(name="memory", state="ok", found=found)


def _worker_memory() -> Finding:
    """A still of `max_pixels` is decoded in `BYTES_A_PIXEL`, and each worker may have one in hand."""
    pixels = SourceRecipe().max_pixels
    need, workers, memory = WORKER_BYTES + BYTES_A_PIXEL * pixels, available_cpus(), memory_bytes()
    found = (
        f"a worker may need {need / 1e9:.1f} GB, for a still of source.max_pixels = {pixels:,}; "
        f"{workers} of them {workers * need / 1e9:.1f} GB; "
        + (f"the machine has {memory / 1e9:.1f} GB" if memory else "what the machine has is not known")
    )
    if memory and workers * need > memory:
        means = f"stills so large at once end a build: --workers {max(1, memory // need)}, or less max_pixels"
        return Finding(name="workers", state="note", found=found, means=means)
    return Finding(name="workers", state="ok", found=found)


def memory_bytes() -> int | None:
    """The memory that this process may use: the machine's, or its container's if that is less."""
    known = set[int]()
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not on Windows
        known.add(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        known.add(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(known, default=None)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
