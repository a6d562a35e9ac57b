"""Models opened for use, whatever they come from."""

import pytest
import torch
from open_clip import CLIP

from retrieval.pretrained import open_model
from retrieval.reference import find_model
from tests.support.judged import CONFIG

CPU = torch.device("cpu")


def test_a_bare_model_takes_frames_of_its_own_size_and_was_trained_on_nothing(weights):
    loaded = open_model(find_model(str(weights)), CPU)
    assert loaded.recipe.frames.size == 32
    assert loaded.model.interaction is None and not loaded.model.training
    assert (loaded.info["trained_on"], loaded.info["looked_at_test"]) == (None, False)
    assert loaded.reference == str(weights.resolve())
    again = open_model(find_model(loaded.reference), CPU)
    assert again.info["digest"] == loaded.info["digest"]
    with pytest.raises(ValueError, match=r"frames.size = 64: this encoder takes \(32, 32\) pixels"):
        open_model(find_model(str(weights), ["frames.size=64"]), CPU)


def test_what_is_said_of_the_model_counts(tmp_path):
    path = tmp_path / "x.pt"
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "width": 64, "heads": 1}}
    torch.save(CLIP(**config).state_dict(), path)
    with pytest.raises(ValueError, match="does not record its activation"):
        open_model(find_model(str(path)), CPU)
    assert open_model(find_model(str(path), ["model.activation=gelu"]), CPU).info["activation"] == "gelu"
