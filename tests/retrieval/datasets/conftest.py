"""Videos and annotations for the tests of the benchmarks."""

import json
import shutil
from fractions import Fraction

import cv2
import pytest

from tests.support.annotations import annotations_of
from tests.support.clips import numbered, write_clip


@pytest.fixture
def videos(tmp_path):
    """A folder with a video file and a folder of frames; all others are missing."""
    folder = tmp_path / "videos"
    for name in ("video7020", "video0"):
        (folder / name).mkdir(parents=True)
        for i in range(6):
            cv2.imwrite(str(folder / name / f"{i:03}.png"), numbered(i + 1))
    for name in ("eyhzdC936uk_15_27", "Ptf_2VRj-V0_000122_000132"):  # of MSVD and of VATEX
        write_clip(folder / f"{name}.avi", range(30), Fraction(1, 30))
    return str(folder)


@pytest.fixture
def vatex_annotations(tmp_path):
    """The real lists; captions are made up in the official form, as the real ones may not be passed on."""
    folder = tmp_path / "vatex"
    shutil.copytree(annotations_of("vatex"), folder)
    lists = {part: (folder / f"{part}_list.txt").read_text().split() for part in ("train", "val", "test")}
    for file, ids in (
        ("vatex_training_v1.0.json", lists["train"]),
        ("vatex_validation_v1.0.json", [*lists["test"], *lists["val"]]),
    ):
        records = [{"videoID": v, "enCap": [f"{v} {i}" for i in range(10)], "chCap": []} for v in ids]
        (folder / file).write_text(json.dumps(records))
    return folder
