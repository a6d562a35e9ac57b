"""Arrays kept on disk: whole or not at all, and under a key of all that they were made from."""

import shutil

import numpy as np
import pytest

from retrieval.cache import Cache, content_hash, key_of

ARRAYS = {"frames": np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2), "seconds": np.array([0.5, 1.5])}


def test_what_is_put_is_what_is_got(tmp_path):
    cache = Cache(folder=tmp_path / "new")
    assert cache.get("abc") is None
    cache.put("abc", ARRAYS)
    kept = cache.get("abc")
    assert kept is not None
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(kept[name], array)
        assert kept[name].dtype == array.dtype
    assert [path.name for path in (tmp_path / "new").rglob("*") if path.is_file()] == ["abc.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_damaged_entry_is_as_good_as_none(tmp_path, damage):
    cache = Cache(folder=tmp_path)
    cache.put("abc", ARRAYS)
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-1]
    elif damage == "flipped":
        content[-1] ^= 1
    else:
        content.clear()
    path.write_bytes(content)
    assert cache.get("abc") is None
    cache.put("abc", ARRAYS)
    assert cache.get("abc") is not None


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(Exception, match="dtype"):
        Cache(folder=tmp_path).put("abc", {"x": np.array(["text"])})
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_keys_differ_with_every_part():
    keys = {key_of(content=c, reader=r) for c in ("a", "b") for r in ("x", "y")}
    assert len(keys) == 4
    assert key_of(a="1", b="2") == key_of(b="2", a="1") != key_of(a="12", b="")


def test_content_counts_and_the_place_does_not(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.jpg").write_bytes(b"0")
        (tmp_path / name / "1.jpg").write_bytes(b"11")
    assert content_hash(tmp_path / "a") == content_hash(tmp_path / "b")
    assert content_hash(tmp_path / "a" / "0.jpg") == content_hash(b"0")
    shutil.move(tmp_path / "b" / "1.jpg", tmp_path / "b" / "2.jpg")
    assert content_hash(tmp_path / "a") != content_hash(tmp_path / "b")
