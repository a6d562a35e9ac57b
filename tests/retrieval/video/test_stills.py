"""Folders of frames and single stills."""

from pathlib import Path

import cv2

from retrieval.video import (
    Sampler,
    list_frames,
    read_video,
)
from tests.support.clips import numbered, read_numbers
from tests.support.reading import clip_of


def write_folder(folder: Path, numbers: list[int]) -> Path:
    folder.mkdir()
    for place, number in enumerate(numbers, 1):
        cv2.imwrite(str(folder / f"frame{place}.png"), numbered(number))
    return folder


def test_a_folder_of_frames_in_natural_order(tmp_path):
    folder = write_folder(tmp_path / "video1", list(range(12)))
    assert [path.name for path in list_frames(folder)] == [f"frame{i}.png" for i in range(1, 13)]
    assert read_numbers(clip_of(read_video(folder, Sampler(num_frames=20))).frames) == list(range(12))
    assert read_numbers(clip_of(read_video(folder, Sampler(num_frames=3))).frames) == [2, 6, 10]
    clip = clip_of(read_video(folder, Sampler(name="one_fps_then_uniform"), folder_fps=4))
    assert read_numbers(clip.frames) == [0, 4, 8]
    assert clip.seconds.tolist() == [0.0, 1.0, 2.0]


def test_a_broken_image_is_left_out_of_its_folder(tmp_path):
    folder = write_folder(tmp_path / "video1", list(range(4)))
    (folder / "frame2.png").write_bytes(b"no picture")
    clip = clip_of(read_video(folder, Sampler(num_frames=4)))
    assert (clip.status, read_numbers(clip.frames)) == ("truncated", [0, 2, 3])
    for path in folder.iterdir():
        path.write_bytes(b"")
    assert read_video(folder, Sampler()).status == "broken"


def test_a_still_is_a_clip_of_one_frame(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), numbered(77))
    clip = clip_of(read_video(tmp_path / "a.png", Sampler(num_frames=12)))
    assert (read_numbers(clip.frames), clip.seconds.tolist()) == ([77], [0.0])
