"""Videos as files of their own, and lists of them in csv and JSON: what most consumers read."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from animate.exports.clip import ExportClip, Note, Notes, Split, write_file


def by_shard(clip: ExportClip) -> str:
    """Where a video lies: a folder a shard, for no folder should have a million files."""
    return f"{clip.shard}/{clip.name}.mp4"


def write_videos(
    folder: Path, clips: Iterable[ExportClip], place: Callable[[ExportClip], str], root: str = "videos"
) -> Iterator[Note]:
    """Each clip is a file at `root`/`place(clip)`; its note is a table, with `place(clip)` as `path`."""
    for clip in clips:
        path, record = place(clip), clip.record
        write_file(folder / root / path, clip.video)
        value = {
            "path": path,
            "name": clip.name,
            "key": record.key,
            "source_key": record.source_key,
            "caption": record.caption,
            "captions": all_captions(clip),
            "url": record.url,
            "duration": record.duration,
            "shard": clip.shard,
        }
        yield Note(split=clip.split, value=value)


def captioned(
    notes: Notes, split: Split, entry: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """`entry(note)` with a `caption`: to train on, one for each; to judge by, one with all of them."""
    for note in notes.of(split):
        for caption in note["captions"] if split == "train" else [note["captions"]]:
            yield {**entry(note), "caption": caption, "key": note["key"]}


def all_captions(clip: ExportClip) -> list[str]:
    """What a clip is called: its caption, and what of its still's captions is not that one."""
    return list(dict.fromkeys((clip.record.caption, *clip.record.captions)))


def write_index(path: Path, name: str, values: Iterable[Any], rest: Mapping[str, Any]) -> None:
    """`path` holds a JSON table: under `name` a list, a value a line, written one by one, then `rest`."""
    tail = "".join(f", {json.dumps(key)}: {json.dumps(value)}" for key, value in rest.items())
    lines = ((",\n" if number else "\n") + json.dumps(value) for number, value in enumerate(values))
    write_text(path, chain((f"{{{json.dumps(name)}: [",), lines, (f"\n]{tail}}}\n",)))


def write_json_list(path: Path, values: Iterable[Any]) -> None:
    """`path` holds a JSON list, a value a line, written one by one; whole or not at all."""
    write_text(path, _json_list(values))


def _json_list(values: Iterable[Any]) -> Iterator[str]:
    before = "[\n"
    for value in values:
        yield before + compact(value)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def compact(value: Any) -> str:
    """JSON in one line, with letters as they are."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """`path` holds a csv with a line of names."""
    write_text(path, (",".join(map(_cell, row)) + "\n" for row in chain((header,), rows)))


def _cell(value: Any) -> str:
    """A cell that readers give back as it is, whatever is in it.

    Python's own writer quotes a carriage return only where lines end in one, and pandas takes it for a line's
    end; at a NUL pandas takes the cell to end.
    """
    text = str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text


def write_text(path: Path, pieces: Iterable[str]) -> None:
    """`path` holds these pieces of text, all of them or what it held before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    attempt = path.with_name(f".{path.name}.part")
    with open(attempt, "w", encoding="utf-8", newline="") as file:
        file.writelines(pieces)
    os.replace(attempt, path)
