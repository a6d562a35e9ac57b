"""Videos one by one on disk."""

from pathlib import Path

from retrieval.datasets import FrameReader
from retrieval.recipe import FramesSpec
from retrieval.video import Unreadable
from tests.support.clips import read_numbers


def test_a_folder_of_frames_at_its_own_rate(videos):
    frames = FramesSpec(sampler="one_fps_then_uniform", size=32, decoder="pyav", folder_fps=3)
    reader = FrameReader.of(frames)
    clip = reader.read(Path(videos) / "video0", None)
    assert not isinstance(clip, Unreadable)
    assert read_numbers(clip.frames.transpose(0, 2, 3, 1)) == [1, 4]
    assert clip.seconds.tolist() == [0.0, 1.0]
    assert reader.describe().endswith("folders at 3 fps")
