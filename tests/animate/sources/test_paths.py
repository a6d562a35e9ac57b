"""Brace patterns, walks through links, and the fingerprint of a list of files."""

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate import UserError
from animate.recipe import SourceRecipe
from animate.sources.folder import Folder
from animate.sources.paths import expand_braces, find_files, survey, walk
from tests.support.corpora import put, read, refuse_folder, write_images, write_members


@given(first=st.integers(0, 30), count=st.integers(1, 20), width=st.integers(2, 5))
def test_brace_ranges_count_with_leading_zeros(first, count, width):
    pattern = f"x-{{{first:0{width}d}..{first + count - 1:0{width}d}}}.tar"
    assert expand_braces(pattern) == [f"x-{i:0{width}d}.tar" for i in range(first, first + count)]


def test_braces_nest_and_list():
    assert expand_braces("{a,b}/{1..2}") == ["a/1", "a/2", "b/1", "b/2"]
    assert expand_braces("plain") == ["plain"]


def test_a_brace_without_another_is_the_users_fault():
    with pytest.raises(UserError, match=r"\{a,b.*a brace has no other"):
        expand_braces("{a,b")


def test_the_fingerprint_follows_the_corpus_not_its_place(tmp_path):
    for name in ("here", "there"):
        write_images(tmp_path / name, "a.jpg", "b.jpg")
    prints = [
        Folder(SourceRecipe(name="folder", path=str(tmp_path / n))).fingerprint() for n in ("here", "there")
    ]
    assert prints[0] == prints[1]
    write_images(tmp_path / "there", "c.jpg")
    assert Folder(SourceRecipe(name="folder", path=str(tmp_path / "there"))).fingerprint() != prints[0]


def test_a_folder_reached_by_links_too_is_walked_under_its_own_name(tmp_path):
    root = tmp_path / "corpus"
    write_images(root, "b/1.jpg", "b/deep/2.jpg", "z.jpg")
    (root / "a").symlink_to("b")
    (root / "again").symlink_to(root)
    (root / "b/deep/up").symlink_to("..")
    (root / "b/deep/other").symlink_to("../../b/deep")
    assert list(walk(root)) == ["z.jpg", "b/1.jpg", "b/deep/2.jpg"]


@pytest.mark.parametrize(
    ("links", "found"),
    [
        ({"a.jpg": "b.jpg"}, ["b.jpg", "c/d.jpg"]),
        ({"x.jpg": "b.jpg", "y.jpg": "x.jpg"}, ["b.jpg", "c/d.jpg"]),
        ({"x.jpg": "c/d.jpg"}, ["b.jpg", "c/d.jpg"]),
        ({"c/a.jpg": "../b.jpg"}, ["b.jpg", "c/d.jpg"]),
        ({"c/a.jpg": "d.jpg", "c/b.jpg": "d.jpg"}, ["b.jpg", "c/d.jpg"]),
        ({"x.jpg": "../outside/1.jpg", "y.jpg": "../outside/1.jpg"}, ["b.jpg", "x.jpg", "c/d.jpg"]),
        ({"x.jpg": ".store/1", "e": "../outside"}, ["b.jpg", "x.jpg", "c/d.jpg", "e/1.jpg"]),
    ],
)
def test_a_file_reached_twice_by_links_is_one(tmp_path, links, found):
    root = tmp_path / "corpus"
    write_images(tmp_path, "corpus/b.jpg", "corpus/c/d.jpg", "outside/1.jpg", "corpus/.store/1")
    for name, target in links.items():
        (root / name).symlink_to(target)
    assert list(walk(root)) == found


def test_what_cannot_be_opened_is_told_and_not_walked(tmp_path, monkeypatch):
    root = tmp_path / "corpus"
    write_images(root, "a.jpg", "locked/b.jpg")
    (root / "gone.jpg").symlink_to("/no/such/file")
    (root / "circle.jpg").symlink_to("circle.jpg")
    os.mkfifo(root / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as opened:
        monkeypatch.chdir(root)
        opened.bind("socket.jpg")
    refuse_folder(monkeypatch, str(root / "locked"))
    assert list(walk(root)) == ["a.jpg"]
    assert {entry.name: entry.problem for entry in survey(root) if entry.problem} == {
        "gone.jpg": "a link to '/no/such/file': No such file or directory",
        "circle.jpg": "a link to 'circle.jpg': Too many levels of symbolic links",
        "pipe.jpg": "a fifo, which is never opened",
        "socket.jpg": "a socket, which is never opened",
        "locked/": "a folder that cannot be read: Permission denied",
    }


def test_a_folder_that_cannot_be_read_at_all_is_an_error_for_the_user(tmp_path, monkeypatch):
    write_images(tmp_path / "locked", "a.jpg")
    refuse_folder(monkeypatch, str(tmp_path / "locked"))
    with pytest.raises(UserError, match=r"locked.*Permission denied"):
        read(tmp_path / "locked", tmp_path)


def test_a_folder_or_a_hidden_file_is_no_tar_of_a_folder(tmp_path):
    write_members(tmp_path / "a.tar", [("a.jpg", b"x"), ("a.txt", b"x")])
    (tmp_path / "._a.tar").write_bytes(b"what macOS leaves")
    (tmp_path / "b.tar").mkdir()
    assert find_files(str(tmp_path), (".tar",)) == [str(tmp_path / "a.tar")]


def test_a_glob_meets_each_real_file_once(tmp_path):
    put(tmp_path / "p/a.tar", b"x")
    (tmp_path / "p/self").symlink_to(".")
    (tmp_path / "p/b.tar").symlink_to("a.tar")
    for pattern in ("p", "p/*.tar", "p/**/*.tar", "p/{*,self/*}.tar"):
        assert find_files(str(tmp_path / pattern), (".tar",)) == [str(tmp_path / "p/a.tar")], pattern


@pytest.mark.parametrize("pattern", ["locked/*.tar", "*/*.tar", "**/*.tar", "l*/x*/*.tar"])
def test_a_folder_that_a_glob_cannot_read_is_told(tmp_path, monkeypatch, pattern):
    put(tmp_path / "ok/a.tar", b"x")
    put(tmp_path / "locked/x/b.tar", b"x")
    refuse_folder(monkeypatch, str(tmp_path / "locked"))
    with pytest.raises(UserError, match=r"locked.*cannot be read: Permission denied"):
        find_files(str(tmp_path / pattern), (".tar",))
    assert find_files(str(tmp_path / "o*/*.tar"), (".tar",)) == [str(tmp_path / "ok/a.tar")]


def test_a_folder_of_tars_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    put(tmp_path / "locked/b.tar", b"x")
    refuse_folder(monkeypatch, str(tmp_path / "locked"))
    with pytest.raises(UserError, match=r"locked.*cannot be read: Permission denied"):
        find_files(str(tmp_path / "locked"), (".tar",))
