"""The data card says what manifest and tables say, and is the same for equal builds."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest

from animate.build import build_shards
from animate.codec import encode_jpeg
from animate.executor import HERE, Workforce
from animate.shards.card import card_sha256, count_licences, counted
from animate.shards.place import BuildRefused, Place
from animate.shards.plan import read_plan
from animate.shards.verify import repair, verify
from tests.support.pictures import picture
from tests.support.shard_sets import build_set, recipe_of


@pytest.fixture(scope="module")
def licensed(tmp_path_factory):
    """A set of eight stills under three licences, one without, one whose image is none."""
    folder = tmp_path_factory.mktemp("licensed")
    licences = ["CC BY 4.0", "CC0", "CC BY 4.0", None, "a|`b`\n<i>", "CC BY 4.0", "CC0", "CC0"]
    rows = []
    for number, licence in enumerate(licences):
        image = encode_jpeg(np.roll(picture(160, 128), number, axis=2), 90)
        (folder / f"{number}.jpg").write_bytes(image if number < 7 else b"none")
        rows.append({"file_name": f"{number}.jpg", "caption": f"picture {number}", "license": licence})
    (folder / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = recipe_of("frames", "source.name=folder", f"source.path={folder}", "source.limit=0", "takes=1")
    build_shards(recipe, folder / "shards", HERE)
    return folder / "shards"


def test_it_counts_licences_and_statuses(licensed):
    card = (licensed / "_animate" / "card.md").read_text()
    assert "7 clips of 5 frames at 80 x 64 pixels" in card
    assert "| CC BY 4.0 | 3 |\n| CC0 | 2 |" in card
    assert "| none stated | 1 |" in card
    assert "| a\\|\\`b\\` \\<i\\> | 1 |" in card
    assert "| not_an_image | 1 | the bytes are of some other type |" in card
    plan = read_plan(Place.at(licensed))
    assert plan is not None
    found = count_licences(plan, Place.at(licensed))
    assert found == {"CC BY 4.0": 3, "CC0": 2, "none stated": 1, "a|`b`\n<i>": 1}


def test_a_table_that_cannot_be_read_is_named(licensed, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(licensed, broken)
    (broken / "00001.parquet").write_bytes(b"PAR1")
    plan = read_plan(Place.at(broken))
    assert plan is not None
    with pytest.raises(BuildRefused, match=r"00001.parquet cannot be read: .*--repair"):
        count_licences(plan, Place.at(broken))


def test_it_names_recipe_versions_and_citation(licensed):
    card = (licensed / "_animate" / "card.md").read_text()
    manifest = json.loads((licensed / "_animate" / "manifest.json").read_text())
    assert manifest["digest"] in card
    assert json.loads(card.partition("```json\n")[2].partition("```")[0]) == manifest["recipe"]
    assert f"animate {manifest['versions']['animate']}" in card
    assert "10.1145/3477495.3531776" in card
    assert manifest["card"] == card_sha256(card)


def test_equal_builds_have_equal_cards_wherever_they_lie(tmp_path):
    first = build_set(tmp_path / "a", "mp4")
    again = tmp_path / "elsewhere" / "b"
    build_shards(recipe_of("mp4"), again, Workforce(workers=0))
    cards = [(folder / "_animate" / "card.md").read_bytes() for folder in (first, again)]
    assert cards[0] == cards[1]
    assert str(tmp_path).encode() not in cards[0]
    assert b"carries no column of licences" in cards[0]


def test_a_card_that_was_lost_comes_again(tmp_path):
    folder = build_set(tmp_path / "a", "virtual")
    card = folder / "_animate" / "card.md"
    before = card.read_bytes()
    card.write_text("changed")
    repair(str(folder))
    assert not card.exists()
    build_set(folder, "virtual")
    assert card.read_bytes() == before and verify(str(folder)) == []


def test_a_corpus_with_a_licence_an_image_does_not_fill_the_memory():
    found = counted(f"terms {number}" for number in range(12_000))
    assert len(found) == 10_001 and found["others"] == 2_000
    assert counted(["", "a", "a"]) == Counter({"a": 2, "none stated": 1})
