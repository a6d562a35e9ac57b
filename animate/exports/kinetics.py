"""Kinetics' form, as PyTorchVideo's `LabeledVideoDataset` reads it (`pytorchvideo/data/labeled_video_paths`).

    train/<class>/<name>.mp4                a class is a still: all its takes lie together
    train.csv                               <path> <label>, with paths from OUT on
    train_captions.csv                      label, path, key, caption

Its rules, restated: a line is cut at its last white space into a path and a whole number; the header is no
line. From a folder, classes are its subfolders, sorted and numbered from 0: folders are named so that both
ways give one numbering.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from animate.exports.clip import ExportClip, Exported, Exporter, Note, Notes
from animate.exports.videos import write_csv, write_text, write_videos


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    return write_videos(
        folder, clips, lambda clip: f"{clip.split}/{clip.shard}-{clip.still:06d}/{clip.name}.mp4", root=""
    )


def _labelled(notes: Iterable[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The notes of a split with their labels: classes are numbered in the order of their folders' names.

    Those of a shard come together, in any order: where shard 0 has the classes 00000-000000 and 00000-000002
    in this split, these are 0 and 1, and 00001-000000 is 2.
    """
    shard, first, batch = "", 0, list[dict[str, Any]]()

    def flush() -> Iterator[tuple[int, dict[str, Any]]]:
        nonlocal first
        classes = {name: first + i for i, name in enumerate(sorted({_class(note) for note in batch}))}
        yield from ((classes[_class(note)], note) for note in batch)
        first += len(classes)
        batch.clear()

    for note in notes:
        if note["shard"] != shard:
            yield from flush()
            shard = note["shard"]
        batch.append(note)
    yield from flush()


def _class(note: dict[str, Any]) -> str:
    return note["path"].split("/")[1]


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    for split in exported.splits:
        lines = (f"{note['path']} {label}\n" for label, note in _labelled(notes.of(split)))
        write_text(out / f"{split}.csv", lines)
        rows = (
            (label, note["path"], note["key"], note["caption"]) for label, note in _labelled(notes.of(split))
        )
        write_csv(out / f"{split}_captions.csv", ("label", "path", "key", "caption"), rows)


KINETICS = Exporter(
    layout="<split>/<still>/<name>.mp4 and <split>.csv, for PyTorchVideo's LabeledVideoDataset",
    write=_write,
    finish=_finish,
)
