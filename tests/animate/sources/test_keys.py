"""Keys that can name a tar member, and samples by key."""

import string
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from animate.sources.keys import in_sample, safe_key
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


@given(key=st.text(max_size=20), shares=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)))
def test_a_larger_sample_holds_the_smaller_one(key, shares):
    small, large = sorted(shares)
    assert in_sample(key, large) or not in_sample(key, small)
    assert in_sample(key, 1.0)


def test_a_sample_is_about_as_large_as_asked():
    kept = sum(in_sample(f"{i:09d}", 0.25) for i in range(20_000))
    assert 4_600 < kept < 5_400
