"""Tars of anyone: webdataset's and img2dataset's read right, hostile ones give counted rows."""

import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from animate.data import Rejected, Sample
from animate.sources import SourceError
from tests.support.corpora import JPEG, carried_by, read, statuses, write_members
from tests.support.texts import captions, few

name = st.text("abcXYZ019_- ü", min_size=1, max_size=8).map(str.strip).filter(bool)


@few
@given(
    samples=st.dictionaries(name, st.tuples(captions, st.binary(max_size=40)), min_size=1, max_size=8),
    suffix=st.sampled_from(["jpg", "jpeg", "png", "webp", "JPG"]),
)
def test_tars_give_back_what_was_written(tmp_path, samples, suffix):
    members = []
    for key, (text, image) in samples.items():
        members += [(f"{key}.{suffix}", image), (f"{key}.txt", text.encode())]
    rows = read(write_members(tmp_path / "t.tar", members), tmp_path, clean_captions=False)
    assert [(row.image, row.captions) for row in rows if isinstance(row, Sample)] == [
        (image, (text,)) for text, image in samples.values()
    ]


def test_tars_that_webdataset_wrote(tmp_path):
    wds = pytest.importorskip("webdataset")
    with wds.TarWriter(str(tmp_path / "w.tar")) as sink:
        for i in range(5):
            sink.write(
                {"__key__": f"sub/{i:03d}", "png": JPEG, "json": {"caption": f"c{i}", "n": i, "deep": [i]}}
            )
    rows = read(tmp_path / "w.tar", tmp_path)
    assert [row.key for row in rows] == [f"sub%2F{i:03d}" for i in range(5)]
    assert [row.captions for row in rows] == [(f"c{i}",) for i in range(5)]
    assert carried_by(rows[3]) == {"n": 3, "deep": "[3]"}


def img2dataset_shard(folder: Path, number: int, count: int) -> None:
    """Tar, parquet and stats as img2dataset leaves them; every third download failed."""
    members, table = [], []
    for i in range(count):
        key = f"{number:05d}{i:04d}"
        failed = i % 3 == 2
        row = {
            "url": f"http://example.org/{key}.jpg",
            "caption": f"caption {key}",
            "key": key,
            "status": "failed_to_download" if failed else "success",
            "error_message": "HTTP Error 404" if failed else None,
            "width": None if failed else 256,
            "height": None if failed else 256,
            "original_width": 640,
            "original_height": 480,
            "exif": "{}",
            "sha256": None if failed else f"{i:064x}",
        }
        table.append(row | {"license": "CC-BY"})
        if not failed:
            members += [(f"{key}.jpg", JPEG), (f"{key}.txt", row["caption"].encode())]
            members += [(f"{key}.json", json.dumps(row).encode())]
    write_members(folder / f"{number:05d}.tar", members)
    pq.write_table(pa.Table.from_pylist(table), folder / f"{number:05d}.parquet")
    (folder / f"{number:05d}_stats.json").write_text("{}")


def test_img2dataset_folders_carry_their_parquet_columns(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(3):
        img2dataset_shard(folder, number, 6)
    for src in (folder, folder / "*.tar", folder / "{00000..00002}.tar"):
        rows = read(src, tmp_path, rows_per_shard=5)
        assert statuses(rows) == ["ok"] * 12
        assert [row.key for row in rows[:3]] == ["000000000", "000000001", "000000003"]
        assert carried_by(rows[2]) == {
            "url": "http://example.org/000000003.jpg",
            "source_width": 256,
            "source_height": 256,
            "source_original_width": 640,
            "source_original_height": 480,
            "exif": "{}",
            "sha256": f"{3:064x}",
            "license": "CC-BY",
        }


def test_packed_tars_and_addresses_are_streamed_with_the_same_result(tmp_path):
    members = []
    for i in range(4):
        members += [(f"{i}.jpg", JPEG), (f"{i}.json", json.dumps({"caption": f"c{i}", "n": i}).encode())]
    plain = write_members(tmp_path / "t.tar", members)
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as packed, tarfile.open(plain) as tar:
        for member in tar:
            packed.addfile(member, tar.extractfile(member))
    expected = [(row.key, row.image, row.captions) for row in read(plain, tmp_path)]
    for src in (tmp_path / "p.tar.gz", f"file://{plain}"):
        rows = read(src, tmp_path)
        assert [(row.key, row.image, row.captions) for row in rows] == expected
        assert carried_by(rows[2]) == {"n": 2, "more": None}


def test_texts_and_json_lists_are_joined_without_repeats(tmp_path):
    record = {"captions": ["first", "second"], "caption": "first"}
    members = [("a.jpg", JPEG), ("a.txt", b"first\n"), ("a.json", json.dumps(record).encode())]
    (row,) = read(write_members(tmp_path / "t.tar", members), tmp_path)
    assert row.captions == ("first", "second")


def test_every_sample_of_a_shard_has_the_same_columns(tmp_path):
    members = []
    for i, extra in enumerate(({"a": 1}, {"b": "x"}, {})):
        members += [(f"{i}.jpg", JPEG), (f"{i}.json", json.dumps({"caption": "c", **extra}).encode())]
    rows = read(write_members(tmp_path / "t.tar", members), tmp_path)
    assert [carried_by(row) for row in rows] == [
        {"a": 1, "b": None},
        {"a": None, "b": "x"},
        {"a": None, "b": None},
    ]


def test_hostile_members_are_rows_or_nothing(tmp_path):
    members = [
        ("README.md", b"not a sample"),
        ("good.jpg", JPEG), ("good.txt", b"fine"),
        ("lonely.jpg", JPEG),
        ("words.txt", b"no image"),
        ("blank.jpg", JPEG), ("blank.txt", b" \n"),
        ("latin.jpg", JPEG), ("latin.txt", b"caf\xe9"),
        ("empty.jpg", b""), ("empty.txt", b"zero bytes are the decoder's to refuse"),
        ("v1.2/dotted.name.jpg", JPEG),
        ("v1.2/dotted.jpg", JPEG), ("v1.2/dotted.txt", b"folders may have dots"),
        ("good.jpg", JPEG), ("good.txt", b"again"),
        ("odd.jpg", JPEG), ("odd.json", b"[1, 2]"),
        ("worse.jpg", JPEG), ("worse.json", b"{" * 5000),
    ]  # fmt: skip
    path = write_members(tmp_path / "t.tar", members)
    with tarfile.open(path, "a") as tar:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"special-{kind.decode()}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    rows = read(path, tmp_path)
    assert {
        row.key: status for row, status in zip(rows, statuses(rows), strict=True) if row.key != "good"
    } == {
        "lonely": "missing_caption",
        "words": "missing_file",
        "blank": "missing_caption",
        "latin": "caption_not_utf8",
        "empty": "ok",
        "v1%2E2%2Fdotted": "ok",
        "odd": "bad_row",
        "worse": "bad_row",
        "special-2": "missing_file",
        "special-3": "missing_file",
        "special-6": "missing_file",
    }
    assert [status for row, status in zip(rows, statuses(rows), strict=True) if row.key == "good"] == [
        "ok",
        "duplicate_key",
    ]


@few
@given(cut=st.integers(1, 9000), rubbish=st.booleans())
@example(cut=7680, rubbish=False)
@example(cut=7681, rubbish=False)
@example(cut=8191, rubbish=False)
@example(cut=8192, rubbish=False)
def test_a_tar_that_breaks_off_gives_all_before_and_one_row(tmp_path, cut, rubbish):
    members = []
    for i in range(4):
        members += [(f"{i}.jpg", JPEG * 30), (f"{i}.txt", b"c")]
    whole = write_members(tmp_path / "whole.tar", members).read_bytes()
    cut = min(cut, len(whole))
    broken = whole[: cut // 512 * 512] + b"\x07" * 2048 if rubbish else whole[:cut]
    (tmp_path / "t.tar").write_bytes(broken)
    for src in (tmp_path / "t.tar", f"file://{tmp_path}/t.tar"):
        rows = read(src, tmp_path)
        good = [row for row in rows if isinstance(row, Sample)]
        assert [row.image for row in good] == [JPEG * 30] * len(good)
        assert [row.fault.status for row in rows if isinstance(row, Rejected)][-1:] in (
            [],
            ["broken_archive"],
        )
        # The last caption is one byte long; the padding behind it holds nothing.
        complete = broken.startswith(whole[: (len(members) - 1) * 1024 + 513])
        assert len(good) == 4 if complete else len(good) < 4
        assert complete or rows[-1].fault.status == "broken_archive"


@pytest.mark.parametrize("content", [b"", b"not a tar at all" * 100, b"\x00" * 100])
def test_what_is_no_tar_is_one_row_and_the_others_are_read(tmp_path, content):
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "0.tar").write_bytes(content)
    write_members(folder / "1.tar", [("a.jpg", JPEG), ("a.txt", b"fine")])
    rows = read(folder, tmp_path)
    assert statuses(rows) in (["broken_archive", "ok"], ["ok"])
    if content.strip(b"\0"):
        assert statuses(rows)[0] == "broken_archive"


def test_a_missing_tar_of_a_pattern_is_an_error_for_the_user(tmp_path):
    write_members(tmp_path / "00.tar", [("a.jpg", JPEG), ("a.txt", b"fine")])
    with pytest.raises(SourceError, match=r"no such file: .*01\.tar"):
        read(tmp_path / "{00..01}.tar", tmp_path)
