"""CLIP4Clip (https://github.com/ArrowLuo/CLIP4Clip, `dataloaders/dataloader_msrvtt_retrieval.py`).

    videos/<video_id>.mp4                   --features_path
    train.csv                               --train_csv: video_id
    data.json                               --data_path: videos and sentences, in MSR-VTT's form
    val.csv, test.csv                       --val_csv: key, vid_key, video_id, sentence

Its rules, restated: it opens `{features_path}/{video_id}.mp4`, and reads `--feature_framerate` frames a
second, 1 by default (`RawVideoExtractorCV2`), so that of a clip of 3 seconds it sees 3 frames, however many
there are. Training draws from `sentences` by `video_id`; judging reads one `sentence` a
row with pandas, which takes some words for a missing value.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from animate.exports.clip import (
    ExportClip,
    Exported,
    Exporter,
    Note,
    Notes,
    caption_for_csv,
    unread_by_pandas,
)
from animate.exports.msrvtt import flat, write_annotation
from animate.exports.videos import write_csv, write_videos
from animate.recipe import VideoRecipe


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    for clip in clips:
        [note] = write_videos(folder, [clip], flat)
        yield Note(split=note.split, value={**note.value, "sentence": caption_for_csv(clip)})


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    write_annotation(out / "data.json", notes)
    for split in exported.splits:
        if split == "train":
            write_csv(out / "train.csv", ("video_id",), ((note["name"],) for note in notes.of(split)))
            continue
        rows = (
            (f"ret{number}", note["key"], note["name"], note["sentence"])
            for number, note in enumerate(notes.of(split))
        )
        write_csv(out / f"{split}.csv", ("key", "vid_key", "video_id", "sentence"), rows)


def _warnings(video: VideoRecipe) -> Iterator[str]:
    if video.fps != 1:
        seen = math.ceil(video.num_frames / video.fps)
        yield (
            f"CLIP4Clip reads one frame a second, {seen} of the {video.num_frames} of a clip; give it "
            f"--feature_framerate {math.ceil(video.fps)} to have all"
        )


CLIP4CLIP = Exporter(
    layout="videos/<video_id>.mp4, train.csv, val.csv and data.json, for CLIP4Clip",
    write=_write,
    finish=_finish,
    warnings=_warnings,
    refuses=unread_by_pandas,
)
