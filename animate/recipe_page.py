"""A recipe as a page of TOML, complete and with a comment on every key, to be cut down to what one wants."""

import dataclasses
import json
import typing
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from animate.recipe import BuildRecipe

#: Dotted key -> what it says, in a line; the page adds what it must be one of. "shot.shots" is each line of
#: the shot list.
COMMENTS: Mapping[str, str] = {
    "name": "of this recipe, for your own use",
    "seed": "another seed, other camera moves",
    "takes": "how often each still is filmed",
    "source.name": "the corpus by name (`animate sources` lists them), or a kind, as folder; else --src",
    "source.path": "where the corpus lies on this machine; no part of the digest",
    "source.images": "where the images lie that its lists name; empty: beside the list",
    "source.split": "of the corpus' own, such as train or val; empty: what the corpus has",
    "source.columns": "names of the columns of a csv or tsv table without a line of names; empty: it has one",
    "source.image_column": "of a table; empty: found by its name",
    "source.caption_column": "of a table; empty: found by its name",
    "source.key_column": "of a table; empty: found by its name, or none",
    "source.url_column": "of a list of addresses; empty: found by its name",
    "source.limit": "use the first so many samples; 0 is all",
    "source.sample": "use this share of the samples, chosen by key; above 0, at most 1",
    "source.clean_captions": "undo entities, normalise Unicode, one space for white space",
    "source.allow_outside": "film images that a table names outside of its folder",
    "source.min_side": "pixels; smaller stills are rejected",
    "source.max_pixels": "larger stills are rejected; a worker may need 6 bytes of memory a pixel",
    "source.max_aspect": "longer over shorter side; longer stills are rejected",
    "source.background": "red, green, blue in 0..255, under transparent pixels",
    "source.filters.scripts": "writing systems that captions must be in, such as latin, cjk; empty: any",
    "source.filters.min_caption_length": "characters; 0 for no bound",
    "source.filters.max_caption_length": "characters; 0 for no bound",
    "source.filters.min_similarity": "the least number in the column of similarities",
    "source.filters.max_similarity": "the largest number in the column of similarities",
    "source.filters.min_nsfw": "the least number in the column of unsafety",
    "source.filters.max_nsfw": "the largest number in the column of unsafety",
    "source.filters.nsfw": "words of the column of unsafety that are let through; empty: any",
    "source.filters.licences": "words of the column of licences that are let through; empty: any",
    "source.filters.duplicates": "what two samples must share for the second to be refused",
    "source.filters.similarity_column": "empty: found by its name",
    "source.filters.nsfw_column": "empty: found by its name",
    "source.filters.licence_column": "empty: found by its name",
    "source.fetch.user_agent": "told to every site; say there how you can be reached",
    "source.fetch.robot": "the name that robots.txt and X-Robots-Tag know us by",
    "source.fetch.respect_opt_outs": "false asks neither robots.txt nor X-Robots-Tag",
    "source.fetch.allow_private": "download from addresses off the public internet, too",
    "source.fetch.seconds": "limit for one image, redirects included",
    "source.fetch.max_bytes": "limit for one image",
    "source.fetch.retries": "tries after the first",
    "source.fetch.threads": "downloads at a time in each worker; no part of the digest",
    "source.fetch.keep_images": "folder that keeps downloaded images as tars; empty deletes them once filmed",
    "shot.preset": "the shot list that all of [shot] not given here comes from",
    "shot.min_view_area": "of the widest view: no frame shows less; 0..0.99",
    "shot.min_union_area": "of the widest view: no shot shows less in all; 0..0.99",
    "shot.max_speed": "per cent of the frame's width a second",
    "shot.max_magnification": "frame pixels a source pixel",
    "shot.shutter_degrees": "motion blur; 0 for none, at most 360",
    "shot.edit.shots": "how many shots a clip, drawn from this range in 1..64",
    "shot.edit.transitions": "any of cut, dissolve, fade, each with the same chance",
    "shot.edit.transition_seconds": "how long a dissolve or fade lasts, drawn from this range",
    "shot.edit.stills": "above 1 for montages: so many stills a clip, at most 16",
    "shot.shots.name": "of this line of the shot list",
    "shot.shots.weight": "the chance of this line, in proportion to the others",
    "shot.shots.shutter_degrees": "in place of those of [shot]",
    "shot.shots.components": "`animate shots NAME` says what each takes: a number, [low, high], or words",
    "video.size": "side of the frames in pixels, or [width, height]; even",
    "video.num_frames": "frames a clip",
    "video.fps": 'frames a second; or a fraction, as "30000/1001"',
    "video.format": "how clips are stored",
    "video.crf": "x264's: 0 is lossless, 51 the smallest",
    "video.preset": "x264's",
    "video.jpeg_quality": "1..100",
    "video.quality": "best takes four samples a pixel",
    "captions.camera": "where the sentence about the camera stands",
    "shards.clips_per_shard": "a shard is a tar and a parquet",
    "limits.seconds": "for one sample that has ended a worker; no part of the digest",
    "limits.memory_mb": "the same, at least 500; no part of the digest",
}


def recipe_page(recipe: BuildRecipe, *, left_open: Collection[str] = ()) -> str:
    """TOML that `read_recipe` reads as `recipe`. Keys that have no value stand as comments, and those of
    `left_open` (dotted), which must have their defaults: whoever takes the page is to give them.
    """
    return "\n".join(_table(recipe, "", left_open)) + "\n"


def _table(recipe: Any, where: str, left_open: Collection[str]) -> Iterator[str]:
    """The lines of one table: its own keys, then its tables, then its lists of tables."""
    hints = typing.get_type_hints(type(recipe))
    values = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    tables = {name: value for name, value in values.items() if dataclasses.is_dataclass(value)}
    lists = {name: value for name, value in values.items() if _is_list_of_tables(value)}
    for name, value in values.items():
        if name not in tables and name not in lists:
            key = f"{where}{name}"
            yield from _key(name, None if key in left_open else value, hints[name], key)
    for name, value in tables.items():
        yield from ("", f"[{where}{name}]", *_table(value, f"{where}{name}.", left_open))
    for name, value in lists.items():
        for item in value:
            yield from ("", f"[[{where}{name}]]", *_table(item, f"{where}{name}.", left_open))


def _key(name: str, value: Any, hint: Any, key: str) -> Iterator[str]:
    comment = COMMENTS[key]
    if isinstance(value, Mapping):  # the components of a shot: a line each, under one comment
        yield f"# {comment}"
        yield from (f"{name}.{part} = {_toml(given)}" for part, given in value.items())
        return
    options = [str(option) for option in typing.get_args(hint)] if _is_literal(hint) else []
    comment += f": {', '.join(options)}" if options else ""
    said = f"# {name} =" if value is None else f"{name} = {_toml(value)}"
    yield f"{said:<32} # {comment}"


def _is_literal(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.Literal


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, tuple) and any(dataclasses.is_dataclass(item) for item in value)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inside = ", ".join(f"{key} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
