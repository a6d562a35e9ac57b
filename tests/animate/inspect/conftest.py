"""Shard sets to look at: of the demo in every format, and of a folder with images that give no clip."""

from collections.abc import Callable
from pathlib import Path

import pytest

from animate.build import build_shards
from animate.executor import HERE
from animate.inspect.catalogue import Catalogue, read_catalogue
from animate.inspect.opened import open_set
from animate.recipe import read_recipe
from tests.support.corpora import DEMO, put
from tests.support.shard_sets import build_set

#: Captions that would do something if they were taken for markup, for script or for a line of one.
HOSTILE = (
    '<img src=x onerror="window.harmed = 1">',
    "</script><script>window.harmed = 1</script>",
    "a line\u2028window.harmed = 1\u2029b",
    "\u202eright to left\u202c שלום עולם",
    ("long " * 2000).strip(),
    "'\"`;${window.harmed = 1}//--></title>&lt;b&gt;",
)


@pytest.fixture(scope="session")
def demo_set(tmp_path_factory) -> Callable[[str], Path]:
    """Format -> a set of twelve clips of the demo, two takes of each still; made once."""
    made: dict[str, Path] = {}

    def of(format: str) -> Path:
        if format not in made:
            made[format] = build_set(tmp_path_factory.mktemp("sets") / format, format)
        return made[format]

    return of


@pytest.fixture(scope="session")
def hostile_set(tmp_path_factory) -> tuple[Path, Path]:
    """A folder of photographs whose names and captions are hostile, with some that give no clip, and the set
    that was filmed from it."""
    root = tmp_path_factory.mktemp("hostile")
    corpus = root / "corpus"
    photograph = (DEMO / "cat.jpg").read_bytes()
    for i, caption in enumerate(HOSTILE):
        put(corpus / f"<img src=x onerror=alert({i})>.jpg", photograph)
        put(corpus / f"<img src=x onerror=alert({i})>.txt", caption)
    put(corpus / "bare.jpg", photograph)
    put(corpus / "empty.jpg", b"")
    put(corpus / "empty.txt", HOSTILE[0])
    put(corpus / "half.jpg", photograph[:5000])
    put(corpus / "half.txt", "half a cat")
    put(corpus / "narrow.jpg", _picture(64, 512))
    put(corpus / "narrow.txt", HOSTILE[1])
    settings = ["source.name=folder", f"source.path={corpus}", "video.size=[80, 64]", "video.num_frames=5"]
    build_shards(read_recipe(None, [*settings, "source.clean_captions=false"]), root / "set", workforce=HERE)
    return root / "set", corpus


@pytest.fixture(scope="session")
def catalogue_of() -> Callable[[Path], Catalogue]:
    return lambda path: read_catalogue(open_set(str(path)))


def _picture(width: int, height: int) -> bytes:
    import numpy as np

    from animate.codec import encode_png

    return encode_png(np.full((height, width, 3), (200, 120, 40), np.uint8))
