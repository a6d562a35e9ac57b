"""MSR-VTT's own form, as its annotation and the lists that come with it in msrvtt_data.zip have it.

    videos/<video_id>.mp4
    MSRVTT_data.json                videos: [{video_id, url, split, …}], sentences: [{caption, video_id, …}]
    MSRVTT_train.full.csv           video_id; _val and _test as far as there are such splits
    train.jsonl                     {"video": …, "captions": […]}, for `data.name = "table"` of `retrieval`

The annotation has all splits, as MSR-VTT's has: `split` is train, validate or test. `retrieval` takes the
files of `data.name = "msrvtt"` for the benchmark and refuses other lists under these names; the tables in
JSON lines are for it.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from animate.exports.clip import SPLITS, ExportClip, Exported, Exporter, Note, Notes, Split
from animate.exports.videos import compact, write_csv, write_text, write_videos

#: What MSR-VTT calls a split.
_SPLIT_NAMES: dict[Split, str] = {"train": "train", "val": "validate", "test": "test"}


def flat(clip: ExportClip) -> str:
    """Where its readers look for a video: all in one folder."""
    return f"{clip.name}.mp4"


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    return write_videos(folder, clips, flat)


def write_annotation(path: Path, notes: Notes) -> None:
    """The JSON of MSR-VTT, of all splits: `videos`, then `sentences`, written one by one."""

    def pieces() -> Iterator[str]:
        yield '{"info": {"description": "synthetic clips, filmed by animate"},\n"videos": [\n'
        yield from _joined(_videos(notes))
        yield '\n],\n"sentences": [\n'
        yield from _joined(_sentences(notes))
        yield "\n]}\n"

    write_text(path, pieces())


def _joined(values: Iterable[Any]) -> Iterator[str]:
    for number, value in enumerate(values):
        yield (",\n" if number else "") + compact(value)


def _all(notes: Notes) -> Iterator[tuple[Split, Any]]:
    return chain.from_iterable(((split, note) for note in notes.of(split)) for split in SPLITS)


def _videos(notes: Notes) -> Iterator[dict[str, Any]]:
    for number, (split, note) in enumerate(_all(notes)):
        yield {
            "category": 0,
            "url": note["url"],
            "video_id": note["name"],
            "start time": 0.0,
            "end time": note["duration"],
            "split": _SPLIT_NAMES[split],
            "id": number,
            "key": note["key"],
        }


def _sentences(notes: Notes) -> Iterator[dict[str, Any]]:
    number = 0
    for _, note in _all(notes):
        for caption in note["captions"]:
            yield {"caption": caption, "video_id": note["name"], "sen_id": number}
            number += 1


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    write_annotation(out / "MSRVTT_data.json", notes)
    for split in exported.splits:
        names = ((note["name"],) for note in notes.of(split))
        write_csv(out / f"MSRVTT_{split}.full.csv", ("video_id",), names)
        lines = ({"video": note["path"], "captions": note["captions"]} for note in notes.of(split))
        write_text(out / f"{split}.jsonl", (compact(line) + "\n" for line in lines))


MSRVTT = Exporter(
    layout="videos/<video_id>.mp4, MSRVTT_data.json and lists, as MSR-VTT's; <split>.jsonl for retrieval",
    write=_write,
    finish=_finish,
)
