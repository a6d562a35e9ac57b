"""Read shards of any format back: the frames of every clip, rendered on the way where a shard is virtual."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from jaxtyping import UInt8

from animate.data import Rejected, Sample, Take
from animate.film import Still, film, replay, replay_source
from animate.formats import stored_frames
from animate.recipe import BuildRecipe
from animate.record import read_record
from animate.shards.place import PLAN, Place
from animate.shards.plan import read_plan
from animate.shards.read import NoShards, find_tars, read_tar
from animate.strict_toml import from_table


class LoadedClip(TypedDict):
    """One clip: `frames` is RGB (a view of channels-last memory), `json` what the build recorded of it."""

    key: str
    frames: UInt8[np.ndarray, "t 3 h w"]
    caption: str
    captions: list[str]
    json: dict[str, Any]


def load_clips(
    urls: str | Path | Sequence[str | Path],
    *,
    shard: tuple[int, int] = (0, 1),
    epoch: int = 0,
    device: str = "cpu",
) -> Iterator[LoadedClip]:
    """The clips of shards in order: of a folder, tars, globs, brace patterns, or URLs that fsspec opens.

    `shard` = (i, n) reads the i-th of n shares: whole tars where there are n of them, else single clips.
    `epoch` films virtual clips anew: 0 gives the clips as built, e what take `take + e * takes` of a build
    with more takes would hold; clips stored as pixels are the same in every epoch. `device` is where
    virtual clips are rendered.

    Raises `NoShards` for shards that are not there, not whole, or hold something else.
    """
    index, count = shard
    if not 0 <= index < count:
        raise ValueError(f"shard = {shard}: must be (i, n) with 0 <= i < n")
    if epoch < 0:
        raise ValueError(f"epoch = {epoch}: must be at least 0")
    tars = find_tars(urls)
    whole_tars = len(tars) >= count
    return _clips(tars[index::count] if whole_tars else tars, (0, 1) if whole_tars else shard, epoch, device)


def _clips(tars: Sequence[str], share: tuple[int, int], epoch: int, device: str) -> Iterator[LoadedClip]:
    index, count = share
    number = 0
    for url in tars:
        recipe: BuildRecipe | None = None
        for key, members in read_tar(url):
            number += 1
            if (number - 1) % count != index:
                continue
            if "json" not in members:
                raise NoShards(f"{url}: {key} has no json: not a clip of `animate build`")
            table = json.loads(members["json"])
            frames = stored_frames(members)
            if frames is None:
                if "shot" not in table or "jpg" not in members:
                    raise NoShards(f"{url}: {key} holds neither frames nor a still with its shot")
                if epoch:
                    recipe = recipe or recipe_beside(url)
                    table = retake(members["jpg"], table, recipe, epoch)
                frames = replay(members["jpg"], table, device)
            yield LoadedClip(
                key=table["key"],
                frames=frames.transpose(0, 3, 1, 2),
                caption=table["caption"],
                captions=table["captions"],
                json=table,
            )


def recipe_beside(url: str) -> BuildRecipe:
    """The recipe of the build that made the tar; `NoShards` if its plan is no longer beside it."""
    folder = url.rpartition("/")[0] or "."
    plan = read_plan(Place.at(folder))
    if plan is None:
        raise NoShards(f"{url}: new takes need the build's plan, and {folder}/{PLAN} is missing")
    return from_table(BuildRecipe, plan.recipe)


def retake(image: bytes, table: Mapping[str, Any], recipe: BuildRecipe, epoch: int) -> dict[str, Any]:
    """The JSON that the clip of a virtual shard has in a later epoch, given `table`, the one that it has;
    `replay` gives its frames."""
    record, carried = read_record(table)
    take = Take(source_key=record.source_key, index=record.take + epoch * recipe.takes)
    sample = Sample(
        key=record.source_key,
        image=image,
        captions=tuple(record.captions),
        meta={"url": record.url, "sha256": record.sha256},
    )
    clip = film([sample], [Still(image, replay_source(record))], take, recipe)
    # The bounds that can fail at all fail for every take of a still, and this one has been filmed.
    assert not isinstance(clip, Rejected), clip
    return {**carried, **clip.record.table()}
