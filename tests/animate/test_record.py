"""The record's fields are a built clip's JSON keys and the parquet's columns, and all else follows."""

import json
import typing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from animate.record import (
    CAMERA_COLUMNS,
    COLUMNS,
    DROPPED,
    KEPT,
    KEYS,
    RENAMED,
    is_of_type,
    parquet_columns,
    read_record,
)
from animate.shards.place import Place
from animate.shards.plan import read_plan
from animate.shards.read import read_clips
from tests.support.shard_sets import build_set


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    return Place.at(build_set(tmp_path_factory.mktemp("sets") / "mp4", "mp4"))


def test_the_fields_are_the_keys_of_a_built_clip_behind_what_its_corpus_carries(place):
    plan = read_plan(place)
    assert plan is not None
    assert plan.columns == {"caption_raw": "string"}
    for _, members in read_clips(place, "00000"):
        table = json.loads(members["json"])
        assert list(table) == [*plan.columns, *KEYS]
        assert all(is_of_type(table[name], kind) for name, kind in KEYS.items())
        record, carried = read_record(table)
        assert {**carried, **record.table()} == table


def test_the_fields_that_hold_one_value_are_the_columns_of_the_parquet(place):
    single = {name for name, kind in KEYS.items() if typing.get_origin(kind) is not list}
    assert {*COLUMNS, *CAMERA_COLUMNS} == single - {"shot"}
    schema = pq.read_schema(f"{place.root}/00000.parquet")
    expected = parquet_columns({"caption_raw": "string"}, whole_fps=True)
    assert {field.name: field.type for field in schema} == {
        name: pa.type_for_alias(kind) for name, kind in expected.items()
    }


def test_every_key_has_one_answer_to_what_a_corpus_carries_under_its_name():
    assert sorted([*KEPT, *DROPPED, *RENAMED]) == sorted(KEYS)
    assert {"url", "sha256"} == KEPT


def test_a_table_that_lacks_keys_is_refused_by_their_names():
    with pytest.raises(ValueError, match="source_key"):
        read_record({name: "" for name in KEYS if name != "source_key"})


def test_a_table_of_a_release_without_camera_captions_is_read():
    table = {name: "" for name in KEYS if name != "camera_caption"}
    assert read_record(table)[0].camera_caption == ""


@pytest.mark.parametrize(
    ("value", "kind", "right"),
    [
        (1, int, True),
        (True, int, False),
        (1, float, False),
        (1.0, float, True),
        ("", str, True),
        (None, str, False),
        ([[1.0], []], list[list[float]], True),
        ([[1]], list[list[float]], False),
        ("ab", list[str], False),
    ],
)
def test_a_value_is_of_the_type_of_its_field_or_not(value, kind, right):
    assert is_of_type(value, kind) is right
