"""Shard sets with all that is hard to export, and what was exported of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from animate.build import build_shards
from animate.codec import encode_jpeg
from animate.executor import HERE
from animate.export import ExportReport, export_shards
from animate.load import load_clips
from tests.support.pictures import picture
from tests.support.shard_sets import recipe_of

LONG_CAPTION = "a very long caption " * 20
#: Key, captions and licence of each still; None for none.
STILLS: tuple[tuple[str, list[str], str | None], ...] = (
    ("plain", ["a cat", "a cat, asleep"], "CC BY 4.0"),
    ("folder/with space/b\\c", ['says "hello",\nthen; leaves'], "CC0"),
    ("../.hidden", ["a dot, a slash"], "CC BY-NC 4.0"),
    ("ключ-木-é", ["дерево 木 \N{DECIDUOUS TREE}"], None),
    ("x" * 300, ["long key"], "https://creativecommons.org/licenses/by/2.0/"),
    ("-rf", ["begins like\ran option"], "CC BY 4.0"),
    ("12", ["NA"], "CC0"),
    ("1e5", ["null", "a number as a key"], "CC0"),
    ("%2e%00", [LONG_CAPTION], ""),
    ("a-0123456789abcdef", ["looks hashed", "a\rreturn, alone"], "CC BY-SA 4.0"),
)
TAKES = 2
#: Clips of the set.
CLIPS = TAKES * len(STILLS)


def hostile_set(folder: Path, format: str, *settings: str) -> Path:
    """`STILLS`, filmed twice each, in shards of two stills."""
    folder.mkdir(parents=True)
    rows = []
    for number, (key, captions, licence) in enumerate(STILLS):
        (folder / f"{number}.jpg").write_bytes(encode_jpeg(np.roll(picture(160, 128), number, axis=2), 90))
        row = {"file_name": f"{number}.jpg", "key": key, "captions": captions, "license": licence}
        rows.append(row)
    (folder / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = ("source.name=table", f"source.path={folder / 'table.jsonl'}", "source.limit=0")
    clean = "source.clean_captions=false"
    report = build_shards(recipe_of(format, *source, clean, *settings), folder / "shards", HERE)
    assert report.complete and report.clips == CLIPS
    return folder / "shards"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A shard set, and its clips by key as `load_clips` reads them."""

    folder: Path
    clips: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> "Source":
        return cls(folder=folder, clips={clip["key"]: clip for clip in load_clips(folder)})

    def export(self, out: Path, to: str, **settings: Any) -> ExportReport:
        return export_shards(self.folder, out, to=to, **settings)
