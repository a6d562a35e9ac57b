"""One pass of the towers gives a video's features and each frame's."""

import pytest
import torch

from retrieval.datasets import Fitted, FrameReader
from retrieval.encode import pad_clips
from retrieval.intake import encode_with_frames
from tests.support.judged import build, recipe_of


@torch.no_grad()
def test_one_pass_gives_the_videos_features_and_each_frames(videos):
    model = build(recipe_of({"name": "table"}))
    reader = FrameReader.of(recipe_of({"name": "table"}).frames)
    clips = [reader.read(videos / name, None) for name in ("clips/v0.mp4", "still0.png")]
    frames, mask = pad_clips([clip for clip in clips if isinstance(clip, Fitted)])
    ran = []
    encode = model.towers.encode_frames
    model.towers.encode_frames = lambda frames: ran.append(len(frames)) or encode(frames)
    features, vectors = encode_with_frames(model, frames, mask)
    assert ran == [int(mask.sum())] and ran[0] < mask.numel(), "padding is no work for the towers"
    whole = model.encode_video(frames, mask)
    for name in ("pooled", "tokens", "mask"):
        torch.testing.assert_close(getattr(features, name), getattr(whole, name))
    for i, length in enumerate(mask.sum(1).tolist()):
        for t in range(length):
            alone = model.encode_video(frames[i : i + 1, t : t + 1], mask[i : i + 1, t : t + 1]).pooled[0]
            cosine = torch.nn.functional.cosine_similarity(vectors[i, t], alone, dim=0)
            assert float(cosine) == pytest.approx(1.0, abs=1e-5)
