"""An evaluation changes with nothing that is no part of its protocol, and says what is."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import distributed, multiprocessing

from retrieval import metrics, normalise
from retrieval.cache import Cache
from retrieval.checkpoint import load_checkpoint
from retrieval.compute import Compute
from retrieval.curve import draw_curve, parse_curve
from retrieval.datasets import Absent, FrameReader, Split, open_dataset
from retrieval.distributed import Group
from retrieval.encode import Ragged, encode_split, encode_texts, encode_videos
from retrieval.errors import DataError
from retrieval.evaluate import BEST_OWN, BEST_PER_VIDEO, evaluate, evaluate_split, measure, score_split
from retrieval.health import check_part, parts_of
from retrieval.model import Features
from retrieval.protocol import refuse_overlap, write_result
from retrieval.recipe import DataSpec
from retrieval.rerank import CHANCE, score_direction
from tests.support.judged import build, recipe_of, save_run, write_table

CPU = torch.device("cpu")
HERE = Compute(device=CPU)
HEADS = ("none", "mean", "eot", "tokens", "cross")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Ten videos with two captions each, one of them not on disk."""
    return write_table(tmp_path_factory.mktemp("videos"), 10, captions=2, missing=(4,))


def split_of(table: Path) -> Split:
    return open_dataset(DataSpec(name="table", held_out_table=str(table))).part("test")


def numbers(split: Split, head: str, *, batch_size: int = 3, top_k: int | None = 4) -> dict:
    recipe = recipe_of({"name": "table"}, head)
    model = build(recipe)
    encoded = encode_split(model, split, FrameReader.of(recipe.frames), compute=HERE, batch_size=batch_size)
    by_text, by_video = score_split(model, encoded, top_k=top_k, compute=HERE)
    return measure(encoded, by_text, by_video, top_k=top_k)


class Shuffled:
    """The same clips in another order."""

    def __init__(self, clips, order) -> None:
        self.clips, self.order = clips, order

    def __len__(self) -> int:
        return len(self.order)

    def caption_counts(self):
        return self.clips.caption_counts()[self.order]

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


def test_a_result_names_the_processor(table, tmp_path):
    checkpoint = load_checkpoint(
        save_run(tmp_path, recipe_of({"name": "table", "held_out_table": str(table)}))
    )
    dataset = open_dataset(checkpoint.recipe.data)
    device = evaluate(checkpoint, dataset, "test", top_k=3, device=CPU)["protocol"]["device"]
    name, threads = device.rsplit(", ", 1)
    assert threads == f"{torch.get_num_threads()} threads"
    assert name not in ("", "cpu")
    if Path("/proc/cpuinfo").is_file() and "model name" in Path("/proc/cpuinfo").read_text():
        assert name in Path("/proc/cpuinfo").read_text()


def test_candidates_of_all_is_the_same_as_k_at_the_size_of_the_gallery(table):
    assert (
        numbers(split_of(table), "tokens", top_k=None)["text_to_video"]
        == (numbers(split_of(table), "tokens", top_k=20)["text_to_video"])
    )


def test_only_the_candidates_of_each_query_are_scored_again(table):
    split = split_of(table)
    different = len({text for _, text in split.captions})
    for k in (1, 4):
        pairs = numbers(split, "tokens", top_k=k)["pairs_scored"]
        assert pairs == {"text_to_video": different * k, "video_to_text": 9 * k}
    assert numbers(split, "none")["pairs_scored"] == {"text_to_video": 0, "video_to_text": 0}


def test_below_k_the_first_stage_order_stays(table):
    split, recipe = split_of(table), recipe_of({"name": "table"})
    model = build(recipe)
    encoded = encode_split(model, split, FrameReader.of(recipe.frames), compute=HERE, batch_size=4)
    by_text, by_video = score_split(model, encoded, top_k=3, compute=HERE)
    for direction in (by_text, by_video):
        for scores in (direction.joint, direction.fused):
            assert scores is not None
            for coarse, final in zip(direction.coarse, scores, strict=True):
                if np.isneginf(coarse).all():
                    assert np.isneginf(final).all()
                    continue
                first, last = np.argsort(-coarse, kind="stable"), np.argsort(-final, kind="stable")
                third = coarse[first[2]]
                inside = coarse >= third
                assert set(last[: inside.sum()]) == set(np.flatnonzero(inside))
                below = [i for i in last if not inside[i]]
                assert [coarse[i] for i in below] == [coarse[i] for i in first if not inside[i]]


def test_equal_captions_tie_to_the_last_bit(tmp_path):
    table = write_table(tmp_path, 5)
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    rows[3]["captions"] = rows[1]["captions"]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = recipe_of({"name": "table"})
    model = build(recipe)
    encoded = encode_split(model, split_of(table), FrameReader.of(recipe.frames), compute=HERE, batch_size=2)
    _, by_video = score_split(model, encoded, top_k=2, compute=HERE)
    for scores in by_video.stages().values():
        np.testing.assert_array_equal(scores[:, 1], scores[:, 3])


def test_ragged_gives_back_what_it_was_made_of():
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([3, 1, 5, 2])
    mask = torch.arange(5) < lengths[:, None]
    tokens = torch.randn(4, 5, 6, generator=generator) * mask[..., None]
    whole = Features(pooled=torch.randn(4, 2, generator=generator), tokens=tokens, mask=mask)
    ragged = Ragged.of([whole[:2].trim(3), whole[2:]])
    again = ragged.gather([3, 0, 2], CPU)
    torch.testing.assert_close(again.tokens, tokens[[3, 0, 2]])
    torch.testing.assert_close(again.pooled, whole.pooled[[3, 0, 2]])
    assert again.mask.tolist() == mask[[3, 0, 2]].tolist()
    assert ragged.gather([1], CPU).tokens.shape == (1, 1, 6)
    with pytest.raises(ValueError, match="real tokens must come before padding"):
        Ragged.of([Features(pooled=whole.pooled, tokens=tokens, mask=mask.flip(1))])


def test_cached_features_are_the_encoded_ones(table, tmp_path):
    recipe = recipe_of({"name": "table"})
    model, clips = build(recipe), split_of(table).clips
    reader, cache = FrameReader.of(recipe.frames), Cache(folder=tmp_path)
    plain, first, again = (
        encode_videos(model, clips, reader, compute=HERE, batch_size=4, cache=kept)
        for kept in (None, cache, cache)
    )
    for other in (first, again):
        torch.testing.assert_close(other.features.tokens, plain.features.tokens, rtol=1e-5, atol=1e-6)
        assert other.health == plain.health
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 9
    # Another model's features are never taken for these.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    changed = encode_videos(model, clips, reader, compute=HERE, batch_size=4, cache=cache)
    assert not torch.allclose(changed.features.pooled, plain.features.pooled)
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == 18


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


def test_no_readable_video_is_an_error_and_not_a_score(tmp_path):
    table = write_table(tmp_path, 2, missing=(0,))
    (tmp_path / "v1.mp4").write_bytes(b"broken")
    recipe = recipe_of({"name": "table"})
    with pytest.raises(DataError, match="none of 2 can be read"):
        encode_videos(build(recipe), split_of(table).clips, FrameReader.of(recipe.frames), compute=HERE)


# --- The stored result ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def result(table, tmp_path_factory) -> dict:
    data = {"name": "table", "table": str(table), "held_out_table": str(table)}
    run = save_run(tmp_path_factory.mktemp("run"), recipe_of(data), {"name": "table", "videos": "1"})
    checkpoint = load_checkpoint(run)
    return evaluate(
        checkpoint,
        open_dataset(checkpoint.recipe.data),
        "test",
        top_k=3,
        post_processing=("dual-softmax", "query-bank"),
        curve=(1, 5, None),
        device=CPU,
    )


def test_a_result_says_how_it_was_measured(result, table):
    protocol = result["protocol"]
    assert protocol["split_hash"] == split_of(table).digest()
    assert protocol["frames"] == "uniform_segments middle 3, shorter side 32 and centre crop, pyav"
    assert protocol["token_limit"] == 16
    assert protocol["candidates_re_ranked"] == 3
    assert protocol["post_processing"] == ["dual-softmax", "query-bank"]
    assert protocol["selected_on"] == "none"
    assert protocol["selection_looked_at_test"] is False
    assert protocol["split_is_official"] is False
    assert set(protocol["versions"]) >= {"torch", "open_clip_torch", "python"}
    assert result["videos_by_status"] == {"ok": 9, "missing": 1}
    assert len(result["model"]["digest"]) == 64


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


def test_a_result_is_written_as_json_and_its_curve_as_a_picture(result, tmp_path):
    write_result(tmp_path / "new" / "result.json", result)
    assert json.loads((tmp_path / "new" / "result.json").read_text()) == json.loads(json.dumps(result))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_result(tmp_path / "nan.json", {"R@1": float("nan")})
    assert not (tmp_path / "nan.json").exists()
    draw_curve(result["curve"], tmp_path / "curve.png", "a title")
    with Image.open(tmp_path / "curve.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert pixels.min() < 100
    assert (pixels == 255).all(axis=2).mean() > 0.5


def test_values_of_k():
    assert parse_curve("50, 5,all,10,5") == [5, 10, 50, None]
    for text in ("5,x", "0", "", "-1"):
        with pytest.raises(DataError, match="is neither a number above 0 nor all"):
            parse_curve(text)


def test_unknown_post_processing_is_refused(table, tmp_path):
    data = {"name": "table", "held_out_table": str(table)}
    checkpoint = load_checkpoint(save_run(tmp_path, recipe_of(data)))
    dataset = open_dataset(checkpoint.recipe.data)
    with pytest.raises(DataError, match="must be one of dual-softmax, query-bank"):
        evaluate(checkpoint, dataset, "test", top_k=3, post_processing=("luck",), device=CPU)
    with pytest.raises(DataError, match="needs the training part's captions"):
        evaluate(checkpoint, dataset, "test", top_k=3, post_processing=("query-bank",), device=CPU)


def test_a_checkpoint_that_began_with_one_selected_on_test_says_so(table, tmp_path):
    recipe = recipe_of({"name": "table", "held_out_table": str(table)})
    before = {"name": "table", "looked_at_test": True}
    checkpoint = load_checkpoint(save_run(tmp_path, recipe, {"name": "table", "before": before}))
    result = evaluate(checkpoint, open_dataset(recipe.data), "test", top_k=3, device=CPU)
    assert result["protocol"]["selected_on"] == "none"
    assert result["protocol"]["selection_looked_at_test"] is True


def test_a_checkpoint_selected_on_test_says_so(table, tmp_path):
    data = {"name": "table", "held_out_table": str(table)}
    recipe = recipe_of(data)
    recipe = replace(recipe, eval=replace(recipe.eval, select_on="test"))
    checkpoint = load_checkpoint(save_run(tmp_path, recipe))
    result = evaluate(checkpoint, open_dataset(recipe.data), "test", top_k=3, device=CPU)
    assert result["protocol"]["selection_looked_at_test"] is True


# --- Refusals ---------------------------------------------------------------------------------------------


def test_a_model_of_the_9k_list_is_refused_on_the_full_test(table):
    nine = {"name": "msrvtt", "split": "9k", "videos": "ce586ac32b3021aa2b1a0300e70f05e4"}
    seven = {"name": "msrvtt", "split": "7k", "videos": "eccdf5d79b61a0013b27ffbfccdbb4a9"}
    full, one_k = (replace(split_of(table), name=name) for name in ("msrvtt full test", "msrvtt 1k-A test"))
    for trained_on in (nine, {"name": "table", "before": {"name": "shards", "before": nine}}):
        with pytest.raises(DataError, match="msrvtt 9k, which shares 1,990 videos with msrvtt full test"):
            refuse_overlap(trained_on, full)
        refuse_overlap(trained_on, one_k)
    for other in (seven, None, {}):
        refuse_overlap(other, full)


# --- Unreadable videos ------------------------------------------------------------------------------------


def test_an_unreadable_video_fails_its_own_queries_and_no_others(tmp_path):
    """Scores among the readable videos are those of a gallery without the broken one."""
    table = write_table(tmp_path, 6)
    recipe = recipe_of({"name": "table"})
    model = build(recipe)

    def ranks() -> metrics.Ranks:
        split = split_of(table)
        videos = encode_videos(model, split.clips, FrameReader.of(recipe.frames), compute=HERE)
        texts = encode_texts(model, split.texts, compute=HERE)
        found = score_direction(model, texts, videos, 6, rows="text", top_k=3, compute=HERE)
        return metrics.text_to_video(found.coarse, split.caption_videos)

    whole = ranks()
    (tmp_path / "v2.mp4").write_bytes((tmp_path / "v2.mp4").read_bytes()[:300])
    broken = ranks()
    assert broken.failed.tolist() == [False, False, True, False, False, False]
    assert broken.at()[2] == 6
    others = [0, 1, 3, 4, 5]
    assert (broken.at()[others] <= whole.at()[others]).all()


def test_check_finds_what_evaluation_will_find(table):
    data = DataSpec(name="table", table=str(table), validation_table=str(table), held_out_table=str(table))
    parts = parts_of(open_dataset(data))
    assert list(parts) == ["train", "validation", "test"]
    recipe = recipe_of({"name": "table"})
    findings = list(check_part(parts["train"], recipe.frames, "", threads=2))
    assert [finding.video_id for finding in findings] == [f"v{i}.mp4" for i in range(10)]
    assert [finding.status for finding in findings if not finding.usable] == ["missing"]
