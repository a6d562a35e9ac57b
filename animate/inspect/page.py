"""The page: one HTML text with its script, its style and what it knows, which asks nobody else for anything.

Nothing of a corpus reaches the page as markup. What the page knows stands in it as JSON, in which no `<` is
left, and its script sets it as text; plots are escaped by `animate.inspect.plots`. A policy in the page lets
run exactly the script that was written here, and load pictures from the page itself alone, so that even a
fault in that would run nothing and tell nobody.
"""

import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any

from animate.data import STATUSES
from animate.inspect.catalogue import Catalogue
from animate.inspect.held import OnClip, held_by_file
from animate.inspect.originals import Originals
from animate.inspect.pictures import Grid, Pictures, grid_of
from animate.inspect.plots import plots_of
from animate.loopback import POLICY, with_inline
from animate.record import SUCCESS

#: The script, in the order in which its files need each other.
_SCRIPTS = (
    "base.js",
    "state.js",
    "media.js",
    "film.js",
    "wall.js",
    "geometry.js",
    "still.js",
    "clip.js",
    "rejected.js",
    "main.js",
)
#: Frames of a strip and their longer side, in a file and where it is served.
FILE_FRAMES, FILE_SIDE = 16, 112
SERVED_FRAMES, SERVED_SIDE = 64, 224
#: What a page that lies on disk may load; `with_inline` puts hashes in the place of 'self'.
_FILE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
#: Of a caption or message, so many characters are in the list; a clip's own view has all.
_LISTED_CHARACTERS = 300


def written_page(
    catalogue: Catalogue,
    originals: Originals | None,
    shards: str,
    source: str,
    on_clip: OnClip = lambda done, total: None,
) -> str:
    """The page as one file, pictures and all; `on_clip` hears how many of how many clips are in it."""
    grid = _grid(catalogue, FILE_FRAMES, FILE_SIDE)
    pictures = Pictures(catalogue.set, originals, grid)
    return _laid_out(catalogue, grid, originals, held_by_file(catalogue, pictures, shards, source, on_clip))


def served_page(catalogue: Catalogue, originals: Originals | None, grid: Grid) -> str:
    """The page that asks `animate.inspect.site` for its pictures."""
    return _laid_out(catalogue, grid, originals, None)


def served_grid(catalogue: Catalogue) -> Grid:
    """The grid of the strips that are served."""
    return _grid(catalogue, SERVED_FRAMES, SERVED_SIDE)


def policy() -> str:
    """What the page may run and load, wherever it lies."""
    return with_inline(POLICY, scripts=(_script(),), styles=(_asset("page.css"),))


def known_table(catalogue: Catalogue, grid: Grid, originals: Originals | None) -> dict[str, Any]:
    """What the page knows of the set, column by column: 5,000 clips take less than 3 MB."""
    video = catalogue.set.recipe.video
    clips, rejected = catalogue.clips, catalogue.rejected
    return {
        "edition": _edition(catalogue),
        "name": catalogue.set.recipe.name,
        "corpus": catalogue.set.recipe.source.name,
        "choice": catalogue.choice,
        "complete": catalogue.complete,
        "format": video.format,
        "width": video.width,
        "height": video.height,
        "num_frames": video.num_frames,
        "fps": video.fps,
        "grid": asdict(grid),
        "originals": originals is not None,
        "counts": catalogue.counts,
        "statuses": {name: STATUSES.get(name, "") for name in catalogue.counts if name != SUCCESS},
        "clips": {
            "key": [clip.key for clip in clips],
            "caption": [clip.caption[:_LISTED_CHARACTERS] for clip in clips],
            "camera": _coded([clip.camera] for clip in clips),
            "sentence": _coded([clip.camera_caption] for clip in clips),
            "component": _coded(clip.components for clip in clips),
            "word": _coded(clip.words for clip in clips),
            "scale": _coded(clip.scales for clip in clips),
            "origin": _coded([clip.origin] for clip in clips),
            "speed": [round(clip.speed, 2) for clip in clips],
            "view": [clip.view_area for clip in clips],
            "union": [clip.union_area for clip in clips],
            "size": [clip.size for clip in clips],
        },
        "rejected": {
            "key": [entry.key for entry in rejected],
            "status": [entry.status for entry in rejected],
            "message": [entry.message for entry in rejected],
            "caption": [entry.caption[:_LISTED_CHARACTERS] for entry in rejected],
        },
    }


def _edition(catalogue: Catalogue) -> str:
    """Changes with the clips that are listed, and with what they were filmed from and how."""
    named = "\n".join([catalogue.set.plan.digest, *(clip.key for clip in catalogue.clips)])
    return hashlib.blake2b(named.encode(), digest_size=8).hexdigest()


def _grid(catalogue: Catalogue, most_frames: int, most_side: int) -> Grid:
    video = catalogue.set.recipe.video
    size = (video.width, video.height)
    return grid_of(video.num_frames, size, most_frames=most_frames, most_side=most_side)


def _coded(column: Iterable[Sequence[str]]) -> dict[str, Any]:
    """Lists of texts as `of`, each text once, and `at`, where each list's are in it."""
    numbers: dict[str, int] = {}
    at = [[numbers.setdefault(text, len(numbers)) for text in texts] for texts in column]
    return {"of": list(numbers), "at": at}


def _laid_out(
    catalogue: Catalogue, grid: Grid, originals: Originals | None, held: Mapping[str, Any] | None
) -> str:
    known = known_table(catalogue, grid, originals)
    written = {
        "policy": ""
        if held is None
        else f'<meta http-equiv="Content-Security-Policy" content="{_file_policy()}">',
        "title": html.escape(f"{known['name']}: {known['choice']}"),
        "style": _asset("page.css"),
        "plots": "".join(plot.html(number) for number, plot in enumerate(plots_of(catalogue))),
        "known": _json(known),
        "held": _json(held),
        "script": _script(),
    }
    # In one pass: what is filled in is not looked at again.
    pieces = _asset("page.html").split("@@")
    pieces[1::2] = [written[name] for name in pieces[1::2]]
    return "".join(pieces)


def _file_policy() -> str:
    """A file has no origin that could be allowed: only what stands in it."""
    texts = {"scripts": (_script(),), "styles": (_asset("page.css"),)}
    return with_inline(_FILE_POLICY, **texts).replace(" 'self'", "")


def _json(table: Any) -> str:
    """JSON in ASCII that may stand in a `<script>` element: nothing in it ends that, or a line."""
    text = json.dumps(table, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _script() -> str:
    return '"use strict";\n' + "\n".join(map(_asset, _SCRIPTS))


def _asset(name: str) -> str:
    return (resources.files("animate.inspect") / "page" / name).read_text(encoding="utf-8")
