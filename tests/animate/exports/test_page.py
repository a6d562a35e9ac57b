"""The page on exports has every target, and what it says that OUT has is there."""

import re
from pathlib import Path

import pytest

from animate.exports import EXPORTS
from tests.support.exporting import Source

PAGE = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", PAGE, flags=re.MULTILINE))


def test_every_target_has_a_row():
    assert set(ROWS) == set(EXPORTS)


@pytest.mark.parametrize("to", EXPORTS)
def test_what_it_names_is_there_and_nothing_else(source: Source, tmp_path, to):
    source.export(tmp_path, to, split=(0.5, 0.5))
    named = [name.rstrip("/") for name in re.findall(r"`([^`]+)`", ROWS[to]) if name not in ("video", ".idx")]
    patterns = {
        re.sub(r"<[^>]+>", "*", name.replace("<split>", split))
        for name in named
        for split in (("train", "validation") if to == "hf" else ("train", "val"))
    }
    for pattern in patterns:
        assert list(tmp_path.glob(pattern)), pattern
    tops = {path.name for path in tmp_path.iterdir()} - {"_export"}
    assert tops == {
        path.relative_to(tmp_path).parts[0] for pattern in patterns for path in tmp_path.glob(pattern)
    }
