"""Which members of a tar make a sample: names with dots, links, odd packings, members out of order."""

import bz2
import gzip
import io
import json
import lzma
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.data import Rejected, Sample
from animate.sources import SourceError, tar_groups
from animate.sources.image_files import IMAGE_SUFFIXES
from tests.support.corpora import JPEG, read, statuses, write_members
from tests.support.texts import few

GIF, HEIC = b"GIF89a pretend", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def members_of(*names: str) -> list[tuple[str, bytes]]:
    """A member by each name, whose bytes say what it is called; without a known suffix it is a JPEG."""
    return [
        (name, name.encode() if name.endswith(("txt", "caption")) else JPEG + name.encode()) for name in names
    ]


def both(path: Path) -> tuple[Path, str]:
    """The same tar as it is listed from its headers, and as a stream."""
    return path, f"file://{path}"


def brief(rows: list[Sample | Rejected]) -> dict[str, str]:
    """Key -> the name of its image and its captions, or what is wrong."""
    return {
        row.key: row.fault.status
        if isinstance(row, Rejected)
        else " ".join([row.image.removeprefix(JPEG).decode(), *row.captions])
        for row in rows
    }


@pytest.mark.parametrize("suffix", [*IMAGE_SUFFIXES, ".GIF", ".Heic"])
def test_a_member_with_a_known_suffix_is_an_image(tmp_path, suffix):
    path = write_members(tmp_path / "t.tar", [(f"a{suffix}", b"any bytes"), ("a.txt", b"words")])
    for src in both(path):
        (row,) = read(src, tmp_path)
        assert (row.key, row.image, row.captions) == ("a", b"any bytes", ("words",))


@pytest.mark.parametrize("content", [JPEG, GIF, HEIC])
@pytest.mark.parametrize(("name", "text"), [("a.weird", "a.txt"), ("a", "a.txt"), ("22.05", "22.05.txt")])
def test_a_member_that_begins_like_an_image_is_one(tmp_path, content, name, text):
    members = [("b.npy", b"\x93NUMPY"), (name, content), (text, b"words"), ("c", b"nothing"), ("d.cls", b"5")]
    for src in both(write_members(tmp_path / "t.tar", members)):
        (row,) = read(src, tmp_path)
        assert (row.key, row.image, row.captions) == (text[:-4].replace(".", "%2E"), content, ("words",))


def test_hidden_members_and_texts_that_begin_like_images_are_none(tmp_path):
    members = [("._a.jpg", JPEG), ("__MACOSX/._a.jpg", JPEG), (".DS_Store", JPEG), ("Thumbs.db", JPEG)]
    for src in both(write_members(tmp_path / "t.tar", [*members, ("rows.csv", JPEG)])):
        assert read(src, tmp_path) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("a.jpg a.txt a.cls", {"a": "a.jpg a.txt"}),
        ("a.png a.webp a.jpeg a.txt", {"a": "a.jpeg a.txt"}),
        ("a.weird a.gif a.txt", {"a": "a.gif a.txt"}),
        (
            "good.jpg good.txt 22.05.jpg 22.05.txt sample.v2.jpg sample.v2.txt",
            {
                "good": "good.jpg good.txt",
                "22%2E05": "22.05.jpg 22.05.txt",
                "sample%2Ev2": "sample.v2.jpg sample.v2.txt",
            },
        ),
        (
            "22.05.jpg 22.05.txt 22.06.jpg 22.07.txt",
            {"22%2E05": "22.05.jpg 22.05.txt", "22%2E06": "missing_caption", "22%2E07": "missing_file"},
        ),
        (
            "22.05.jpg 22.05.txt 22.06.jpg 22.06.txt 22.jpg 22.txt",
            {"22%2E05": "22.05.jpg 22.05.txt", "22%2E06": "22.06.jpg 22.06.txt", "22": "22.jpg 22.txt"},
        ),
        ("x.left.jpg x.right.jpg", {"x%2Eleft": "missing_caption", "x%2Eright": "missing_caption"}),
        ("x.left.jpg x.right.jpg x.txt", {"x": "x.left.jpg x.txt"}),
        ("x.input.jpg x.prompt.txt", {"x": "x.input.jpg x.prompt.txt"}),
        ("x.input.jpg x.txt x.meta.txt", {"x": "x.input.jpg x.txt"}),
        ("x.mask.png x.seg.jpg x.jpg x.txt", {"x": "x.jpg x.txt"}),
        ("x.jpg x.tags.txt", {"x": "missing_caption"}),
        ("v1.0/x.1.jpg v1.0/x.1.txt", {"v1%2E0%2Fx%2E1": "v1.0/x.1.jpg v1.0/x.1.txt"}),
        ("a.b.txt", {"a%2Eb": "missing_file"}),
    ],
)
def test_what_members_make_a_sample(tmp_path, names, expected):
    for src in both(write_members(tmp_path / "t.tar", members_of(*names.split()))):
        assert brief(read(src, tmp_path)) == expected


@few
@given(
    names=st.lists(st.from_regex(r"[ab](\.[xy12]{1,2}){0,2}", fullmatch=True), unique=True, max_size=12),
    without=st.sets(st.integers(0, 11)),
)
def test_every_image_with_a_caption_of_its_own_is_a_clip_whatever_the_dots(tmp_path, names, without):
    members = [f"{name}.jpg" for name in names] + [
        f"{name}.txt" for i, name in enumerate(names) if i not in without
    ]
    for order in (members, sorted(members)):
        rows = brief(read(write_members(tmp_path / "t.tar", members_of(*order)), tmp_path))
        captioned = {name for i, name in enumerate(names) if i not in without}
        assert {row for row in rows.values() if "jpg" in row} >= {
            f"{name}.jpg {name}.txt" for name in captioned
        }


def test_many_members_of_one_name_are_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_groups, "_MOST_MEMBERS", 4)
    held = []
    finished = tar_groups.MemberGroup.finished
    monkeypatch.setattr(
        tar_groups.MemberGroup, "finished", lambda group: held.append(len(group.members)) or finished(group)
    )
    names = [f"frame.{i:03}{suffix}" for i in range(30) for suffix in (".jpg", ".txt")]
    pairs = read(f"file://{write_members(tmp_path / 'pairs.tar', members_of(*names))}", tmp_path)
    images = read(f"file://{write_members(tmp_path / 'images.tar', members_of(*names[::2]))}", tmp_path)
    assert [statuses(pairs), statuses(images)] == [["ok"] * 30, ["missing_caption"] * 30]
    assert max(held) <= 5


@pytest.mark.parametrize("order", ["jpg first", "txt first"])
def test_members_of_a_plain_tar_need_not_be_neighbours(tmp_path, order):
    names = ["2.jpg", "0.jpg", "1.x.jpg", "0.txt", "1.x.txt", "2.txt"]
    path = write_members(
        tmp_path / "t.tar", members_of(*(names if order == "jpg first" else reversed(names)))
    )
    expected = {"2": "2.jpg 2.txt", "0": "0.jpg 0.txt", "1%2Ex": "1.x.jpg 1.x.txt"}
    assert brief(read(path, tmp_path)) == expected
    assert sorted(row.key for row in read(path, tmp_path)) == sorted(expected)


def test_a_stream_says_that_members_must_be_neighbours(tmp_path):
    path = write_members(tmp_path / "t.tar", members_of("0.jpg", "1.jpg", "0.txt", "1.txt"))
    rows = read(f"file://{path}", tmp_path)
    assert statuses(rows) == ["missing_caption"] * 2 + ["duplicate_key"] * 2
    assert "must be neighbours" in rows[2].fault.message
    path = write_members(tmp_path / "t.tar", members_of("0.jpg", "0.txt", "0.jpg", "0.txt"))
    assert "neighbours" not in read(f"file://{path}", tmp_path)[1].fault.message


def test_a_second_image_elsewhere_in_the_tar_has_a_row_of_its_own(tmp_path):
    path = write_members(tmp_path / "t.tar", members_of("a.jpg", "a.txt", "b.jpg", "b.txt", "a.png"))
    assert [row.key for row in read(path, tmp_path)] == ["a", "b", "a"]
    assert statuses(read(path, tmp_path)) == ["ok", "ok", "duplicate_key"]


def concatenated(tmp_path: Path, *, packed=bytes) -> Path:
    """Three tars, one after the other."""
    path = tmp_path / "c.tar"
    tars = [
        write_members(tmp_path / "one", members_of(f"{i}.jpg", f"{i}.txt")).read_bytes() for i in range(3)
    ]
    path.write_bytes(b"".join(packed(tar) for tar in tars))
    return path


def zstd(content: bytes) -> bytes:
    packed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(packed, "zstd") as file:
        file.write(content)
    return packed.getvalue().to_pybytes()


PACKINGS = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zstd": zstd}


@pytest.mark.parametrize("packed", [bytes, *PACKINGS.values()], ids=["plain", *PACKINGS])
def test_tars_put_one_after_the_other_are_read_to_the_last(tmp_path, packed):
    for src in both(concatenated(tmp_path, packed=packed)):
        assert brief(read(src, tmp_path)) == {f"{i}": f"{i}.jpg {i}.txt" for i in range(3)}


@pytest.mark.parametrize("packed", PACKINGS.values(), ids=PACKINGS)
@pytest.mark.parametrize("name", ["t.tar", "t.tar.gz", "t.tar.zst"])
def test_a_packed_tar_is_known_by_its_bytes(tmp_path, packed, name):
    content = write_members(tmp_path / "plain", members_of("a.jpg", "a.txt", "b.jpg", "b.txt")).read_bytes()
    (tmp_path / name).write_bytes(packed(content))
    assert brief(read(tmp_path / name, tmp_path)) == {"a": "a.jpg a.txt", "b": "b.jpg b.txt"}
    (tmp_path / name).write_bytes(packed(content)[:-40])
    assert statuses(read(tmp_path / name, tmp_path))[-1] == "broken_archive"


def test_plain_and_packed_tars_of_one_suffix_are_told_apart(tmp_path):
    for i, packed in enumerate((bytes, gzip.compress)):
        path = write_members(tmp_path / f"{i}.tar", members_of(f"{i}.jpg", f"{i}.txt"))
        path.write_bytes(packed(path.read_bytes()))
    with pytest.raises(SourceError, match=r"1\.tar.*mixed"):
        read(tmp_path, tmp_path)


@pytest.mark.parametrize("cut", [300, 512, 1000, 1536])
def test_a_second_tar_that_breaks_off_has_a_row(tmp_path, cut):
    path = concatenated(tmp_path)
    whole = path.read_bytes()
    start = len(whole) // 3
    path.write_bytes(whole[: start + cut])
    for src in both(path):
        rows = read(src, tmp_path)
        assert (rows[0].key, statuses(rows)[0], statuses(rows)[-1]) == ("0", "ok", "broken_archive")


@pytest.mark.parametrize("zeros", [0, 1, 511, 512, 40_000])
def test_zeros_behind_the_end_are_nothing(tmp_path, zeros):
    path = write_members(tmp_path / "t.tar", members_of("a.jpg", "a.txt"))
    path.write_bytes(path.read_bytes() + bytes(zeros))
    for src in both(path):
        assert statuses(read(src, tmp_path)) == ["ok"]


def write_links(path: Path, links: dict[str, tuple[bytes, str]], *names: str) -> Path:
    """A tar of `names`, and of links by name: their type, and what they link to."""
    with tarfile.open(path, "w") as tar:
        for name, content in members_of(*names):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, (kind, target) in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return path


HARD, SOFT = tarfile.LNKTYPE, tarfile.SYMTYPE


def test_links_within_a_plain_tar_are_followed(tmp_path):
    links = {
        "1.jpg": (HARD, "0.jpg"), "1.txt": (HARD, "0.txt"),
        "d/2.jpg": (SOFT, "../0.jpg"), "d/2.txt": (SOFT, "../1.txt"),
        "3": (HARD, "odd"), "3.txt": (HARD, "0.txt"),
        "4.jpg": (HARD, "./0.jpg"), "4.txt": (SOFT, "0.txt"),
    }  # fmt: skip
    path = write_links(tmp_path / "t.tar", links, "0.jpg", "0.txt", "odd", "odd.txt")
    assert brief(read(path, tmp_path)) == {
        "0": "0.jpg 0.txt", "1": "0.jpg 0.txt", "d%2F2": "0.jpg 0.txt", "odd": "odd odd.txt",
        "3": "odd 0.txt", "4": "0.jpg 0.txt",
    }  # fmt: skip


def test_a_link_that_cannot_be_followed_is_a_row_that_says_so(tmp_path):
    links = {
        "0.txt": (SOFT, "gone.txt"),
        "1.jpg": (SOFT, "/etc/passwd"), "2.jpg": (SOFT, "2.jpg"), "3.jpg": (HARD, "gone.jpg"),
        "4.jpg": (tarfile.FIFOTYPE, ""), "5.jpg": (tarfile.CHRTYPE, ""), "6.jpg": (tarfile.DIRTYPE, ""),
        "7.md": (SOFT, "README"), "8": (SOFT, "x.png"),
    }  # fmt: skip
    path = write_links(tmp_path / "t.tar", links, "0.jpg")
    for src in both(path):
        rows = {row.key: row.fault for row in read(src, tmp_path)}
        assert {key: fault.status for key, fault in rows.items()} == dict.fromkeys(
            ["1", "2", "3", "4", "5", "8"], "missing_file"
        ) | {"0": "missing_caption"}
        assert "a link to '/etc/passwd'" in rows["1"].message
        assert "a link to 'gone.txt'" in rows["0"].message
        assert "a fifo" in rows["4"].message


def test_a_link_in_a_stream_is_a_row_that_says_what_it_links_to(tmp_path):
    links = {"1.jpg": (HARD, "0.jpg"), "1.txt": (HARD, "0.txt"), "2": (HARD, "odd")}
    path = write_links(tmp_path / "t.tar", links, "0.jpg", "0.txt", "odd")
    rows = {row.key: row for row in read(f"file://{path}", tmp_path)}
    assert list(rows) == ["0", "odd", "1", "2"]
    assert rows["1"].fault.status == rows["2"].fault.status == "missing_file"
    assert "'0.jpg'" in rows["1"].fault.message and "stream" in rows["1"].fault.message


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_are_whole(tmp_path, kind):
    names = [f"{'folder/' * 30}{'é' * 40}{i}" for i in range(2)]
    with tarfile.open(tmp_path / "t.tar", "w", format=kind) as tar:
        for name in names:
            for member, content in members_of(f"{name}.jpg", f"{name}.txt"):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    for src in both(tmp_path / "t.tar"):
        rows = read(src, tmp_path)
        assert statuses(rows) == ["ok"] * 2
        kept = [row.meta.get("original_key") or json.loads(row.meta["more"])["original_key"] for row in rows]
        assert kept == names
