"""Boxes that are cut out of images."""

import zipfile
from pathlib import Path

import pytest

from animate.codec import decode_still
from animate.data import Rejected, Sample
from animate.recipe import SourceRecipe
from animate.sources import SourceError
from tests.support.corpora import PHOTOGRAPH, put, statuses
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


def zipped_genome(folder: Path) -> Path:
    """Visual Genome with its image in the zip as it was downloaded."""
    write_genome(folder, PHOTOGRAPH)
    with zipfile.ZipFile(folder / "images2.zip", "w") as archive:
        archive.write(folder / "VG_100K_2/2.jpg", "VG_100K_2/2.jpg", zipfile.ZIP_DEFLATED)
    return folder / "images2.zip"


def test_images_are_read_from_their_zip_where_no_folder_has_them(tmp_path):
    zipped_genome(tmp_path / "vg")
    (tmp_path / "vg/VG_100K_2/2.jpg").unlink()
    assert [row.image for row in read_named(tmp_path, tmp_path / "vg", "vg")] == [PHOTOGRAPH]
    put(tmp_path / "vg/VG_100K/2.jpg", b"the folder's")
    assert [row.image for row in read_named(tmp_path, tmp_path / "vg", "vg")] == [b"the folder's"]


def test_a_damaged_zip_is_one_sentence_and_a_damaged_member_a_row(tmp_path):
    path = zipped_genome(tmp_path / "vg")
    (tmp_path / "vg/VG_100K_2/2.jpg").unlink()
    content = path.read_bytes()
    path.write_bytes(content[:1000] + b"\xff" * 2000 + content[3000:])
    assert statuses(read_named(tmp_path, tmp_path / "vg", "vg")) == ["missing_file"]
    path.write_bytes(content[:-100])
    with pytest.raises(SourceError, match=r"images2\.zip': not a readable zip"):
        read_named(tmp_path, tmp_path / "vg", "vg")
