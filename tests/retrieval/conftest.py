"""What several tests of a retriever look at: made once for each file of tests."""

from pathlib import Path

import cv2
import pytest
import torch
from open_clip import CLIP

from retrieval.checkpoint import load_checkpoint
from retrieval.datasets import open_dataset
from retrieval.evaluate import evaluate
from retrieval.gallery import Gallery
from retrieval.index import build_gallery
from tests.support.clips import numbered
from tests.support.evaluating import CPU
from tests.support.judged import CONFIG, recipe_of, save_run, write_table


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Ten videos with two captions each, one of them not on disk."""
    return write_table(tmp_path_factory.mktemp("videos"), 10, captions=2, missing=(4,))


@pytest.fixture(scope="module")
def result(table, tmp_path_factory) -> dict:
    data = {"name": "table", "table": str(table), "held_out_table": str(table)}
    run = save_run(tmp_path_factory.mktemp("run"), recipe_of(data), {"name": "table", "videos": "1"})
    checkpoint = load_checkpoint(run)
    return evaluate(
        checkpoint,
        open_dataset(checkpoint.recipe.data),
        "test",
        top_k=3,
        post_processing=("dual-softmax", "query-bank"),
        curve=(1, 5, None),
        device=CPU,
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory) -> Path:
    """Eight videos, a folder of frames, two stills and a broken file."""
    folder = tmp_path_factory.mktemp("videos")
    write_table(folder / "clips", 8)
    (folder / "frames").mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / "frames" / f"{i}.png"), numbered(900 + i))
    for i in range(2):
        cv2.imwrite(str(folder / f"still{i}.png"), numbered(5000 + i))
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module", params=["none", "tokens"])
def indexed(request, videos, tmp_path_factory):
    place = tmp_path_factory.mktemp(request.param)
    checkpoint = load_checkpoint(save_run(place / "run", recipe_of({"name": "table"}, request.param)))
    facts = build_gallery(checkpoint, videos, place / "gallery", device=CPU)
    return checkpoint, Gallery(place / "gallery"), facts


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """A CLIP in a file that tells its architecture and its activation."""
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "width": 64, "heads": 1}, "quick_gelu": True}
    config["vision_cfg"] = {**config["vision_cfg"], "head_width": 64}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save({**CLIP(**config).state_dict(), "input_resolution": torch.tensor(32)}, path)
    return path
