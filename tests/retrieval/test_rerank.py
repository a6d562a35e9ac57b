"""Both stages over a whole split."""

import json

import numpy as np

from retrieval import metrics
from retrieval.datasets import FrameReader
from retrieval.encode import encode_split, encode_texts, encode_videos
from retrieval.evaluate import score_split
from retrieval.rerank import score_direction
from tests.support.evaluating import HERE, numbers, split_of
from tests.support.judged import build, recipe_of, write_table


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
