"""Builds on a torch device. `cpu:0` is one that every machine has, and runs the code that a GPU runs."""

import numpy as np
import pytest
import torch

from animate import UserError, load_clips
from animate.build import build_shards
from animate.executor import HERE, Workforce
from animate.materialize import materialize
from animate.render import NoDevice
from animate.shards.verify import verify
from tests.support.shard_sets import all_files, build_set, recipe_of


def frames_of(out) -> np.ndarray:
    return np.stack([clip["frames"] for clip in load_clips(str(out))])


def test_a_torch_device_makes_the_same_films_here_on_ray_and_from_virtual_shards(tmp_path):
    recipe = recipe_of("frames", "video.jpeg_quality=100")
    plain, here, ray, late = (tmp_path / name for name in ("plain", "here", "ray", "late"))
    assert build_shards(recipe, plain, workforce=HERE).complete
    assert build_shards(recipe, here, workforce=Workforce(workers=0, device="cpu:0")).complete
    assert build_shards(recipe, ray, workforce=Workforce(workers=2, device="cpu:0")).complete
    assert verify(str(here)) == []
    difference = np.abs(frames_of(plain).astype(int) - frames_of(here))
    assert 0 < difference.mean() < 0.5  # another sampler, but no other picture
    assert all_files(here) == all_files(ray)
    virtual = build_set(tmp_path / "virtual", "virtual", "video.jpeg_quality=100")
    assert materialize(
        virtual, late, format="frames", workforce=Workforce(workers=0, device="cpu:0")
    ).complete
    np.testing.assert_array_equal(frames_of(late), frames_of(here))


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cuda"])
def test_a_device_that_is_not_there_is_refused_before_anything_is_planned(tmp_path, device):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(NoDevice, match=device) as refusal:
        build_shards(recipe_of("frames"), tmp_path / "out", workforce=Workforce(workers=0, device=device))
    assert isinstance(refusal.value, UserError)
    assert not (tmp_path / "out").exists()
