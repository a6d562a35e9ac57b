"""JSON from anywhere is a value that can be handled, or a `ValueError`."""

import json

import pytest

from animate import BuildRecipe, build_shards
from animate.executor import HERE
from animate.recipe import SourceRecipe, VideoRecipe
from animate.shards.verify import verify
from animate.sources.captions import caption_texts
from animate.sources.carried import scalar
from animate.sources.json_text import DEEPEST, read_json
from animate.sources.resolve import resolve_src
from tests.support.corpora import PHOTOGRAPH, put, read, statuses, write_members

#: JSON values that gave up what read them, or what wrote them again.
HOSTILE = {
    "lists": "[" * 100_000 + "]" * 100_000,
    "objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "hundreds of lists": "[" * 500 + "]" * 500,
    "hundreds of objects": '{"caption":' * 500 + "1" + "}" * 500,
    "400 digits": "9" * 400,
    "-5,000 digits": "-" + "9" * 5000,
    "infinity": "1e400",
    "not a number": "NaN",
    "half a character": r'"\ud800"',
}


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize("encoding", ["", "utf-8", "utf-16"])
def test_values_go_down_a_hundred_levels_and_no_more(encoding):
    allowed, deeper = (
        (t.encode(encoding) if encoding else t) for t in (nested(DEEPEST), nested(DEEPEST + 1))
    )
    assert json.dumps(read_json(allowed)) == nested(DEEPEST)
    with pytest.raises(ValueError, match="nested deeper than 100 levels"):
        read_json(deeper)
    assert len(read_json("[" + ", ".join(["[]"] * 1000) + "]")) == 1000


def test_long_numbers_are_text():
    assert read_json(f"[5, -5, {'9' * 400}]") == [5, -5, "9" * 400]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_whatever_was_read_can_be_used(text):
    try:
        value = read_json(text)
    except ValueError:
        return
    assert all(isinstance(caption, str) for caption in caption_texts(value))
    scalar(value)


def test_a_caption_that_looks_like_deep_json_is_a_caption():
    assert caption_texts(HOSTILE["lists"]) == (HOSTILE["lists"],)
    assert caption_texts(10**400) == (str(10**400),)


def corpus(folder, kind: str, key: str, value: str):
    """A corpus of three samples, the second of which has this JSON under `key`, the others other types."""
    fields = [f'"caption": "words", "{key}": {said}' for said in ('"text"', value, "5")]
    if kind.startswith("tar"):
        images = ((f"{i}.jpg", PHOTOGRAPH) for i in range(3))
        texts = ((f"{i}.json", f"{{{said}}}".encode()) for i, said in enumerate(fields))
        path = write_members(folder / "t.tar", [m for pair in zip(images, texts, strict=True) for m in pair])
        return f"file://{path}" if kind == "tar stream" else str(path)
    for i in range(3):
        put(folder / f"{i}.jpg", PHOTOGRAPH)
    lines = [f'{{"image": "{i}.jpg", {said}}}' for i, said in enumerate(fields)]
    put(folder / "t.jsonl", "\n".join(lines))
    return str(folder / "t.jsonl")


@pytest.mark.parametrize("kind", ["tar", "tar stream", "jsonl"])
@pytest.mark.parametrize("key", ["x", "captions", "caption_raw", "url", "sha256", "width", "original_key"])
def test_each_is_a_row_or_text_and_never_an_error(tmp_path, kind, key):
    for number, text in enumerate(HOSTILE.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = statuses(read(corpus(folder, kind, key, text), folder))
        assert len(found) == 3
        assert set(found) <= {"ok", "bad_row", "missing_caption", "caption_not_utf8"}, (text[:20], found)
        assert found[0] == found[2] == "ok"


@pytest.mark.parametrize("kind", ["tar", "tar stream", "jsonl"])
@pytest.mark.parametrize("key", ["x", "url", "sha256"])
@pytest.mark.parametrize("value", ["5", "5.5", "true", "null", "[1]", "9" * 400])
def test_a_fresh_set_verifies_whatever_a_column_holds(tmp_path, kind, key, value):
    source = SourceRecipe(**resolve_src(corpus(tmp_path, kind, key, value)))
    recipe = BuildRecipe(source=source, video=VideoRecipe(size=32, num_frames=2, fps=2))
    report = build_shards(recipe, tmp_path / "out", HERE)
    assert report.clips == 3
    assert verify(str(tmp_path / "out")) == []


def test_the_columns_of_json_lines_are_those_of_the_first_good_line(tmp_path):
    lines = [HOSTILE["lists"], '{"image": "a.jpg", "caption": "words"}']
    put(tmp_path / "t.jsonl", "\n".join(lines))
    put(tmp_path / "a.jpg", PHOTOGRAPH)
    assert statuses(read(tmp_path / "t.jsonl", tmp_path)) == ["bad_row", "ok"]
