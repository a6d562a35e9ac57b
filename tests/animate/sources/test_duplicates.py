"""Images that come twice."""

import pytest

from animate.codec import decode_jpeg, encode_jpeg
from animate.recipe import FilterRecipe
from tests.support.corpora import DEMO, PHOTOGRAPH, read, statuses, write_members


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_the_same_image_twice_is_refused_by_bytes_or_by_look(tmp_path, form):
    cat, dog = PHOTOGRAPH, (DEMO / "rocket.jpg").read_bytes()
    images = {"a": cat, "b": dog, "c": cat, "d": encode_jpeg(decode_jpeg(cat), 60)}
    if form == "tar":
        members = []
        for key, image in images.items():
            members += [(f"{key}.jpg", image), (f"{key}.txt", b"words")]
        corpus = write_members(tmp_path / "t.tar", members)
    else:
        corpus = tmp_path / "corpus"
        corpus.mkdir()
        for key, image in images.items():
            (corpus / f"{key}.jpg").write_bytes(image)
            (corpus / f"{key}.txt").write_text("words")
    again = "duplicate_image"
    assert statuses(read(corpus, tmp_path, filters=FilterRecipe(duplicates="sha256"))) == [
        "ok",
        "ok",
        again,
        "ok",
    ]
    assert statuses(read(corpus, tmp_path, filters=FilterRecipe(duplicates="perceptual"))) == [
        "ok", "ok", again, again
    ]  # fmt: skip
