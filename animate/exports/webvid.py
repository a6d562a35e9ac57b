"""WebVid, as Frozen-in-Time reads it (https://github.com/m-bain/frozen-in-time, `data_loader`).

    videos/<page_dir>/<videoid>.mp4
    metadata/results_animate_train.csv      videoid, name, page_idx, page_dir, duration, contentUrl, key

Its rules, restated: the csv is `results_{cut}_{split}.csv`, here with `cut` = "animate". `name` is the
caption, of which it keeps 350 characters. It drops every row with a missing value in any column. It asks for
`videos/{page_dir}/{videoid}.mp4`, with both as pandas read them, so neither may look like a number. Frames
are drawn one from each of `num_frames` intervals, from all but the last frame of each (`sample_frames`), so a
clip needs twice as many frames as are sampled: 4 in its configurations. Of the `val` split it draws 1000 rows
and fails where there are fewer.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from animate.exports.clip import (
    PANDAS_MISSING,
    ExportClip,
    Exported,
    Exporter,
    Note,
    Notes,
    caption_for_csv,
    unread_by_pandas,
)
from animate.exports.videos import write_csv, write_videos
from animate.recipe import VideoRecipe

#: The `cut` of its configuration.
CUT = "animate"
#: Frames that its configurations sample.
SAMPLED_FRAMES = 4
#: Characters of a caption that it keeps.
CAPTION_CHARACTERS = 350
#: Rows that it draws from the `val` split.
VAL_ROWS = 1000

_HEADER = ("videoid", "name", "page_idx", "page_dir", "duration", "contentUrl", "key")


def _write(folder: Path, clips: Iterable[ExportClip]) -> Iterator[Note]:
    for clip in clips:
        [note] = write_videos(folder, [clip], lambda one: f"{_page(one.shard)}/{one.name}.mp4")
        yield Note(split=note.split, value={**note.value, "caption": caption_for_csv(clip)})


def _page(shard: str) -> str:
    """`00012` would be the number 12 to pandas."""
    return f"shard_{shard}"


def _finish(out: Path, notes: Notes, exported: Exported) -> None:
    for split in exported.splits:
        rows = (
            (
                note["name"],
                note["caption"],
                int(note["shard"]),
                _page(note["shard"]),
                f"{note['duration']:g}",
                "unknown" if note["url"] in PANDAS_MISSING else note["url"],
                note["key"],
            )
            for note in notes.of(split)
        )
        write_csv(out / "metadata" / f"results_{CUT}_{split}.csv", _HEADER, rows)


def _warnings(video: VideoRecipe) -> Iterator[str]:
    if video.num_frames < 2 * SAMPLED_FRAMES:
        yield (
            f"clips have {video.num_frames} frames, and Frozen-in-Time needs twice those that it samples: "
            f"with {SAMPLED_FRAMES}, its default, it fails; set num_frames to at most {video.num_frames // 2}"
        )


def _remarks(clip: ExportClip) -> str:
    if len(caption_for_csv(clip)) > CAPTION_CHARACTERS:
        return f"captions have more than {CAPTION_CHARACTERS} characters; Frozen-in-Time reads the first"
    return ""


def _afterwards(exported: Exported) -> Iterator[str]:
    if "val" in exported.splits and exported.counts.get("val", 0) < VAL_ROWS:
        yield (
            f"val has {exported.counts.get('val', 0):,} clips: Frozen-in-Time draws {VAL_ROWS:,} of it and "
            "fails where there are fewer"
        )


WEBVID = Exporter(
    layout="videos/<page_dir>/<videoid>.mp4 and metadata/results_animate_<split>.csv, for Frozen-in-Time",
    write=_write,
    finish=_finish,
    warnings=_warnings,
    refuses=unread_by_pandas,
    remarks=_remarks,
    afterwards=_afterwards,
)
