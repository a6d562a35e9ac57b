"""Keys that can name a tar member, and samples by key."""

import io
from urllib.parse import unquote, unquote_to_bytes

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from animate import ustar
from animate.build import build_shards
from animate.executor import HERE
from animate.load import load_clips
from animate.recipe import read_recipe
from animate.shards.verify import verify
from animate.sources.keys import MAX_KEY_BYTES, in_sample, lost_text, safe_key
from animate.ustar import read_samples
from tests.support.corpora import PHOTOGRAPH, read, statuses, write_images


def tar_of(name: str) -> bytes:
    member = b"".join(ustar.member(name, b"content"))
    return member + ustar.end(len(member))


#: Anything that a name may be, bytes that are no text and halves of pairs too.
NAMES = st.one_of(
    st.text(max_size=120),
    st.binary(max_size=40).map(lambda name: name.decode("utf-8", "surrogateescape")),
    st.text(st.sampled_from("aé漢ก็. /%~_-"), max_size=60),
)


@given(NAMES)
def test_a_key_names_a_member_of_any_tar(text):
    key = safe_key(text)
    assert len(key.encode()) <= MAX_KEY_BYTES
    assert not set(key) & set('./\\ \0\n:*?"<>|')
    assert not key or next(read_samples(io.BytesIO(tar_of(f"{key}_0.jpg"))))[0] == f"{key}_0"


@given(NAMES)
def test_a_key_tells_its_text_or_the_text_is_kept(text):
    key = safe_key(text)
    lost = lost_text(key, text)
    assert lost is None or lost == text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if lost is None:
        assert unquote_to_bytes(key) == text.encode("utf-8", "surrogateescape")


@given(NAMES, NAMES)
def test_different_texts_have_different_keys(one, other):
    assert one == other or safe_key(one) != safe_key(other)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # webdataset leaves a file open
@pytest.mark.parametrize(
    "name",
    [
        "中国国家博物馆展出的青铜器收藏品之一",
        "Вид на Москву-реку и Кремль со стороны Большого Каменного моста",  # noqa: RUF001
        "ภาพถ่ายวัดพระแก้วในกรุงเทพมหานคร",
        "View of the Golden Gate Bridge from Battery Spencer, Marin County, California, 2014 (cropped)",
        "x" * 88,
    ],
)
def test_a_long_name_of_any_script_is_a_clip_that_every_reader_finds(tmp_path, name):
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    corpus.mkdir()
    (corpus / f"{name}.jpg").write_bytes(PHOTOGRAPH)
    (corpus / f"{name}.txt").write_text("a cat")
    settings = ["source.name=folder", f"source.path={corpus}", "video.format=virtual"]
    assert build_shards(read_recipe(None, settings), out, HERE).clips == 1
    assert verify(str(out)) == []
    [clip] = load_clips(out)
    assert unquote(clip["json"].get("original_key") or clip["json"]["source_key"]) == name
    [sample] = webdataset.WebDataset(str(out / "00000.tar"), shardshuffle=False)
    assert sample["__key__"] == clip["key"]
    assert clip["key"].startswith(safe_key(name[:5]))


def test_names_that_differ_behind_the_head_are_two_clips(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "x" * 90 + "a.jpg", "x" * 90 + "b.jpg")
    for end in "ab":
        (corpus / ("x" * 90 + f"{end}.txt")).write_text("ex")
    rows = read(corpus, tmp_path)
    assert statuses(rows) == ["ok", "ok"]
    assert [row.meta["original_key"] for row in rows] == ["x" * 90 + end for end in "ab"]


@given(key=st.text(max_size=20), shares=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)))
def test_a_larger_sample_holds_the_smaller_one(key, shares):
    small, large = sorted(shares)
    assert in_sample(key, large) or not in_sample(key, small)
    assert in_sample(key, 1.0)


def test_a_sample_is_about_as_large_as_asked():
    kept = sum(in_sample(f"{i:09d}", 0.25) for i in range(20_000))
    assert 4_600 < kept < 5_400
