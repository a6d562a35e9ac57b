"""Corpora for measuring: a folder of photographs of any length, and large pictures made of real pixels."""

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from animate.recipe import BuildRecipe, read_recipe


def lay_out(photographs: Sequence[Path], folder: Path) -> list[Path]:
    """A folder source of these photographs: linked or copied under numbered names, a caption beside each."""
    folder.mkdir(parents=True)
    files = []
    for number, photograph in enumerate(photographs):
        path = folder / f"{number:06d}.jpg"
        try:
            os.link(photograph, path)
        except OSError:  # another file system
            path.write_bytes(photograph.read_bytes())
        path.with_suffix(".txt").write_text(f"Photograph number {number}.\n", encoding="utf-8")
        files.append(path)
    return files


def recipe_for(folder: Path, *overrides: str) -> BuildRecipe:
    """The default recipe over a folder source, with `"a.b=value"` overrides."""
    return read_recipe(None, ['source.name="folder"', f'source.path="{folder}"', *overrides])


def mosaic(photographs: Sequence[Path], width: int, height: int, seed: int) -> np.ndarray:
    """A picture of `width` x `height` real pixels: photographs at their own size laid side by side.

    Enlarging a small one instead would leave nothing in it that could alias.
    """
    order = np.random.default_rng(seed).permutation(len(photographs))
    picture = np.empty((height, width, 3), np.uint8)
    taken, top = 0, 0
    while top < height:
        left, row = 0, height
        while left < width:
            data = photographs[order[taken % len(order)]].read_bytes()
            tile = simplejpeg.decode_jpeg(data, "RGB")
            taken += 1
            if left == 0:
                row = min(tile.shape[0], height - top)
            tile = tile[:row]
            if tile.shape[0] < row:
                tile = cv2.copyMakeBorder(tile, 0, row - tile.shape[0], 0, 0, cv2.BORDER_REFLECT_101)
            tile = tile[:, : width - left]
            picture[top : top + row, left : left + tile.shape[1]] = tile
            left += tile.shape[1]
        top += row
    return picture
