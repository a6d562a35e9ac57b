"""An architecture read off the shapes of a file's tensors."""

import copy

import open_clip
import pytest
import torch

from retrieval.recipe import ModelSpec
from tests.support.weights import CONFIG, assert_is, build, plain_clip

#: torch announces TorchScript's end; the original release of CLIP stays what it is.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.*:FutureWarning",
    "ignore:.*torch.jit.*:DeprecationWarning",
    "ignore::torch.jit.TracerWarning",
)


@pytest.mark.parametrize(
    "vision",
    [CONFIG["vision_cfg"], {"image_size": 64, "layers": [1, 2, 1, 1], "width": 8, "patch_size": None}],
    ids=["transformer", "resnet"],
)
def test_a_weights_file_alone_tells_its_architecture(tmp_path, vision):
    clip = plain_clip({**CONFIG, "vision_cfg": vision})
    torch.save({**clip.state_dict(), "input_resolution": torch.tensor(1)}, tmp_path / "x.pt")
    assert_is(build(ModelSpec(name=str(tmp_path / "x.pt"))), clip)


def test_a_registered_architecture_is_recognised_with_what_no_shape_tells(tmp_path, monkeypatch):
    """ViT-H and its like have heads of another width, which only the register knows."""
    known = {**CONFIG, "vision_cfg": {**CONFIG["vision_cfg"], "head_width": 32}}
    monkeypatch.setattr(open_clip, "list_models", lambda: ["wide"])
    monkeypatch.setattr(open_clip, "get_model_config", lambda name: copy.deepcopy(known))
    clip = plain_clip(known)
    torch.save({**clip.state_dict(), "input_resolution": torch.tensor(1)}, tmp_path / "x.pt")
    assert_is(build(ModelSpec(name=str(tmp_path / "x.pt"))), clip)


def test_tensors_of_another_layout_do_not_tell_an_architecture(tmp_path):
    torch.save({"layers.0.weight": torch.ones(2, 2)}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="its tensors do not tell the architecture; name it too"):
        build(ModelSpec(name=str(tmp_path / "x.pt")))
