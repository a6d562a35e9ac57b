"""Frame features of towers that do not learn, computed once and then read from the cache."""

from pathlib import Path

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from retrieval.cache import Cache, content_hash, key_of
from retrieval.gradients import EncodeVideo, encode_afresh
from retrieval.model import Features, Retriever
from retrieval.model.digest import towers_digest
from retrieval.recipe import Precision, TrainRecipe
from retrieval.video import Sampler


def frozen_or_afresh(recipe: TrainRecipe) -> EncodeVideo:
    """How a training run encodes its clips: through the cache of `data.cache` where a clip may come again.

    No clip does where the sampler draws, or where `new_takes` films each epoch anew.
    """
    sampler = Sampler(name=recipe.frames.sampler, position=recipe.frames.train_position)
    if not recipe.data.cache or sampler.draws or recipe.data.new_takes:
        return encode_afresh
    return FrozenFrames(Cache(folder=Path(recipe.data.cache) / "frozen"), recipe.train.precision)


class FrozenFrames:
    """An `EncodeVideo` whose towers run once for each clip, if they do not learn; else they run every time.

    Kept are each clip's features as the towers give them for its frames, before the temporal pooling, which
    may learn: in float32, by the clip's pixels and by all that decides what the towers make of them. Whether
    the towers learn is known when the loop has frozen its parameters, so it is looked at on the first call.
    """

    def __init__(self, cache: Cache, precision: Precision) -> None:
        self._cache, self._precision = cache, precision
        #: Of the towers as they stay, "" for towers that change, None before the first call.
        self._towers: str | None = None

    def __call__(
        self, model: Retriever, frames: Shaped[Tensor, "b t ..."], mask: Bool[Tensor, "b t"]
    ) -> Features:
        """`model.encode_video` of these clips; the towers run for those alone that the cache has not."""
        if self._towers is None:
            stay = _give_the_same_always(model, frames[0, mask[0]])
            self._towers = f"{towers_digest(model)} {self._precision}" if stay else ""
        if not self._towers:
            return encode_afresh(model, frames, mask)
        device = model.log_scale.device
        clips = [frames[row, mask[row]] for row in range(len(frames))]
        keys = [key_of(frames=_content(clip), towers=self._towers) for clip in clips]
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
        arrays = self._cache.get(key)
        return None if arrays is None else Features(**{k: torch.from_numpy(v) for k, v in arrays.items()})

    def _put(self, key: str, one: Features) -> None:
        arrays = {"pooled": one.pooled, "tokens": one.tokens, "mask": one.mask}
        self._cache.put(key, {name: value.numpy() for name, value in arrays.items()})


def _give_the_same_always(model: Retriever, frames: Shaped[Tensor, "n ..."]) -> bool:
    """Whether no parameter behind a frame's features learns and the towers draw nothing (dropout).

    Seen by encoding `frames`, in full precision and with a graph, whatever is going on around; torch's
    generators are then as they were.
    """
    device = model.log_scale.device
    devices = [device] if device.type == "cuda" else []
    plainly = torch.autocast(device.type, enabled=False)
    with torch.random.fork_rng(devices=devices), torch.enable_grad(), plainly:
        before = _random_state(device)
        probe = model.towers.encode_frames(frames.to(device))
        draws = not torch.equal(before, _random_state(device))
    return not (draws or probe.pooled.requires_grad or probe.tokens.requires_grad)


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _content(clip: Tensor) -> str:
    pixels = clip.contiguous().numpy()
    return f"{content_hash(pixels.tobytes())} {pixels.shape} {pixels.dtype}"
