"""Named corpora at a path, for tests of how each is read."""

from pathlib import Path

from animate.data import Rejected, Sample
from animate.recipe import SourceRecipe
from animate.sources import open_source
from animate.sources.listing import Row
from animate.sources.urls import TextPair, Urls
from tests.support.corpora import put, read_rows


def read_named(tmp_path: Path, corpus: Path, name: str, **options) -> list[Sample | Rejected]:
    """Every row of corpus `name` at `corpus`."""
    return read_rows(SourceRecipe(name=name, path=str(corpus), **options), tmp_path, 2)


def listed_named(corpus: Path, name: str) -> list[Row]:
    """The rows of the list `name` at `corpus`; nothing is downloaded."""
    source = open_source(SourceRecipe(name=name, path=str(corpus)))
    assert isinstance(source, Urls | TextPair)
    return list(source.rows())


def write_genome(folder: Path, image: bytes) -> None:
    """Visual Genome with one image and two of its regions."""
    regions = [
        {"region_id": 1, "image_id": 2, "x": 10, "y": 20, "width": 30, "height": 40, "phrase": "an eye"},
        {"region_id": 3, "image_id": 2, "x": 0, "y": 0, "width": 400, "height": 300, "phrase": "a cat."},
    ]
    put(folder / "region_descriptions.json", [{"id": 2, "regions": regions}])
    put(folder / "image_data.json", [{"image_id": 2, "url": "http://vg/2.jpg", "width": 451, "height": 300}])
    put(folder / "VG_100K_2/2.jpg", image)
