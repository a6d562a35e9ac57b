"""The curve over K: its values as they are asked for, and its picture."""

import numpy as np
import pytest
from PIL import Image

from retrieval.curve import draw_curve, parse_curve
from retrieval.errors import DataError


def test_values_of_k():
    assert parse_curve("50, 5,all,10,5") == [5, 10, 50, None]
    for text in ("5,x", "0", "", "-1"):
        with pytest.raises(DataError, match="is neither a number above 0 nor all"):
            parse_curve(text)


def test_the_curve_is_drawn_as_a_picture(result, tmp_path):
    draw_curve(result["curve"], tmp_path / "curve.png", "a title")
    with Image.open(tmp_path / "curve.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.min() < 100
    assert (pixels == 255).all(axis=2).mean() > 0.5
