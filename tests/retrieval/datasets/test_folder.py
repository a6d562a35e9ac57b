"""Where the videos of a list are found, and what is said where none is."""

from pathlib import Path

import pytest

from retrieval.datasets.folder import find_videos
from retrieval.errors import DataError, MissingData

FRAMES = Path(__file__).parents[3].parent / "shared" / "data" / "msrvtt-frames"


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def found(folder: Path, *ids: str) -> dict[str, str]:
    paths = find_videos(str(folder), ids, what="a list", page="nowhere")
    return {video: str(path.relative_to(folder)) for video, path in paths.items()}


@pytest.mark.parametrize(
    ("names", "video", "place"),
    [
        (["v0.mp4"], "v0", "v0.mp4"),
        (["v0.mp4"], "v0.mp4", "v0.mp4"),
        (["v0.webm"], "v0.mp4", "v0.webm"),
        (["v0/000.jpg"], "v0", "v0"),
        (["v0/000.jpg"], "v0.mp4", "v0"),
        (["v0/000.jpg", "v0.avi"], "v0", "v0.avi"),
        (["V0.MP4"], "v0", "V0.MP4"),
        (["v0.MP4"], "v0.mp4", "v0.MP4"),
        (["V0.mp4", "v0.mkv"], "v0", "v0.mkv"),
        (["a/b/v0.mp4"], "a/b/v0.mp4", "a/b/v0.mp4"),
        (["a/b/v0.mp4"], "a/b/v0", "a/b/v0.mp4"),
        (["a/v0/000.jpg"], "a/v0/", "a/v0"),
        (["v0.5x.mp4"], "v0.5x", "v0.5x.mp4"),
        (["v0.gif"], "v0.gif", "v0.gif"),
        (["all/v0.mp4"], "v0", "all/v0.mp4"),
        (["frames/v0/000.jpg"], "v0", "frames/v0"),
        (["v0.txt", "old/v0.mp4"], "v0", "old/v0.mp4"),
        (["v0.mp4", "old/v0.mp4"], "v0", "v0.mp4"),
        (["v0.mp4.part", ".DS_Store", "._v0.mp4", "v0.mp4"], "v0", "v0.mp4"),
    ],
)
def test_a_video_is_found_by_its_id(tmp_path, names, video, place):
    assert found(put(tmp_path, *names), video) == {video: place}


def test_the_two_folders_of_msrvtt_are_read_side_by_side(tmp_path):
    put(tmp_path, "TrainValVideo/video0.mp4", "TestVideo/video7010.mp4", "readme.txt")
    wanted = {"video0": "TrainValVideo/video0.mp4", "video7010": "TestVideo/video7010.mp4"}
    assert found(tmp_path, "video0", "video7010", "video9") == wanted


def test_frames_of_one_video_are_no_folder_of_videos(tmp_path):
    put(tmp_path, "v0/001.mp4", "v0/000.jpg")
    assert found(tmp_path, "v0", "001") == {"v0": "v0"}


def test_where_a_list_tells_letters_case_apart_so_do_we(tmp_path):
    """YouTube's ids do; a file that neither of them names exactly could be either's."""
    put(tmp_path, "AB.mp4", "c.mp4", "C.mkv")
    assert found(tmp_path, "aB", "ab", "c") == {"c": "c.mp4"}


def test_a_video_in_two_folders_is_refused(tmp_path):
    put(tmp_path, "small/v0.mp4", "large/v0.mp4")
    with pytest.raises(DataError, match=r"video 'v0' is in '.*large' and in '.*small'; name one of them"):
        found(tmp_path, "v0")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "it is empty"),
        (["b.mp4", "a.txt"], "it holds 2 entries: 'a.txt', 'b.mp4'"),
        (
            [f"{i}.mp4" for i in range(9)],
            "it holds 9 entries: '0.mp4', '1.mp4', '2.mp4', '3.mp4', '4.mp4', …",
        ),
        (["far/away/v0.mp4"], "it holds 1 entries: 'far'"),
    ],
)
def test_none_at_all_says_what_was_wanted_and_what_was_seen(tmp_path, names, message):
    with pytest.raises(MissingData) as raised:
        found(put(tmp_path, *names), "v0", "v1")
    assert "none of the 2 videos of its lists, such as 'v0', is in" in str(raised.value)
    assert message in str(raised.value)


def test_names_that_no_file_can_have_are_not_there(tmp_path):
    put(tmp_path, "v0.mp4")
    assert found(tmp_path, "v0", "x/" * 5000, "y" * 5000) == {"v0": "v0.mp4"}


@pytest.mark.skipif(not FRAMES.is_dir(), reason=f"{FRAMES} is not there: real folders of frames are needed")
@pytest.mark.parametrize("folder", [FRAMES / "frames", FRAMES])
def test_real_folders_of_frames_are_found_here_or_one_level_down(folder):
    paths = find_videos(str(folder), ["video826", "video1", "video1720"], what="msrvtt", page="nowhere")
    assert paths == {video: FRAMES / "frames" / video for video in ("video826", "video1720")}
