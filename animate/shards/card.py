"""The data card of a shard set: what is in it, where it is from, under what terms, and how to cite it.

`_animate/card.md` is written when a set is finished. All of it follows from manifest and tables, so equal
builds have equal cards.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from animate.data import PARQUET, STATUSES
from animate.recipe import BuildRecipe
from animate.record import SUCCESS
from animate.shards.place import BuildRefused, Place
from animate.shards.plan import Plan
from animate.shards.read import read_table
from animate.sources.licences import licence_column
from animate.sources.named.corpora import CORPORA
from animate.strict_toml import from_table

#: So many licences are told, the most frequent first; …
_MOST_SHOWN = 30
#: … and so many kept apart while they are counted: some corpora have a text of their own for every image.
_MOST_COUNTED = 10_000
#: How clips are counted that state no licence, and those of licences beyond `_MOST_COUNTED`.
NONE_STATED, OTHERS = "none stated", "others"
#: Tables that are read at once, for the sake of object stores.
_REQUESTS = 8

_PAPER = (
    "the idea: Animating Images to Transfer CLIP for Video-Text Retrieval. SIGIR 2022, "
    "doi 10.1145/3477495.3531776"
)


def card_text(manifest: Mapping[str, Any], licences: Mapping[str, int]) -> str:
    """The card of a finished set, given its manifest and how many clips each licence has."""
    return "\n".join(card_body(manifest, licences)) + "\n"


def card_sha256(text: str) -> str:
    """What the manifest says of a card."""
    return hashlib.sha256(text.encode()).hexdigest()


def card_body(
    manifest: Mapping[str, Any], licences: Mapping[str, int], *remarks: str, stored: str = ""
) -> Iterator[str]:
    """The lines of a card. `licences` is empty where the corpus carries none; `remarks` follow what it is.

    `stored` is the format of the clips where that is not the recipe's.
    """
    recipe, counts = manifest["recipe"], manifest["totals"]
    video = from_table(BuildRecipe, recipe).video
    yield f"# {recipe['name']}: synthetic video-text data"
    yield ""
    yield (
        f"{counts['clips']:,} clips of {video.num_frames} frames at {video.width} x {video.height} pixels "
        f"and {video.fps:.6g} frames a second, stored as {stored or video.format}. Each films a captioned "
        "still image with a virtual camera: nothing in it moves but the camera, and its captions are "
        "the still's."
    )
    for remark in remarks:
        yield ""
        yield remark
    yield from ("", "## Source", "")
    yield from _source(recipe["source"])
    yield from ("", "## Licences", "")
    yield from _licences(licences)
    yield from ("", "## Inputs", "", "| status | inputs | meaning |", "| --- | ---: | --- |")
    yield f"| {SUCCESS} | {counts['clips']:,} | became a clip |"
    for status, count in counts["rejected"].items():
        yield f"| {status} | {count:,} | {STATUSES.get(status, '')} |"
    yield from ("", "## Recipe", "", f"Digest of recipe and source: `{manifest['digest']}`.", "")
    yield from ("```json", *json.dumps(recipe, indent=1, ensure_ascii=False).splitlines(), "```")
    yield from ("", "## Versions", "")
    known = manifest.get("versions")
    if known:
        yield ", ".join(f"{name} {release}" for name, release in known.items())
    else:
        yield "Not recorded: the set was not finished."
    yield from ("", "## How to cite", "")
    corpus = CORPORA.get(recipe["source"]["name"])
    if corpus is not None:
        yield f"- the corpus: {corpus.citation}"
    yield " ".join(filter(None, ("- the software: animate", (known or {}).get("animate"))))
    yield f"- {_PAPER}"


def _source(source: Mapping[str, Any]) -> Iterator[str]:
    corpus = CORPORA.get(source["name"])
    split = f", split `{source['split']}`" if source.get("split") else ""
    if source["name"] == "demo":
        yield "Free photographs that come with animate; `animate/demo/LICENSES.md` has the terms of each."
        return
    if corpus is None:
        yield f"`{source['name']}`{split}: see its owner's terms."
        return
    yield f"{corpus.title} (`{source['name']}`{split}), {corpus.page}"
    yield ""
    yield f"Terms: {corpus.licence}."


def _licences(licences: Mapping[str, int]) -> Iterator[str]:
    if not licences:
        yield "The corpus carries no column of licences: its terms are those of its source."
        return
    ranked = sorted(licences.items(), key=lambda item: (item[0] == OTHERS, -item[1], item[0]))
    yield from ("| licence, as the corpus has it | clips |", "| --- | ---: |")
    for name, count in ranked[:_MOST_SHOWN]:
        yield f"| {_cell(name)} | {count:,} |"
    rest = ranked[_MOST_SHOWN:]
    if rest:
        yield f"| {len(rest):,} more | {sum(count for _, count in rest):,} |"


def _cell(text: str) -> str:
    """Text of anyone's in a cell of a table of Markdown."""
    short = " ".join(text.split())[:200]
    for special in "\\|`*_<>[]":
        short = short.replace(special, f"\\{special}")
    return short


def counted(licences: Iterable[str]) -> Counter[str]:
    """How often each licence comes; "" is `NONE_STATED`, and beyond the first so many all are `OTHERS`."""
    found = Counter[str]()
    for licence in licences:
        name = licence or NONE_STATED
        found[name if name in found or len(found) < _MOST_COUNTED else OTHERS] += 1
    return found


def most_counted(counts: Counter[str]) -> Counter[str]:
    """The `_MOST_COUNTED` commonest licences as they are, and what is beyond them as `OTHERS`."""
    found = Counter(dict(counts.most_common(_MOST_COUNTED)))
    rest = counts.total() - found.total()
    return found + Counter({OTHERS: rest})


def count_licences(plan: Plan, place: Place) -> Mapping[str, int]:
    """Clips of a finished set by licence; nothing where its corpus carries none.

    Raises `BuildRefused` for a shard whose table cannot be read.
    """
    column = licence_column(plan.columns, from_table(BuildRecipe, plan.recipe).source.filters)
    if not column:
        return {}

    def of_shard(name: str) -> list[str]:
        try:
            table = read_table(place, name, [column, "status"])
        except (pa.ArrowException, OSError) as error:
            raise BuildRefused(
                f"{place.root}: {name}{PARQUET} cannot be read: {error}; `animate verify --repair` has its "
                "shard made anew"
            ) from None
        made = table.filter(pc.field("status") == SUCCESS)[column].to_pylist()
        return ["" if value is None else str(value).strip() for value in made]

    with ThreadPoolExecutor(_REQUESTS) as pool:
        shards = pool.map(of_shard, [shard.name for shard in plan.shards])
        return counted(licence for shard in shards for licence in shard)
