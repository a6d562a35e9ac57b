"""Boxes that are cut out of images."""

from animate.codec import decode_still
from animate.data import Sample
from animate.recipe import SourceRecipe
from tests.support.corpora import PHOTOGRAPH
from tests.support.named import read_named, write_genome


def test_visual_genome_regions_are_cut_out(tmp_path):
    write_genome(tmp_path / "vg", PHOTOGRAPH)
    rows = read_named(tmp_path, tmp_path / "vg", "vg-regions")
    assert [(row.key, row.captions) for row in rows] == [("2-1", ("an eye",)), ("2-3", ("a cat.",))]
    shapes = [decode_still(row.image, SourceRecipe()).shape for row in rows if isinstance(row, Sample)]
    assert shapes == [(160, 160, 3), (300, 400, 3)]
