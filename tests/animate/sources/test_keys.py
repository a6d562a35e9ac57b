"""Keys that can name a tar member."""

import string
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from animate.sources import safe_key
from tests.support.corpora import read, statuses, write_images


@given(st.text(max_size=30))
def test_a_safe_key_names_a_tar_member_and_gives_the_text_back(text):
    key = safe_key(text.encode("utf-8", "replace").decode())
    assert set(key) <= set(string.ascii_letters + string.digits + "_-~%")
    assert unquote_to_bytes(key) == text.encode("utf-8", "replace")


def test_a_key_too_long_for_a_tar_is_refused(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "x" * 87 + ".jpg", "x" * 88 + ".jpg")
    for name in ("x" * 87, "x" * 88):
        (corpus / f"{name}.txt").write_text("ex")
    assert statuses(read(corpus, tmp_path)) == ["ok", "bad_key"]
