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
from animate.exports.videos import by_shard, captioned, write_json_list, write_videos


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    return write_videos(folder, clips, by_shard)


def _entry(note: dict[str, Any]) -> dict[str, Any]:
    return {"video": note["path"], "image_id": note["name"]}


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    for split in exported.splits:
        write_json_list(out / "annotations" / f"{split}.json", captioned(notes, split, _entry))


LAVIS = Exporter(
    layout="videos/ and annotations/<split>.json, for LAVIS",
    write=_write,
    finish=_finish,
)
