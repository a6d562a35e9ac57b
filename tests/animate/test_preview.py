"""Previews and what they look at."""

import io
import re
import typing

import numpy as np
import pytest
from PIL import Image

from animate.codec import decode_mp4, encode_gif, encode_mp4, encode_png
from animate.components import COMPONENTS
from animate.preview import SHUTTERS, contact_sheet, demonstrations, preview, sheet_of_all, shot_list
from animate.recipe import EditRecipe, VideoRecipe, preset_names
from animate.strict_toml import RecipeError

VIDEO = VideoRecipe(size=64, num_frames=8, fps=8)


@pytest.fixture(scope="module")
def stills() -> list[np.ndarray]:
    y, x = np.mgrid[:120, :160]
    still = np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)
    return [still, 255 - still, np.ascontiguousarray(still[:, 20:140])]


def test_the_sheet_shows_the_views_on_the_still_and_the_frames(stills):
    take = preview(stills[:1], shot_list("push_in"), VIDEO)
    assert take.frames.shape == (8, 64, 64, 3)
    assert "push in" in take.label
    assert re.fullmatch(r"[A-Z].*(in|closer)\.", take.caption)
    sheet = contact_sheet(take, "push_in", num_frames=4)
    assert sheet.shape[2] == 3
    assert (sheet[-64:, -64:] == take.frames[-1]).all(), "the last frame stands last"
    red = (sheet[:, :85, 0].astype(int) - sheet[:, :85, 1] > 120).sum()
    assert red > 20, "the last view is drawn in red on the still"


def test_one_sheet_holds_every_component_preset_and_transition_and_an_open_shutter(stills):
    recipes = demonstrations(num_frames=3, video=VIDEO)
    assert COMPONENTS.keys() | set(preset_names()) <= recipes.keys()
    transitions = typing.get_args(typing.get_args(typing.get_type_hints(EditRecipe)["transitions"])[0])
    assert {*transitions, *SHUTTERS} == recipes.keys() - COMPONENTS.keys() - set(preset_names())
    sheet = sheet_of_all(stills, VIDEO, num_frames=3)
    assert sheet.shape[0] == len(recipes) * (64 + 20 + 6)


def test_the_whole_sheet_needs_as_many_stills_as_the_longest_montage(stills):
    with pytest.raises(RecipeError, match=r"3.*2"):
        sheet_of_all(stills[:2], VIDEO)


def test_a_transition_shows_both_stills_and_what_lies_between(stills):
    """A dissolve has frames between the two colours, a fade has dark ones, a cut neither."""
    frames = {}
    for kind in ("cut", "dissolve", "fade"):
        recipe, video = demonstrations(num_frames=4, video=VIDEO)[kind]
        plain = [np.full((120, 160, 3), value, np.uint8) for value in (200, 100)]
        frames[kind] = preview(plain, recipe, video).frames.mean(axis=(1, 2, 3))
        assert frames[kind][0] == pytest.approx(200, abs=1)
        assert frames[kind][-1] == pytest.approx(100, abs=1)
    assert set(frames["cut"].round(-1)) == {200, 100}
    assert ((frames["dissolve"] > 110) & (frames["dissolve"] < 190)).any()
    assert frames["dissolve"].min() > 95
    assert frames["fade"].min() < 90


def test_the_open_shutter_blurs_the_same_whip_pan():
    """Edges across the pan keep less contrast; the camera is the same."""
    stripes = np.where(np.arange(240)[None, :, None] // 8 % 2, 220, 30).astype(np.uint8)
    stripes = np.broadcast_to(stripes, (180, 240, 3)).copy()
    takes = []
    for title in SHUTTERS:
        recipe, video = demonstrations(num_frames=8, video=VIDEO)[title]
        takes.append(preview([stripes], recipe, video))
    for closed, opened in zip(takes[0].layers, takes[1].layers, strict=True):
        np.testing.assert_array_equal(closed.homographies[0], opened.homographies[0])
    contrasts = [np.abs(np.diff(take.frames[4].astype(int), axis=1)).mean() for take in takes]
    assert contrasts[1] < 0.7 * contrasts[0]


def test_an_unknown_shot_lists_presets_and_components():
    with pytest.raises(RecipeError, match=r"push_in.*whip_pan"):
        shot_list("moonwalk")


def test_a_montage_films_all_of_its_stills(stills):
    take = preview(stills, shot_list("montage"), VIDEO)
    assert [layer.still for layer in take.layers] == [0, 1, 2]
    sheet = contact_sheet(take, "montage", num_frames=4)
    widths = [round(still.shape[1] * 64 / still.shape[0]) for still in stills]
    assert sheet.shape[1] == sum(widths) + 2 * 64 + 4 * 6, "every further still takes the place of a frame"


@pytest.mark.parametrize(
    ("shot", "given", "message"), [("montage", 1, r"3.*1 given"), ("truck", 2, r"1.*2 given")]
)
def test_a_shot_needs_as_many_stills_as_it_films(stills, shot, given, message):
    with pytest.raises(RecipeError, match=message):
        preview(stills[:given], shot_list(shot), VIDEO)


def test_the_clip_is_written_as_people_view_it(stills):
    frames = preview(stills[:1], shot_list("truck"), VIDEO).frames
    gif = Image.open(io.BytesIO(encode_gif(frames, 8)))
    assert (gif.n_frames, gif.size, gif.info["duration"]) == (8, (64, 64), 125 // 10 * 10)
    png = np.asarray(Image.open(io.BytesIO(encode_png(frames[0]))))
    np.testing.assert_array_equal(png, frames[0])
    assert len(decode_mp4(encode_mp4(frames, fps=8, crf=20, preset="veryfast"))) == 8
