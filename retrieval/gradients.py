"""Gradients of one batch of any size on a small device: the loss over all pairs, the graph of a few clips.

Gradient caching (Gao et al. 2021, arXiv 2101.06983): encode in micro-batches without a graph; take the
loss and its gradient with respect to the features, which are small; encode again, micro-batch by
micro-batch with a graph, and send each its part of that gradient. The result is that of one pass.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from retrieval import loss, score
from retrieval.batch import Batch
from retrieval.compute import Compute, autocast
from retrieval.distributed import Group
from retrieval.fine_losses import (
    FineBatch,
    by_stage,
    distillation_loss,
    draw_both_ways,
    late_loss,
    matching_loss,
)
from retrieval.model import Features, Retriever
from retrieval.recipe import LossSpec, Precision

#: `encode_video(model, frames, mask)`: the model's features, on its device, of clips that lie on the CPU.
EncodeVideo = Callable[[Retriever, Shaped[Tensor, "b t ..."], Bool[Tensor, "b t"]], Features]


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Of one batch over all workers: the parts, and their weighted sum."""

    contrastive: float
    late: float
    matching: float
    total: float


def encode_afresh(model: Retriever, frames: Shaped[Tensor, "b t ..."], mask: Bool[Tensor, "b t"]) -> Features:
    """The `EncodeVideo` that is always right: the model's own pass over all frames."""
    device = model.log_scale.device
    return model.encode_video(frames.to(device, non_blocking=True), mask.to(device, non_blocking=True))


def accumulate_gradients(
    model: Retriever,
    batch: Batch,
    *,
    spec: LossSpec,
    micro_batch: int,
    precision: Precision,
    generator: torch.Generator,
    group: Group,
    scale: float = 1.0,
    encode_video: EncodeVideo = encode_afresh,
) -> Losses:
    """Add this worker's part of the gradient of `scale` times the loss to every parameter's `.grad`.

    The parts of all workers sum to the gradient of the loss over the gathered batch: follow with
    `group.sum_gradients`. `micro_batch` is how many clips have a graph at once, 0 for all; `generator` draws
    the hard negatives and must be seeded alike on every worker. Works with any `Retriever`, whatever its
    towers.
    """
    device = model.log_scale.device
    encoding = _Encoding(model, batch, micro_batch, precision, encode_video)
    text, video = encoding.first_pass()

    length = group.largest(int(text.mask.sum(dim=1).max()))
    whole_text = _gathered(text.trim(length), group, trains=encoding.trains)
    whole_video = _gathered(video, group, trains=encoding.trains)
    negative = _negatives(batch, group, device)
    rows = group.share(len(whole_text))

    compute = Compute(device=device, precision=precision, group=group)
    scores = score.coarse(whole_text, whole_video, model.temperature())
    fine_only = _fine_only(batch, group, device)
    contrastive = loss.contrastive(scores, negative, rows, None if fine_only is None else ~fine_only)
    late = matching = distilled = torch.zeros((), device=device)
    interaction = model.interaction
    if interaction is not None:
        whole = FineBatch(
            text=whole_text, video=whole_video, coarse=scores.detach(), negative=negative, rows=rows
        )
        batches = by_stage(whole, fine_only)
        for fine in batches:
            own_late, late_scores = late_loss(interaction, fine, compute, scale=scale * spec.late_weight)
            late = late + own_late
            drawn = draw_both_ways(fine, spec, generator)
            for chunk in _chunks(rows, micro_batch):
                part = matching_loss(interaction, fine, late_scores, drawn, chunk, compute)
                if part.requires_grad:
                    (scale * spec.match_weight * part).backward()
                matching = matching + part.detach()
            if spec.distill_weight and fine is batches[0]:
                distilled = distillation_loss(interaction, fine, scores, late_scores, drawn, rows, compute)
    (scale * (contrastive + spec.distill_weight * distilled)).backward()

    if encoding.trains:
        encoding.second_pass(
            _own_gradient(whole_text, rows, group), _own_gradient(whole_video, rows, group), length
        )
    sums = torch.stack([contrastive.detach(), late, matching, distilled.detach()]).double()
    group.sum_(sums)
    weights = (1.0, spec.late_weight, spec.match_weight, spec.distill_weight)
    parts = sums.tolist()
    return Losses(
        contrastive=parts[0],
        late=parts[1],
        matching=parts[2],
        total=sum(weight * part for weight, part in zip(weights, parts, strict=True)),
    )


class _Encoding:
    """One worker's clips through the encoders, twice where they do not fit at once."""

    def __init__(
        self,
        model: Retriever,
        batch: Batch,
        micro_batch: int,
        precision: Precision,
        encode_video: EncodeVideo,
    ) -> None:
        self.model = model
        self.encode_video = encode_video
        self.device = model.log_scale.device
        self.precision: Precision = precision
        self.frames = batch.frames
        self.mask = batch.mask
        self.ids = model.tokenize(batch.captions)
        self.chunks = _chunks(slice(0, len(batch.captions)), micro_batch)
        encoders = (model.towers, model.pooling)
        self.trains = any(
            parameter.requires_grad
            for module in encoders
            if isinstance(module, torch.nn.Module)
            for parameter in module.parameters()
        )
        self.random: list[Callable[[], AbstractContextManager[None]]] = []
        self.kept: tuple[Features, Features] | None = None

    def first_pass(self) -> tuple[Features, Features]:
        """Text and video features of all clips; the graph is kept only if one micro-batch holds all."""
        texts, videos = [], []
        keep = self.trains and len(self.chunks) == 1
        for chunk in self.chunks:
            self.random.append(_replay_random(self.device))
            with torch.set_grad_enabled(keep):
                text, video = self._encode(chunk)
            texts.append(text)
            videos.append(video)
        if keep:
            self.kept = (texts[0], videos[0])
        return Features.cat(texts), Features.cat(videos)

    def second_pass(self, text_gradient: Features, video_gradient: Features, length: int) -> None:
        """Send the gradient of the features on through the encoders."""
        for chunk, replay in zip(self.chunks, self.random, strict=True):
            if self.kept is not None:
                text, video = self.kept
            else:
                with replay():
                    text, video = self._encode(chunk)
            text = text.trim(length)
            wanted = text_gradient[chunk], video_gradient[chunk]
            outputs = [text.pooled, text.tokens, video.pooled, video.tokens]
            gradients = [wanted[0].pooled, wanted[0].tokens, wanted[1].pooled, wanted[1].tokens]
            pairs = [pair for pair in zip(outputs, gradients, strict=True) if pair[0].requires_grad]
            torch.autograd.backward([pair[0] for pair in pairs], [pair[1] for pair in pairs])

    def _encode(self, chunk: slice) -> tuple[Features, Features]:
        frames, mask = self.frames[chunk], self.mask[chunk]
        with autocast(self.device, self.precision):
            text = self.model.encode_text(self.ids[chunk].to(self.device, non_blocking=True))
            video = self.encode_video(self.model, frames, mask)
        if self.model.interaction is None:
            text, video = text.without_tokens(), video.without_tokens()
        return text.float(), video.float()


def _negatives(batch: Batch, group: Group, device: torch.device) -> Bool[Tensor, "all all"]:
    """Which pairs of a text and a video of all workers may count as negatives."""
    facts = batch.facts
    if facts is None:
        videos, captions = loss.groups(batch.video_ids, device), loss.groups(batch.captions, device)
        return loss.negatives(group.gather(videos), group.gather(captions))
    width = group.largest(max(map(len, facts.shown)))
    # A fact that is named twice is as good as one that is named once.
    shown = [name for names in facts.shown for name in (*names, *names[:1] * (width - len(names)))]
    said = [name for names in facts.said for name in names]
    return loss.negatives_by_facts(
        group.gather(loss.groups(said, device).unflatten(0, (-1, 2))),
        group.gather(loss.groups(shown, device).unflatten(0, (-1, width))),
    )


def _fine_only(batch: Batch, group: Group, device: torch.device) -> Bool[Tensor, " all"] | None:
    """Which texts of all workers are for the fine stage alone; None where there are none of those."""
    if batch.fine_only is None:
        return None
    return group.gather(torch.tensor(batch.fine_only, device=device))


def _gathered(features: Features, group: Group, *, trains: bool) -> Features:
    """The features of all workers, as leaves that collect a gradient where the encoders want one."""
    return Features(
        pooled=group.gather(features.pooled).requires_grad_(trains),
        tokens=group.gather(features.tokens).requires_grad_(trains),
        mask=group.gather(features.mask),
    )


def _own_gradient(whole: Features, rows: slice, group: Group) -> Features:
    """The gradient with respect to this worker's features, of the losses of all workers."""
    pooled, tokens = (
        torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in (whole.pooled, whole.tokens)
    )
    group.sum_(pooled)
    group.sum_(tokens)
    return Features(pooled=pooled[rows], tokens=tokens[rows], mask=whole.mask[rows])


def _chunks(rows: slice, size: int) -> list[slice]:
    """Consecutive pieces of at most `size` rows; one piece for 0."""
    step = size or rows.stop - rows.start
    return [slice(start, min(start + step, rows.stop)) for start in range(rows.start, rows.stop, step)]


def _replay_random(device: torch.device) -> Callable[[], AbstractContextManager[None]]:
    """A context in which torch's generators give again what they give from here on (dropout)."""
    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    @contextmanager
    def replay() -> Iterator[None]:
        with torch.random.fork_rng(devices=[device] if cuda is not None else []):
            torch.set_rng_state(cpu)
            if cuda is not None:
                torch.cuda.set_rng_state(cuda, device)
            yield

    return replay
