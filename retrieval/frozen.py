"""Frame features of towers that do not learn, computed once and then read from the cache."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from retrieval.cache import Cache, content_hash, key_of
from retrieval.encode import towers_digest
from retrieval.model import Features, Retriever
from retrieval.recipe import TrainRecipe
from retrieval.video import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenFrames:
    """Each clip's features as the towers give them for its frames, before the temporal pooling, which may
    learn. Kept in float32 by the clip's pixels and by all that decides what the towers make of them."""

    cache: Cache
    towers: str

    def encode_video(
        self,
        model: Retriever,
        frames: Shaped[Tensor, "b t ..."],
        mask: Bool[Tensor, "b t"],
        device: torch.device,
    ) -> Features:
        """`model.encode_video` of these clips; the towers run for those alone that the cache has not."""
        clips = [frames[row, mask[row]] for row in range(len(frames))]
        keys = [key_of(frames=_content(clip), towers=self.towers) for clip in clips]
        kept = {key: self._get(key) for key in keys}
        fresh = {key: clip for key, clip in zip(keys, clips, strict=True) if kept[key] is None}
        if fresh:
            lengths = [len(clip) for clip in fresh.values()]
            made = model.towers.encode_frames(torch.cat(list(fresh.values())).to(device))
            ends = torch.tensor(lengths).cumsum(0).tolist()
            for key, end, length in zip(fresh, ends, lengths, strict=True):
                one = made[end - length : end].float().to("cpu")
                kept[key] = one
                self._put(key, one)
        single = Features.cat([features for key in keys if (features := kept[key]) is not None])
        return model.pool_frames(single.to(device), mask.to(device))

    def _get(self, key: str) -> Features | None:
        arrays = self.cache.get(key)
        return None if arrays is None else Features(**{k: torch.from_numpy(v) for k, v in arrays.items()})

    def _put(self, key: str, one: Features) -> None:
        arrays = {"pooled": one.pooled, "tokens": one.tokens, "mask": one.mask}
        self.cache.put(key, {name: value.numpy() for name, value in arrays.items()})


def frozen_frames(
    model: Retriever, recipe: TrainRecipe, frames: Shaped[Tensor, "n ..."]
) -> FrozenFrames | None:
    """The cache of `data.cache` where it can be of use and changes nothing, else None.

    None where there is no `data.cache`; where frames differ from epoch to epoch (a sampler that draws,
    `new_takes`), since nothing would be found again; where a parameter behind a frame's features learns; and
    where the towers draw (dropout). The last two are seen by encoding `frames`, some frames of the data.
    """
    sampler = Sampler(name=recipe.frames.sampler, position=recipe.frames.train_position)
    if not recipe.data.cache or sampler.draws or recipe.data.new_takes:
        return None
    device = model.log_scale.device
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.enable_grad():
        before = _random_state(device)
        probe = model.towers.encode_frames(frames.to(device))
        draws = not torch.equal(before, _random_state(device))
    if draws or probe.pooled.requires_grad or probe.tokens.requires_grad:
        return None
    digest = f"{towers_digest(model)} {recipe.train.precision}"
    return FrozenFrames(cache=Cache(folder=Path(recipe.data.cache) / "frozen"), towers=digest)


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _content(clip: Tensor) -> str:
    pixels = clip.contiguous().numpy()
    return f"{content_hash(pixels.tobytes())} {pixels.shape} {pixels.dtype}"
