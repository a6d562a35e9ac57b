"""One type a column for a whole corpus, and values that fit it or are kept beside it."""

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pytest

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import read_recipe
from animate.shards.verify import verify
from animate.sources.carried import CarriedTypes, carried, fit, unfit

DEMO = Path(__file__).parents[3] / "animate" / "demo"


def columns(*values) -> dict:
    types = CarriedTypes()
    for value in values:
        types.see({"x": value})
    return types.columns()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], "int64"),
        ([1, 2.5], "double"),
        ([None, 2.5, math.nan], "double"),
        ([True, None], "bool"),
        (["x", None], "string"),
        ([1, "x"], "string"),
        ([True, 1], "string"),
        ([None, None], "string"),
        ([math.inf], "string"),
        ([2**70, None], "string"),
        ([[1, 2]], "string"),
        ([b"bytes"], "string"),
    ],
)
def test_a_column_has_the_narrowest_type_that_holds_all_of_it(values, kind):
    assert columns(*values) == {"x": kind}


def test_columns_keep_the_order_in_which_they_came():
    types = CarriedTypes()
    types.see({"b": 1})
    types.see_types({"a": float, "c": None})
    types.see({"c": 1, "b": None})
    assert types.columns("last") == {"b": "int64", "a": "double", "c": "int64", "last": "string"}
    assert types.names == ["b", "a", "c"]


def test_values_become_what_their_column_holds():
    kinds = {"a": "double", "b": "string", "c": "int64", "d": "bool"}
    assert fit({"a": 1, "b": 2.5, "c": 3, "d": True, "e": "no column"}, kinds) == {
        "a": 1.0,
        "b": "2.5",
        "c": 3,
        "d": True,
    }
    assert type(fit({"a": 1}, kinds)["a"]) is float
    assert fit({"a": "x", "b": [1, "é"], "c": 1.5, "d": 1}, kinds) == {
        "a": None,
        "b": '[1, "é"]',
        "c": None,
        "d": None,
    }


def test_what_does_not_fit_is_not_lost():
    kinds = {"a": "int64", "b": "string"}
    assert unfit({"a": 1.5, "b": 7, "c": "more", "d": None}, kinds) == {"a": 1.5, "c": "more"}


def test_names_of_the_record_are_free_and_bookkeeping_is_left_out():
    kept = {"url": "u", "licence": "CC0"}
    given = {"width": 7, "key": "k", "caption": "c", "__key__": 1, "image": b"bytes", **kept}
    assert carried(given.items()) == {"source_width": 7, **kept}


#: Ten inputs in two shards: whole numbers first, fractions and gaps later, every kind mixed, one never there.
HOSTILE = [
    {
        "score": [1, 2, None, 3, 4, 0.5, None, 1.5, 2, 9][i],
        "flag": [True, None][i % 2],
        "mixed": ["a", 1, None, 2.5, True][i % 5],
        "count": [None, i][i % 2],
        "text": ["", None, "é", "x", "y"][i % 5],
        "nested": {"i": i},
        "width": i,
    }
    for i in range(10)
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A set of two shards of a corpus with hostile columns, and one input that is rejected."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "corpus").mkdir()
    lines = []
    for i, row in enumerate(HOSTILE):
        (folder / "corpus" / f"{i}.jpg").write_bytes(
            (DEMO / "cat.jpg").read_bytes() if i != 7 else b"no image"
        )
        lines.append(json.dumps({"file": f"{i}.jpg", "caption": f"number {i}", **row}))
    (folder / "corpus" / "captions.jsonl").write_text("\n".join(lines))
    settings = ["source.name=folder", f"source.path={folder / 'corpus'}", "shards.clips_per_shard=5"]
    recipe = read_recipe(None, [*settings, "video.format=frames", "video.size=32", "video.num_frames=2"])
    assert build_shards(recipe, folder / "shards", HERE).complete
    return folder / "shards"


TYPES = {
    "score": pa.float64(),
    "flag": pa.bool_(),
    "mixed": pa.string(),
    "count": pa.int64(),
    "text": pa.string(),
    "nested": pa.string(),
    "source_width": pa.int64(),
}


def test_the_parquets_of_a_set_are_one_table(hostile):
    assert verify(str(hostile)) == []
    schemas = [pa.parquet.read_schema(hostile / f"0000{i}.parquet") for i in range(2)]
    assert schemas[0].equals(schemas[1])
    table = pyarrow.dataset.dataset([str(hostile / f"0000{i}.parquet") for i in range(2)]).to_table()
    assert {name: table.schema.field(name).type for name in TYPES} == TYPES
    assert table["score"].to_pylist() == [row["score"] for row in HOSTILE]
    assert table["mixed"].to_pylist() == ["a", "1", None, "2.5", "True"] * 2


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of datasets
@pytest.mark.parametrize("streaming", [False, True])
def test_hugging_faces_loader_reads_the_set(hostile, tmp_path, streaming):
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(
        "webdataset",
        data_files=[str(hostile / f"0000{i}.tar") for i in range(2)],
        split="train",
        streaming=streaming,
        cache_dir=str(tmp_path),
    )
    made = [row for i, row in enumerate(HOSTILE) if i != 7]
    rows = [row["json"] for row in found]
    assert [row["score"] for row in rows] == [row["score"] for row in made]
    assert [row["count"] for row in rows] == [row["count"] for row in made]
    assert [row["flag"] for row in rows] == [row["flag"] for row in made]
    assert [row["text"] for row in rows] == [row["text"] or "" for row in made]
