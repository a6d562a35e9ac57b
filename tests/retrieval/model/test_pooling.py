"""Temporal pooling: frames outside the mask, and where it starts."""

import pytest
import torch

from animate.strict_toml import RecipeError
from retrieval.model import assemble
from retrieval.model.pooling import MeanPooling, TransformerPooling
from retrieval.recipe import InteractionSpec, ModelSpec
from tests.support.encoders import frames
from tests.support.tiny import TinyTowers


@pytest.mark.parametrize(
    "pooling", [MeanPooling(), TransformerPooling(width=8, layers=2, heads=2, max_frames=6)]
)
def test_frames_outside_the_mask_change_nothing(pooling):
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for parameter in pooling.parameters():
            parameter.normal_(std=0.3)
        values = torch.randn(2, 5, 8)
        mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]).bool()
        expected = pooling(values[:1, :3], mask[:1, :3])
        values[0, 3:] = torch.nan if isinstance(pooling, MeanPooling) else 1e4
        torch.testing.assert_close(pooling(values, mask)[:1], expected)


@torch.no_grad()
def test_the_temporal_transformer_starts_as_the_mean_and_then_sees_the_order():
    values, mask = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0)), torch.ones(2, 4).bool()
    pooling = TransformerPooling(width=8, layers=2, heads=2, max_frames=6)
    torch.testing.assert_close(pooling(values, mask), MeanPooling()(values, mask))
    torch.nn.init.normal_(pooling.out.weight)
    assert not torch.allclose(pooling(values, mask), pooling(values.flip(1), mask), atol=1e-4)
    with pytest.raises(ValueError, match="7 frames: this model knows the places of 6"):
        pooling(torch.randn(1, 7, 8), torch.ones(1, 7).bool())


def test_mean_pooling_is_the_mean_of_unit_vectors():
    values = torch.tensor([[[3.0, 0.0], [0.0, 0.5]]])
    assert MeanPooling()(values, torch.ones(1, 2).bool()).tolist() == [[0.5, 0.5]]


def test_a_video_without_a_frame_is_refused(model):
    with pytest.raises(ValueError, match="every video needs at least one frame"):
        model.encode_video(frames(2, 3), torch.tensor([[True] * 3, [False] * 3]))


def test_heads_of_the_pooling_must_divide_the_encoders_width():
    spec = ModelSpec(name="tiny", pooling="transformer", pooling_heads=3)
    with pytest.raises(RecipeError, match="pooling_heads = 3: must divide the encoders' width, 8"):
        assemble(TinyTowers(), spec, InteractionSpec(head="none"))
