"""LAVIS (https://github.com/salesforce/LAVIS, `lavis/datasets/datasets`).

    videos/<shard>/<name>.mp4               build_info.videos.storage
    annotations/train.json                  build_info.annotations.train.storage: [{video, caption, image_id}]
    annotations/val.json, test.json         the same with a list as `caption`, an entry a clip

Its rules, restated: `BaseDataset` reads a JSON list and adds `instance_id` itself; `VideoCaptionDataset` and
the retrieval datasets open `{vis_root}/{video}`; training wants one text as `caption`, the evaluation of
retrieval a list. Rows with one `image_id` are one video. Storage paths of a configuration are absolute, or
relative to its cache.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from animate.exports.clip import ExportClip, Exported, Exporter, Note, Notes
from animate.exports.videos import by_shard, write_json_list, write_videos


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    return write_videos(folder, clips, by_shard)


def _entry(note: dict[str, Any], caption: str | list[str]) -> dict[str, Any]:
    return {"video": note["path"], "image_id": note["name"], "caption": caption, "key": note["key"]}


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    for split in exported.splits:
        found = notes.of(split)
        if split == "train":
            entries = (_entry(note, caption) for note in found for caption in note["captions"])
        else:
            entries = (_entry(note, note["captions"]) for note in found)
        write_json_list(out / "annotations" / f"{split}.json", entries)


LAVIS = Exporter(
    layout="videos/ and annotations/<split>.json, for LAVIS",
    write=_write,
    finish=_finish,
)
