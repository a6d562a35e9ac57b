"""Pillow and the libraries below it without the limits and the messages that are theirs and not ours."""

import contextlib
import ctypes
import functools
import logging
import warnings
from collections.abc import Iterator

from PIL import Image


@contextlib.contextmanager
def pillow_as_we_use_it() -> Iterator[None]:
    """Pillow without its own pixel limit, because the recipe's is checked, and without its warnings.

    It warns of odd metadata and of how a palette is stored, which do not change the pixels.
    """
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@functools.cache
def silence_libtiff() -> None:
    """Warnings and errors of libtiff, which it would print to the terminal, go nowhere from here on.

    What matters of them is in what Pillow raises. libtiff has one handler for the whole process, so it is
    taken away once and for all: to do so around each picture, or to send the process' error stream elsewhere
    meanwhile, would swallow what other threads print. The library is the one that Pillow carries or is linked
    with; where it is linked statically (Windows) its functions cannot be found, and it goes on printing.
    """
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # without any, errors would be printed
    try:
        library = ctypes.CDLL(Image.core.__file__)
        for name in ("TIFFSetWarningHandler", "TIFFSetErrorHandler"):
            function = getattr(library, name)
            function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_void_p
            function(None)
    except (AttributeError, OSError, TypeError):
        return
