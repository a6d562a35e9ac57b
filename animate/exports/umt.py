"""UMT, InternVideo2 and VindLU (https://github.com/OpenGVLab/unmasked_teacher, `multi_modality/dataset`).

    videos/<shard>/<name>.mp4               data_root
    train.json                              [{image, video, caption, key}], an entry a caption
    val.json, test.json                     the same with a list as `caption`, an entry a clip

Its rules, restated: a corpus is `[annotation, data_root, "video"]`. `load_anno` then reads the path from
`video`, and from `image` where the third is left out, as VindLU's files have it: both are there. Training
wants one text as `caption`, judging takes a list. Clips are told apart by the base name of their file.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from animate.exports.clip import ExportClip, Exported, Exporter, Note, Notes
from animate.exports.videos import by_shard, captioned, write_json_list, write_videos


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    return write_videos(folder, clips, by_shard)


def _entry(note: dict[str, Any]) -> dict[str, Any]:
    return {"image": note["path"], "video": note["path"]}


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    for split in exported.splits:
        write_json_list(out / f"{split}.json", captioned(notes, split, _entry))


UMT = Exporter(
    layout="videos/ and <split>.json, a list of {image, video, caption}, for UMT, InternVideo2 and VindLU",
    write=_write,
    finish=_finish,
)
