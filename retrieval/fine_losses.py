"""The losses of the fine stage on one batch of features, and their gradient, in as little memory as is given.

    late        contrastive, of the late-interaction scores of every text with every video of the batch
    matching    sampled softmax, of joint and of fused scores, over each pair and negatives drawn for it

The late scores learn from the first alone: in the second they stand without a graph, so that what is added to
them (cross-attention, the prior) learns what they leave over. With negatives drawn from the coarse scores and
their odds taken off, joint and fused scores are asked for the same thing; without, each asked for the other's
residual.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from retrieval import loss
from retrieval.compute import Compute
from retrieval.loss import Drawn
from retrieval.model import Features, Interaction
from retrieval.recipe import LossSpec
from retrieval.score import fuse, prepare_pairs

#: Cosines of words with frame tokens that are held at once: a quarter of a GiB of them, and as much again of
#: gradient.
COSINES_AT_ONCE = 1 << 26


@dataclass(frozen=True, slots=True, kw_only=True)
class FineBatch:
    """Gathered features of a batch, its coarse scores without a graph, and which pairs may be negatives.

    `rows` are this worker's. Where only some pairs are `counted`, no other text is scored, and the losses are
    the share of those pairs in the mean over all.
    """

    text: Features
    video: Features
    coarse: Float[Tensor, "b b"]
    negative: Bool[Tensor, "b b"]
    rows: slice
    counted: Bool[Tensor, " b"] | None = None

    def own_rows(self, rows: slice) -> Int[Tensor, " r"]:
        """Those of `rows` that count."""
        numbers = torch.arange(rows.start, rows.stop, device=self.coarse.device)
        return numbers if self.counted is None else numbers[self.counted[rows]]

    @property
    def share(self) -> float:
        """Of the pairs that count, among all."""
        return 1.0 if self.counted is None else float(self.counted.float().mean())


def by_stage(batch: FineBatch, fine_only: Bool[Tensor, " b"] | None) -> list[FineBatch]:
    """The batch; or, where some texts are for the fine stage alone, one of all others and one of those.

    In the latter no gradient reaches the encoders: what the coarse stage sees is not changed by these texts.
    """
    if fine_only is None:
        return [batch]
    return [
        replace(batch, counted=~fine_only, negative=batch.negative & ~fine_only[:, None]),
        replace(
            batch,
            text=batch.text.detach(),
            video=batch.video.detach(),
            counted=fine_only,
            negative=batch.negative & fine_only[:, None],
        ),
    ]


def late_loss(
    interaction: Interaction, batch: FineBatch, compute: Compute, *, scale: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "b b"]]:
    """This worker's share of the loss, and the late scores of all pairs, without a graph; the gradient of the
    loss times `scale` is sent on.

    The scores of a few rows of texts have a graph at once: first all without one, then the gradient with
    respect to them, then row by row again with a graph, each sent its part.
    """
    device = batch.coarse.device
    if interaction.late is None:
        return torch.zeros((), device=device), torch.zeros_like(batch.coarse)
    per_row = len(batch.video) * batch.text.tokens.shape[1] * batch.video.tokens.shape[1]
    step = max(1, COSINES_AT_ONCE // max(1, per_row))
    own_rows = batch.own_rows(batch.rows)
    blocks = own_rows.split(step) if len(own_rows) else ()
    learned = [part for part in (interaction.late, interaction.together) if part is not None]
    trains = any(parameter.requires_grad for part in learned for parameter in part.parameters())
    trains = trains or batch.text.tokens.requires_grad or batch.video.tokens.requires_grad

    def scores(block: Int[Tensor, " r"]) -> Float[Tensor, "r b"]:
        with compute.autocast():
            read, watched = interaction.read(batch.text.take(block)), interaction.watch(batch.video)
        return interaction.every_pair(read, watched)

    with torch.set_grad_enabled(trains and len(blocks) == 1):
        parts = [scores(block) for block in blocks]
    # Rows that do not count are nought: workers exchange shares of one shape.
    own = torch.zeros(batch.rows.stop - batch.rows.start, len(batch.video), device=device)
    for block, part in zip(blocks, parts, strict=True):
        own[block - batch.rows.start] = part.detach().float()
    everything = compute.group.gather(own).requires_grad_()
    total = batch.share * loss.contrastive(everything, batch.negative, counted=batch.counted)
    share = batch.share * loss.contrastive(everything.detach(), batch.negative, batch.rows, batch.counted)
    if trains and scale:
        [wanted] = torch.autograd.grad(scale * total, everything)
        for block, part in zip(blocks, parts, strict=True):
            part = part if len(blocks) == 1 else scores(block)
            part.backward(wanted[block].to(part.dtype))
    return share, everything.detach()


def draw_both_ways(batch: FineBatch, spec: LossSpec, generator: torch.Generator) -> tuple[Drawn, Drawn]:
    """Negatives of every text and of every video; the same on every worker."""
    device = batch.coarse.device
    drawn = (
        loss.draw_negatives(batch.coarse, batch.negative, spec.negatives, generator),
        loss.draw_negatives(batch.coarse.T, batch.negative.T, spec.negatives, generator),
    )
    of_texts, of_videos = (
        Drawn(columns=d.columns.to(device), log_odds=d.log_odds.to(device), there=d.there.to(device))
        for d in drawn
    )
    return of_texts, of_videos


def matching_loss(
    interaction: Interaction,
    batch: FineBatch,
    late: Float[Tensor, "b b"],
    drawn: tuple[Drawn, Drawn],
    rows: slice,
    compute: Compute,
) -> Float[Tensor, ""]:
    """The share of these rows in the mean loss, over both directions and joint and fused scores."""
    own_rows = batch.own_rows(rows)
    if not len(own_rows):
        return torch.zeros((), device=batch.coarse.device)
    pairs = _pairs(drawn, own_rows)
    with compute.autocast():
        read, watched, places = prepare_pairs(interaction, batch.text, batch.video, pairs)
        more = interaction.correction(read.take(places[:, 0]), watched.take(places[:, 1])).float()
    joint = late[pairs[:, 0], pairs[:, 1]] + more
    fused = fuse(interaction, batch.coarse[pairs[:, 0], pairs[:, 1]], joint)
    total = torch.zeros((), device=joint.device)
    for scores in (joint, fused):
        for own, others, negatives in _by_direction(scores, drawn, own_rows):
            total = total + loss.sampled_softmax(own, others, negatives)
    return total / (4 * len(batch.coarse))


def distillation_loss(
    interaction: Interaction,
    batch: FineBatch,
    coarse: Float[Tensor, "b b"],
    late: Float[Tensor, "b b"],
    drawn: tuple[Drawn, Drawn],
    rows: slice,
    compute: Compute,
) -> Float[Tensor, ""]:
    """The share of these rows in the mean cross-entropy of the coarse scores to the fused ones.

    Over each pair and its drawn negatives; only the coarse scores have a graph.
    """
    own_rows = batch.own_rows(rows)
    if not len(own_rows):
        return torch.zeros((), device=coarse.device)
    pairs = _pairs(drawn, own_rows)
    with torch.no_grad(), compute.autocast():
        read, watched, places = prepare_pairs(interaction, batch.text, batch.video, pairs)
        more = interaction.correction(read.take(places[:, 0]), watched.take(places[:, 1])).float()
    picked = coarse[pairs[:, 0], pairs[:, 1]]
    with torch.no_grad():
        fused = fuse(interaction, picked, late[pairs[:, 0], pairs[:, 1]] + more)
    total = torch.zeros((), device=coarse.device)
    for (own, others, negatives), (own_fused, others_fused, _) in zip(
        _by_direction(picked, drawn, own_rows), _by_direction(fused, drawn, own_rows), strict=True
    ):
        student = torch.cat([own.unsqueeze(1), others - negatives.log_odds], dim=1).log_softmax(dim=1)
        teacher = torch.cat([own_fused.unsqueeze(1), others_fused - negatives.log_odds], dim=1).softmax(dim=1)
        total = total - ((student * teacher).sum(dim=1) * negatives.there).sum()
    return total / (2 * len(coarse))


def _pairs(drawn: tuple[Drawn, Drawn], rows: Int[Tensor, " r"]) -> Int[Tensor, "p 2"]:
    """The rows' own pairs, then each text with its drawn videos, then each video with its drawn texts.

    Rows 0 and 1 with 2 negatives each: (0, 0) (1, 1) | (0, a) (0, b) (1, c) (1, d) | (e, 0) (f, 0) (g, 1) (h,
    1).
    """
    of_texts, of_videos = drawn
    repeated = rows.repeat_interleave(of_texts.columns.shape[1])
    texts = torch.cat([rows, repeated, of_videos.columns[rows].flatten()])
    videos = torch.cat([rows, of_texts.columns[rows].flatten(), repeated])
    return torch.stack([texts, videos], dim=1)


def _by_direction(
    scores: Float[Tensor, " p"], drawn: tuple[Drawn, Drawn], rows: Int[Tensor, " r"]
) -> list[tuple[Float[Tensor, " r"], Float[Tensor, "r n"], Drawn]]:
    """Scores of `_pairs` as each text's own and others, then each video's."""
    number, count = len(rows), drawn[0].columns.shape[1]
    own, of_texts, of_videos = scores.split([number, number * count, number * count])
    return [
        (own, others.unflatten(0, (number, count)), _of_rows(negatives, rows))
        for others, negatives in zip((of_texts, of_videos), drawn, strict=True)
    ]


def _of_rows(drawn: Drawn, rows: Int[Tensor, " r"]) -> Drawn:
    return Drawn(columns=drawn.columns[rows], log_odds=drawn.log_odds[rows], there=drawn.there[rows])
