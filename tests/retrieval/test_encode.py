"""Features of a split: without padding, from the cache, and of what can be read."""

import pytest
import torch

from retrieval.cache import Cache
from retrieval.datasets import FrameReader
from retrieval.encode import Ragged, encode_videos
from retrieval.errors import DataError
from retrieval.model import Features
from tests.support.evaluating import CPU, HERE, split_of
from tests.support.judged import build, recipe_of, write_table


def test_ragged_gives_back_what_it_was_made_of():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([3, 1, 5, 2])
    mask = torch.arange(5) < lengths[:, None]
    tokens = torch.randn(4, 5, 6, generator=generator) * mask[..., None]
    whole = Features(pooled=torch.randn(4, 2, generator=generator), tokens=tokens, mask=mask)
    ragged = Ragged.of([whole[:2].trim(3), whole[2:]])
    again = ragged.gather([3, 0, 2], CPU)
    torch.testing.assert_close(again.tokens, tokens[[3, 0, 2]])
    torch.testing.assert_close(again.pooled, whole.pooled[[3, 0, 2]])
    assert again.mask.tolist() == mask[[3, 0, 2]].tolist()
    assert ragged.gather([1], CPU).tokens.shape == (1, 1, 6)
    with pytest.raises(ValueError, match="real tokens must come before padding"):
        Ragged.of([Features(pooled=whole.pooled, tokens=tokens, mask=mask.flip(1))])


def test_cached_features_are_the_encoded_ones(table, tmp_path):
    recipe = recipe_of({"name": "table"})
    model, clips = build(recipe), split_of(table).clips
    reader, cache = FrameReader.of(recipe.frames), Cache(folder=tmp_path)
    plain, first, again = (
        encode_videos(model, clips, reader, compute=HERE, batch_size=4, cache=kept)
        for kept in (None, cache, cache)
    )
    for other in (first, again):
        torch.testing.assert_close(other.features.tokens, plain.features.tokens, rtol=1e-5, atol=1e-6)
        assert other.health == plain.health
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 9
    # Another model's features are never taken for these.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    changed = encode_videos(model, clips, reader, compute=HERE, batch_size=4, cache=cache)
    assert not torch.allclose(changed.features.pooled, plain.features.pooled)
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 18


def test_no_readable_video_is_an_error_and_not_a_score(tmp_path):
    table = write_table(tmp_path, 2, missing=(0,))
    (tmp_path / "v1.mp4").write_bytes(b"broken")
    recipe = recipe_of({"name": "table"})
    with pytest.raises(DataError, match="none of 2 can be read"):
        encode_videos(build(recipe), split_of(table).clips, FrameReader.of(recipe.frames), compute=HERE)
