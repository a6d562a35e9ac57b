"""An evaluation changes with nothing that is no part of its protocol."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing

from retrieval import metrics, normalise
from retrieval.checkpoint import load_checkpoint
from retrieval.compute import Compute
from retrieval.datasets import Absent, FrameReader, Split, open_dataset
from retrieval.distributed import Group
from retrieval.encode import encode_split
from retrieval.errors import DataError
from retrieval.evaluate import BEST_OWN, BEST_PER_VIDEO, evaluate, evaluate_split, measure, score_split
from retrieval.recipe import DataSpec
from retrieval.rerank import CHANCE
from tests.support.evaluating import CPU, HERE, numbers, split_of
from tests.support.judged import build, recipe_of, save_run

HEADS = ("none", "mean", "eot", "tokens", "cross")


class Shuffled:
    """The same clips in another order."""

    def __init__(self, clips, order) -> None:
        self.clips, self.order = clips, order

    def __len__(self) -> int:
        return len(self.order)

    def caption_counts(self):
        return self.clips.caption_counts()[self.order]

    def stills(self):
        return self.clips.stills()[self.order]

    def captions(self, index):
        return self.clips.captions(self.order[index])

    def absent(self):
        return Absent()

    def read(self, index, reader, rng, epoch):
        return self.clips.read(self.order[index], reader, rng, epoch)


def shuffle(split: Split, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(split.video_ids)).tolist()
    where = {old: new for new, old in enumerate(order)}
    captions = [(where[video], text) for video, text in split.captions]
    return Split(
        name=split.name,
        clips=Shuffled(split.clips, order),
        video_ids=tuple(split.video_ids[i] for i in order),
        captions=tuple(captions[i] for i in rng.permutation(len(captions))),
    )


@pytest.mark.parametrize("head", HEADS)
def test_order_of_gallery_and_queries_and_batch_size_change_nothing(table, head):
    split = split_of(table)
    plain = numbers(split, head)
    assert numbers(split, head, batch_size=10) == plain
    for seed in range(3):
        shuffled = shuffle(split, seed)
        assert shuffled.digest() == split.digest()
        assert numbers(shuffled, head, batch_size=4) == plain


@pytest.mark.parametrize("head", HEADS)
def test_a_gallery_that_is_not_square_gives_a_rank_to_every_query(table, head):
    found = numbers(split_of(table), head)
    stages = {"coarse"} if head == "none" else {"coarse", "fine", CHANCE, "fused"}
    assert set(found["text_to_video"]) == stages
    for stage in stages:
        row = found["text_to_video"][stage]["expected"]
        assert (row["num_queries"], row["num_gallery"], row["num_failed"]) == (20, 10, 2)
        for rule, gallery in ((BEST_OWN, 20), (BEST_PER_VIDEO, 10)):
            row = found["video_to_text"][rule][stage]["expected"]
            assert (row["num_queries"], row["num_gallery"], row["num_failed"]) == (10, gallery, 1)


def test_a_fine_stage_that_knows_nothing_is_at_chance_within_its_candidates(table):
    """R@1 of a random order of K candidates is 1/K where the answer is among them, and 0 where it is not."""
    split, recipe = split_of(table), recipe_of({"name": "table"}, "cross")
    model = build(recipe)
    encoded = encode_split(model, split, FrameReader.of(recipe.frames), compute=HERE, batch_size=4)
    for k in (1, 4, 10):
        by_text, by_video = score_split(model, encoded, top_k=k, compute=HERE)
        found = measure(encoded, by_text, by_video, top_k=k)["text_to_video"]
        among = 100 * metrics.text_to_video(by_text.coarse, split.caption_videos).hits(k).mean()
        assert found[CHANCE]["expected"]["R@1"] == pytest.approx(among / min(k, 9))  # one of ten is missing
        assert found[CHANCE]["expected"]["R@10"] == pytest.approx(found["coarse"]["expected"]["R@10"])
    with torch.no_grad():
        for parameter in model.interaction.parameters():
            parameter.zero_()
    by_text, by_video = score_split(model, encoded, top_k=4, compute=HERE)
    found = measure(encoded, by_text, by_video, top_k=4)
    for stages in (found["text_to_video"], found["video_to_text"][BEST_OWN]):
        assert stages["fine"] == stages[CHANCE]


def share(rank: int, size: int, folder: str, table: str) -> None:
    """One of `size` processes that evaluate together."""
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=size
    )
    read: list[int] = []

    class Counted(Shuffled):
        def read(self, index, *others):
            read.append(index)
            return super().read(index, *others)

    split, recipe = split_of(Path(table)), recipe_of({"name": "table"})
    compute = Compute(device=CPU, group=Group(rank=rank, size=size))
    model = build(recipe)
    counted = replace(split, clips=Counted(split.clips, range(10)))
    encoded = encode_split(model, counted, FrameReader.of(recipe.frames), compute=compute, batch_size=2)
    by_text, by_video = score_split(model, encoded, top_k=4, compute=compute)
    found = measure(encoded, by_text, by_video, top_k=4)
    Path(folder, f"{rank}.json").write_text(json.dumps({"read": sorted(read), "found": found}))
    distributed.destroy_process_group()


def test_workers_share_an_evaluation_and_each_has_the_whole_result(table, tmp_path):
    multiprocessing.spawn(share, args=(2, str(tmp_path), str(table)), nprocs=2)
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [one["read"] for one in told] == [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7]]
    alone = json.loads(json.dumps(numbers(split_of(table), "tokens", batch_size=2)))
    assert told[0]["found"] == told[1]["found"] == alone


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_evaluation_computes_in_the_recipes_precision_and_says_so(table, tmp_path, precision):
    data = {"name": "table", "held_out_table": str(table)}
    recipe = recipe_of(data, train={"precision": precision})
    checkpoint = load_checkpoint(save_run(tmp_path, recipe))
    kinds: set[torch.dtype] = set()
    for module in checkpoint.model.modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_hook(lambda _, __, out: kinds.add(out.dtype))
    result = evaluate(checkpoint, open_dataset(recipe.data), "test", top_k=3, device=CPU)
    assert result["protocol"]["precision"] == precision
    assert result["model"]["prior_weight"] == pytest.approx(1.0)
    assert kinds == {torch.bfloat16 if precision == "bf16" else torch.float16}


def test_candidates_of_all_is_the_same_as_k_at_the_size_of_the_gallery(table):
    assert (
        numbers(split_of(table), "tokens", top_k=None)["text_to_video"]
        == (numbers(split_of(table), "tokens", top_k=20)["text_to_video"])
    )


def test_flat_numbers_for_a_training_run(table):
    recipe = recipe_of({"name": "table", "validation_table": str(table)})
    split = open_dataset(recipe.data).part("validation")
    flat = evaluate_split(build(recipe), recipe, split, compute=HERE)
    assert flat["mean_R@1"] == (flat["t2v_R@1"] + flat["v2t_R@1"]) / 2
    assert flat["failed_videos"] == 1.0
    assert {"t2v_R@10", "t2v_MdR", "v2t_MnR"} <= set(flat)


def test_a_part_that_is_not_there_is_refused(table):
    dataset = open_dataset(DataSpec(name="table", table=str(table)))
    with pytest.raises(DataError, match=r"table: has no validation part; name data\.validation_table, or "):
        dataset.part("validation")
    with pytest.raises(DataError, match=r"table: has no test part; name data\.held_out_table$"):
        dataset.part("test")
    with pytest.raises(DataError, match="must be one of validation, test"):
        dataset.part("train")


def test_every_tie_rule_stands_in_the_result(result):
    for stages in (result["results"]["text_to_video"], *result["results"]["video_to_text"].values()):
        for stage in ("coarse", "fine", "fused"):
            assert list(stages[stage]) == ["expected", "optimistic", "pessimistic"]
            assert set(stages[stage]["expected"]) >= {"R@1", "R@5", "R@10", "R@50", "MdR", "MnR"}
    assert result["results"]["oracle_recall"]["K"] == 3


def test_post_processing_has_columns_of_its_own_and_touches_no_other(result):
    assert set(result["post_processed"]) == {normalise.DUAL_SOFTMAX_LABEL, normalise.QUERY_BANK_LABEL}
    assert result["post_processed"][normalise.QUERY_BANK_LABEL]["num_bank_queries"] == 10


def test_the_curve_rises_in_pairs_and_ends_with_all(result):
    points = result["curve"]
    assert [point["pairs_per_query"] for point in points] == [1.0, 5.0, 9.0]
    assert [point["all"] for point in points] == [False, False, True]
    oracle = [point["oracle_recall"] for point in points]
    assert oracle == sorted(oracle)
    # Failed queries stay failed, even with every candidate.
    assert oracle[-1] == 90.0
    # One candidate cannot be put into another order.
    coarse = result["results"]["text_to_video"]["coarse"]["expected"]
    assert points[0]["R@1"] == coarse["R@1"]


def test_unknown_post_processing_is_refused(table, tmp_path):
    data = {"name": "table", "held_out_table": str(table)}
    checkpoint = load_checkpoint(save_run(tmp_path, recipe_of(data)))
    dataset = open_dataset(checkpoint.recipe.data)
    with pytest.raises(DataError, match="must be one of dual-softmax, query-bank"):
        evaluate(checkpoint, dataset, "test", top_k=3, post_processing=("luck",), device=CPU)
    with pytest.raises(DataError, match="needs the training part's captions"):
        evaluate(checkpoint, dataset, "test", top_k=3, post_processing=("query-bank",), device=CPU)
