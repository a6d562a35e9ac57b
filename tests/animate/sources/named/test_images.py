"""Boxes that are cut out of images."""

import pytest

from animate.codec import decode_still
from animate.data import Rejected, Sample
from animate.recipe import SourceRecipe
from tests.support.corpora import PHOTOGRAPH, put
from tests.support.named import read_named, write_genome


def test_visual_genome_regions_are_cut_out(tmp_path):
    write_genome(tmp_path / "vg", PHOTOGRAPH)
    rows = read_named(tmp_path, tmp_path / "vg", "vg-regions")
    assert [(row.key, row.captions) for row in rows] == [("2-1", ("an eye",)), ("2-3", ("a cat.",))]
    shapes = [decode_still(row.image, SourceRecipe()).shape for row in rows if isinstance(row, Sample)]
    assert shapes == [(160, 160, 3), (300, 400, 3)]


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((451, 10, 30, 40), None),
        ((10, -60, 30, 40), None),
        ((10, 10, 0, 40), None),
        ((10, 10, 40, -3), None),
        ((-40, -50, 240, 250), (200, 200, 3)),
        ((441, 290, 300, 300), (160, 160, 3)),
        ((-9, -9, 900, 900), (300, 451, 3)),
    ],
)
def test_a_box_that_shows_nothing_of_its_image_is_a_row(tmp_path, box, shape):
    write_genome(tmp_path / "vg", PHOTOGRAPH)
    region = dict(zip(("x", "y", "width", "height"), box, strict=True))
    regions = [{"region_id": 1, "phrase": "an eye", **region}]
    put(tmp_path / "vg/region_descriptions.json", [{"id": 2, "regions": regions}])
    (row,) = read_named(tmp_path, tmp_path / "vg", "vg-regions")
    if shape is None:
        assert isinstance(row, Rejected) and row.fault.status == "bad_row"
        assert "451 x 300" in row.fault.message
    else:
        assert isinstance(row, Sample) and decode_still(row.image, SourceRecipe()).shape == shape
