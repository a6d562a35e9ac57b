"""What is a video in a folder of anything, and that nothing is passed over in silence."""

import os
from pathlib import Path

import pytest

from retrieval.errors import DataError
from retrieval.find import FileState, find_gallery_videos


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def found(place: Path) -> list[str]:
    return list(find_gallery_videos(place).videos)


def left_out(place: Path) -> dict[str, list[str]]:
    finding = find_gallery_videos(place)
    return {
        reason: [path.relative_to(place).as_posix() for path in paths]
        for reason, paths in finding.left_out.items()
    }


def test_files_folders_of_frames_and_stills(tmp_path):
    tree(
        tmp_path,
        "a.MP4",
        "b/c.m2ts",
        "b/d/e.gif",
        "frames/1.jpg",
        "frames/2.jpg",
        "frames/n.txt",
        "still.png",
    )
    assert found(tmp_path) == ["a.MP4", "b/c.m2ts", "b/d/e.gif", "frames", "still.png"]


def test_one_file_is_a_gallery_of_one_whatever_its_suffix(tmp_path):
    tree(tmp_path, "a.mp4", "b.mp4", "c.xyz")
    assert found(tmp_path / "a.mp4") == ["a.mp4"]
    assert found(tmp_path / "c.xyz") == ["c.xyz"]


def test_thumbnails_beside_videos_are_no_video(tmp_path):
    tree(tmp_path, "a.mp4", "a.jpg", "still.jpg", "sub/b.mp4", "sub/b.jpg", "sub/c.jpg")
    tree(tmp_path, "series/poster.jpg", "series/season/e1.mkv", "frames/1.jpg")
    assert found(tmp_path) == ["a.mp4", "frames", "series/season/e1.mkv", "still.jpg", "sub/b.mp4"]
    assert left_out(tmp_path) == {
        "images beside videos": ["a.jpg", "series/poster.jpg", "sub/b.jpg", "sub/c.jpg"]
    }


def test_links_are_followed_each_file_is_found_once_and_cycles_end(tmp_path):
    far = tree(tmp_path / "far", "x.mp4", "more/y.mp4", "blob")
    root = tree(tmp_path / "root", "z.mp4", "frames/1.jpg")
    (root / "a_far").symlink_to(far)
    (root / "b_far").symlink_to(far / "more")  # reached through a_far already
    (root / "a_z.mp4").symlink_to(root / "z.mp4")
    (root / "named.mp4").symlink_to(far / "blob")
    (root / "loop").symlink_to(root)
    (far / "back").symlink_to(root)
    (root / "picked").mkdir()
    (root / "picked" / "1.jpg").symlink_to(root / "frames" / "1.jpg")
    (root / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (root / "self.mp4").symlink_to(root / "self.mp4")
    assert found(root) == ["a_far/more/y.mp4", "a_far/x.mp4", "frames", "named.mp4", "picked", "z.mp4"]
    assert left_out(root) == {
        "links that lead nowhere": ["gone.mp4", "self.mp4"],
        "neither video nor image": ["a_far/blob"],
    }


def test_what_is_not_indexed_is_counted_and_named_and_nothing_hangs(tmp_path, monkeypatch):
    tree(
        tmp_path, "a.mp4", "b.srt", "c.srt", "d.srt", "e.srt", "f.srt", "z.json", ".hidden.mp4", "shut/g.mp4"
    )
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    scandir = os.scandir

    def refusing(folder):  # what a folder of another user does; the tests may run as root
        if Path(folder).name == "shut":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    assert found(tmp_path) == ["a.mp4"]
    assert left_out(tmp_path) == {
        "cannot be looked into": ["shut"],
        "hidden": [".hidden.mp4"],
        "neither video nor image": ["b.srt", "c.srt", "d.srt", "e.srt", "f.srt", "z.json"],
        "pipes, sockets or devices": ["pipe.mp4", "zero.mp4"],
    }
    other = find_gallery_videos(tmp_path).summary()["neither video nor image"]
    # One of each suffix comes first.
    assert other["count"] == 6
    assert [Path(name).name for name in other["examples"]] == ["b.srt", "z.json", "c.srt", "d.srt"]


def test_a_name_that_is_no_utf8_has_an_id_that_is_text(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.mp4")).write_bytes(b"1")
    (tmp_path / r"caf\xe9.mp4").write_bytes(b"2")
    assert found(tmp_path) == [r"caf\xe9.mp4"]
    ((reason, (path,)),) = find_gallery_videos(tmp_path).left_out.items()
    assert reason == "named like another when printed"
    assert path.read_bytes() in (b"1", b"2")


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        find_gallery_videos(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no video or image in it \(it is empty\)"):
        find_gallery_videos(tmp_path)
    tree(tmp_path, "a.txt")
    with pytest.raises(DataError, match="1 neither video nor image"):
        find_gallery_videos(tmp_path)


def test_a_video_has_changed_when_its_file_or_one_of_its_frames_has(tmp_path):
    tree(tmp_path, "a.mp4", "frames/1.jpg", "frames/2.jpg")
    for name in ("a.mp4", "frames"):
        before = FileState.of(tmp_path / name)
        assert FileState.of(tmp_path / name) == before
        file = tmp_path / name if name == "a.mp4" else tmp_path / name / "1.jpg"
        os.utime(file, ns=(0, 10**19))
        assert FileState.of(tmp_path / name) != before
    assert FileState.of(tmp_path / "none.mp4") is None
