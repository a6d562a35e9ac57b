"""Previews and what they look at."""

import io

import numpy as np
import pytest
from PIL import Image

from animate.codec import decode_mp4, encode_gif, encode_mp4, encode_png
from animate.preview import contact_sheet, preview, sheet_of_all, shot_list
from animate.recipe import VideoRecipe
from animate.strict_toml import RecipeError

VIDEO = VideoRecipe(size=64, num_frames=8, fps=8)


@pytest.fixture(scope="module")
def still() -> np.ndarray:
    y, x = np.mgrid[:120, :160]
    return np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)


def test_the_sheet_shows_the_views_on_the_still_and_the_frames(still):
    take = preview(still, shot_list("push_in"), VIDEO)
    assert take.frames.shape == (8, 64, 64, 3)
    sheet = contact_sheet(take, "push_in", num_frames=4)
    assert sheet.shape[2] == 3
    assert (sheet[-64:, -64:] == take.frames[-1]).all(), "the last frame stands last"
    red = (sheet[:, :85, 0].astype(int) - sheet[:, :85, 1] > 120).sum()
    assert red > 20, "the last view is drawn in red on the still"


def test_one_sheet_holds_every_component_and_preset(still):
    from animate.components import COMPONENTS
    from animate.recipe import preset_names

    sheet = sheet_of_all(still, VIDEO, num_frames=3)
    rows = len(COMPONENTS) + len([name for name in preset_names() if name != "montage"])
    assert sheet.shape[0] == rows * (64 + 20 + 6)


def test_an_unknown_shot_lists_presets_and_components():
    with pytest.raises(RecipeError, match=r"push_in.*whip_pan"):
        shot_list("moonwalk")


def test_a_montage_has_no_preview(still):
    with pytest.raises(RecipeError, match="montage"):
        preview(still, shot_list("montage"), VIDEO)


def test_the_clip_is_written_as_people_view_it(still):
    frames = preview(still, shot_list("truck"), VIDEO).frames
    gif = Image.open(io.BytesIO(encode_gif(frames, 8)))
    assert (gif.n_frames, gif.size, gif.info["duration"]) == (8, (64, 64), 125 // 10 * 10)
    png = np.asarray(Image.open(io.BytesIO(encode_png(frames[0]))))
    np.testing.assert_array_equal(png, frames[0])
    assert len(decode_mp4(encode_mp4(frames, fps=8, crf=20, preset="veryfast"))) == 8
