"""Gradient caching: loss and gradients are those of one plain pass, for any micro-batch and worker count."""

import copy
import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn import functional

from retrieval import fine_losses, loss
from retrieval.batch import Batch, Facts
from retrieval.datasets import count_left_out
from retrieval.distributed import Group
from retrieval.gradients import accumulate_gradients
from retrieval.model import Features, Retriever, assemble
from retrieval.recipe import InteractionSpec, LossSpec, ModelSpec
from tests.support.tiny import TinyTowers, tiny_batch

SPEC = LossSpec(negatives=3, match_weight=0.7, late_weight=1.3)


def build(head: str = "tokens", pooling: str = "transformer") -> Retriever:
    """A tiny model, no parameter of it zero."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = assemble(
            TinyTowers(),
            ModelSpec(name="tiny", random_weights=True, pooling=pooling, pooling_heads=2),
            InteractionSpec(width=16, heads=2, layers=2, head=head),
        )
    with torch.no_grad():
        for parameter in model.parameters():  # nothing may hide behind a zero initialisation
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    return model


def plain_gradients(model: Retriever, batch: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    """The same loss written out in one pass, without caching, chunks or workers."""
    text = model.encode_text(model.tokenize(batch.captions))
    video = model.encode_video(batch.frames, batch.mask)
    cosine = functional.normalize(text.pooled, dim=-1) @ functional.normalize(video.pooled, dim=-1).T
    scores = cosine / model.temperature()
    size = len(scores)
    allowed = torch.tensor(
        [
            [
                i == j
                or (batch.video_ids[i] != batch.video_ids[j] and batch.captions[i] != batch.captions[j])
                for j in range(size)
            ]
            for i in range(size)
        ]
    )
    masked = scores.masked_fill(~allowed, -torch.inf)
    target = torch.arange(size)
    total = (functional.cross_entropy(masked, target) + functional.cross_entropy(masked.T, target)) / 2
    interaction = model.interaction
    if interaction is not None:
        read, watched = interaction.read(text), interaction.watch(video)
        negative = allowed & ~torch.eye(size, dtype=torch.bool)
        late = torch.zeros(size, size)
        if interaction.late is not None:
            late = interaction.every_pair(read, watched)
            masked = late.masked_fill(~allowed, -torch.inf)
            both = functional.cross_entropy(masked, target) + functional.cross_entropy(masked.T, target)
            total = total + SPEC.late_weight * both / 2
        generator = torch.Generator().manual_seed(9)
        for direction, by_row, own in ((0, scores, negative), (1, scores.T, negative.T)):
            drawn = loss.draw_negatives(by_row, own, SPEC.negatives, generator)
            for row in range(size):
                columns = torch.tensor([row, *drawn.columns[row].tolist()])
                rows = torch.full_like(columns, row)
                texts, videos = (rows, columns) if direction == 0 else (columns, rows)
                joint = late.detach()[texts, videos] + interaction.correction(
                    read.take(texts), watched.take(videos)
                )
                fused = joint + interaction.prior_weight() * scores.detach()[texts, videos]
                odds = torch.cat([torch.zeros(1), drawn.log_odds[row]])
                for logits in (joint, fused):
                    picked = functional.cross_entropy((logits - odds)[None], torch.tensor([0]))
                    total = total + SPEC.match_weight * picked / (4 * size)
    model.zero_grad()
    total.backward()
    return float(total.detach()), {
        n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None
    }


def cached_gradients(model: Retriever, batch: Batch, micro_batch: int, group: Group):
    model.zero_grad()
    losses = accumulate_gradients(
        model,
        batch,
        spec=SPEC,
        micro_batch=micro_batch,
        precision="fp32",
        generator=torch.Generator().manual_seed(9),
        group=group,
    )
    group.sum_gradients(model.parameters())
    return losses.total, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, gradient in expected.items():
        torch.testing.assert_close(
            found[name], gradient, rtol=2e-4, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}"
        )
    for name in found.keys() - expected.keys():
        assert not found[name].any(), name


@pytest.mark.parametrize("head", ["none", "mean", "eot", "tokens", "cross"])
@pytest.mark.parametrize("micro_batch", [0, 1, 3, 8])
def test_cached_gradients_are_those_of_one_pass(head, micro_batch):
    model, batch = build(head), tiny_batch(8)
    expected_loss, expected = plain_gradients(copy.deepcopy(model), batch)
    found_loss, found = cached_gradients(model, batch, micro_batch, Group())
    assert found_loss == pytest.approx(expected_loss, rel=1e-5)
    assert_same(found, expected)


def test_late_scores_a_few_rows_at_a_time_have_the_gradients_of_all_at_once(monkeypatch):
    model, batch = build(), tiny_batch(8)
    expected_loss, expected = cached_gradients(copy.deepcopy(model), batch, 0, Group())
    monkeypatch.setattr(fine_losses, "COSINES_AT_ONCE", 8 * 6 * 6 * 3)
    found_loss, found = cached_gradients(model, batch, 0, Group())
    assert found_loss == pytest.approx(expected_loss, rel=1e-6)
    assert_same(found, expected)


def test_a_fine_stage_without_anything_to_learn_trains_beside_frozen_towers():
    model = build("mean")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in ("interaction.log_prior", "log_scale"))
    _, found = cached_gradients(model, tiny_batch(8), 0, Group())
    assert set(found) == {"interaction.log_prior", "log_scale"}
    assert found["interaction.log_prior"].abs() > 0


def test_distillation_teaches_the_coarse_stage_alone():
    """The fused scores are the teacher, and do not move towards their pupil."""
    batch = tiny_batch(8)
    gradients = {}
    for weight in (0.0, 2.0):
        model = build("tokens")
        accumulate_gradients(
            model,
            batch,
            spec=replace(SPEC, distill_weight=weight),
            micro_batch=0,
            precision="fp32",
            generator=torch.Generator().manual_seed(9),
            group=Group(),
        )
        gradients[weight] = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    changed = {
        name for name in gradients[0.0] if not torch.allclose(gradients[0.0][name], gradients[2.0][name])
    }
    assert any(name.startswith("towers.") for name in changed)
    assert not any(name.startswith("interaction.") for name in changed)


def test_dropout_is_replayed_in_the_second_pass():
    batch = tiny_batch(6)
    model = build("none")
    model.towers.dropout = 0.5
    torch.manual_seed(5)
    _, once = cached_gradients(model, batch, 2, Group())
    torch.manual_seed(5)
    expected_loss = accumulate_gradients_without_cache(model, batch)
    expected_loss.backward()
    expected = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert_same(once, expected)


def accumulate_gradients_without_cache(model: Retriever, batch: Batch) -> torch.Tensor:
    """Only the contrastive part, its chunks encoded in the same order with their graphs kept."""
    model.zero_grad()
    texts, videos = [], []
    for start in range(0, 6, 2):
        rows = slice(start, start + 2)
        texts.append(model.encode_text(model.tokenize(batch.captions)[rows]).pooled)
        videos.append(model.encode_video(batch.frames[rows], batch.mask[rows]).pooled)
    scores = (
        functional.normalize(torch.cat(texts), dim=-1) @ functional.normalize(torch.cat(videos), dim=-1).T
    )
    negative = loss.negatives(loss.groups(batch.video_ids), loss.groups(batch.captions))
    return loss.contrastive(scores / model.temperature(), negative)


def test_frozen_encoders_get_no_gradient_and_the_rest_is_unchanged():
    model, batch = build(), tiny_batch(8)
    _, expected = cached_gradients(copy.deepcopy(model), batch, 3, Group())
    for parameter in (*model.towers.parameters(), *model.pooling.parameters()):
        parameter.requires_grad_(False)
    _, found = cached_gradients(model, batch, 3, Group())
    assert set(found) == {"log_scale"} | {name for name in expected if name.startswith("interaction.")}
    assert_same(found, {name: expected[name] for name in found})


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_autocast_gradients_are_close_and_in_float32(precision):
    model, batch = build(), tiny_batch(8)
    _, expected = cached_gradients(copy.deepcopy(model), batch, 0, Group())
    model.zero_grad()
    accumulate_gradients(
        model,
        batch,
        spec=SPEC,
        micro_batch=3,
        precision=precision,
        generator=torch.Generator().manual_seed(9),
        group=Group(),
    )
    found = torch.cat([model.get_parameter(name).grad.flatten() for name in expected])
    wanted = torch.cat([expected[name].flatten() for name in expected])
    assert found.dtype == torch.float32
    assert functional.cosine_similarity(found, wanted, dim=0) > 0.99


def test_the_same_seed_gives_the_same_gradients_on_two_threads():
    """Rows that stand in several pairs collect gradients from each: in one order, however threads come.

    Above torch's grain size of 32,768 numbers; below it nothing is shared out, and this could not fail.
    """
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 8, (512,), generator=generator)
    weight = torch.randn(512, 40, 64, generator=generator) ** 5  # sums that depend on their order
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = []
        for _ in range(12):
            leaf = torch.zeros(8, 40, 64, requires_grad=True)
            features = Features(pooled=leaf[:, 0], tokens=leaf, mask=torch.ones(8, 40, dtype=torch.bool))
            (features.take(rows).tokens * weight).sum().backward()
            found.append(leaf.grad.clone())
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_scale_multiplies_the_gradients_only():
    model, batch = build(), tiny_batch(8)
    once, expected = cached_gradients(model, batch, 3, Group())
    model.zero_grad()
    found = accumulate_gradients(
        model,
        batch,
        spec=SPEC,
        micro_batch=3,
        precision="fp32",
        generator=torch.Generator().manual_seed(9),
        group=Group(),
        scale=8.0,
    )
    assert found.total == once
    assert_same({n: model.get_parameter(n).grad / 8 for n in expected}, expected)


def facts_of(batch: Batch, more: tuple[str, ...] = ()) -> Facts:
    """The plain law of negatives: one video, or one caption."""
    pairs = [(f"video {v}", f"words {c}") for v, c in zip(batch.video_ids, batch.captions, strict=True)]
    return Facts(said=pairs, shown=[(*pair, *more) for pair in pairs])


def test_facts_decide_what_is_a_negative():
    """Every clip shows what every caption says: there is nothing to tell apart, so nothing to learn."""
    batch = tiny_batch(8)
    plain = cached_gradients(build(), batch, 0, Group())[0]
    same = dataclasses.replace(batch, facts=facts_of(batch))
    assert cached_gradients(build(), same, 0, Group())[0] == plain > 0
    all_alike = Facts(said=[("true", "words")] * 8, shown=[("true",)] * 8)
    total, _ = cached_gradients(build(), dataclasses.replace(batch, facts=all_alike), 0, Group())
    assert total == 0


SOME = [True, False, True, True, False, True, False, False]


def mixed_gradients(head: str, batch: Batch, micro_batch: int = 3, distill: float = 0.0):
    """Losses and gradients where captions are for the fine stage alone, as `batch` says."""
    model = build(head)
    losses = accumulate_gradients(
        model, batch, spec=replace(SPEC, distill_weight=distill), micro_batch=micro_batch, precision="fp32",
        generator=torch.Generator().manual_seed(9), group=Group(),
    )  # fmt: skip
    return losses, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("head", ["mean", "eot", "tokens", "cross"])
@pytest.mark.parametrize("distill", [0.0, 2.0])
def test_captions_for_the_fine_stage_alone_reach_no_encoder(head, distill):
    """Neither their own gradient nor another for what they say: the words of them may be any."""
    batch = tiny_batch(8)
    every = dataclasses.replace(batch, fine_only=[True] * 8)
    losses, gradients = mixed_gradients(head, every, distill=distill)
    assert losses.contrastive == 0 < losses.matching
    taught = {name for name, gradient in gradients.items() if gradient.any()}
    assert taught and all(name.startswith("interaction.") for name in taught)

    some = dataclasses.replace(batch, fine_only=SOME)
    others = [
        " ".join(reversed(text.split())) if only else text
        for text, only in zip(batch.captions, SOME, strict=True)
    ]
    losses, gradients = mixed_gradients(head, some, distill=distill)
    told_otherwise = mixed_gradients(head, dataclasses.replace(some, captions=others), distill=distill)
    assert losses.contrastive == told_otherwise[0].contrastive > 0
    # The end of text of these towers says nothing of the words before it.
    assert (losses.matching == told_otherwise[0].matching) == (head == "eot")
    encoders = {name: g for name, g in gradients.items() if not name.startswith("interaction.")}
    assert any(g.any() for g in encoders.values())
    assert_same({name: told_otherwise[1][name] for name in encoders}, encoders)


@pytest.mark.parametrize("micro_batch", [1, 3, 8])
def test_captions_for_the_fine_stage_alone_count_alike_in_any_micro_batch(micro_batch, monkeypatch):
    batch = dataclasses.replace(tiny_batch(8), fine_only=SOME)
    once, expected = mixed_gradients("tokens", batch, micro_batch=0)
    monkeypatch.setattr(fine_losses, "COSINES_AT_ONCE", 1)  # late scores row by row
    losses, found = mixed_gradients("tokens", batch, micro_batch)
    assert dataclasses.astuple(losses) == pytest.approx(dataclasses.astuple(once), rel=1e-5)
    assert_same(found, expected)


def work(rank: int, size: int, folder: str) -> None:
    """One of `size` processes: its share of the batch, its gradients written out."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous{size}", rank=rank, world_size=size
    )
    group = Group(rank=rank, size=size)
    batch = tiny_batch(8)
    rows = group.share(8)
    own = Batch(
        frames=batch.frames[rows],
        mask=batch.mask[rows],
        captions=batch.captions[rows],
        video_ids=batch.video_ids[rows],
        keys=batch.keys[rows],
    )
    found = cached_gradients(build(), own, 3, group)
    # The same as facts, of which the second worker's clips have one more each.
    told = dataclasses.replace(own, facts=facts_of(own, more=("of no text",) * rank))
    by_facts, gradients = cached_gradients(build(), told, 3, group)
    assert by_facts == found[0]
    assert_same(gradients, found[1])
    mixed = dataclasses.replace(own, fine_only=SOME[rows])
    found = (*found, *cached_gradients(build(), mixed, 3, group))
    # Each worker has met a broken video of its own, and both have met video 7.
    union = group.union({rank: "missing", 7: "broken"})
    torch.save((*found, union), f"{folder}/rank{rank}.pt")
    distributed.destroy_process_group()


def test_any_number_of_workers_gives_the_gradients_of_one(tmp_path: Path):
    expected_loss, expected = cached_gradients(build(), tiny_batch(8), 0, Group())
    mixed = dataclasses.replace(tiny_batch(8), fine_only=SOME)
    of_mixed = cached_gradients(build(), mixed, 0, Group())
    assert of_mixed[0] != expected_loss
    multiprocessing.spawn(work, args=(2, str(tmp_path)), nprocs=2)
    for rank in range(2):
        found_loss, found, mixed_loss, mixed, union = torch.load(tmp_path / f"rank{rank}.pt")
        assert count_left_out(union) == {"missing": 2, "broken": 1, "empty": 0}
        assert found_loss == pytest.approx(expected_loss, rel=1e-5)
        assert_same(found, expected)
        assert mixed_loss == pytest.approx(of_mixed[0], rel=1e-5)
        assert_same(mixed, of_mixed[1])
