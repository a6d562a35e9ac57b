"""The photographs and videos of `retrieval_real.py`: filmed by `animate`, encoded by frozen towers."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from animate.build import build
from animate.recipe import read_recipe
from benchmarks.frozen_towers import (
    IMAGE_SIZE,
    FilmFeatures,
    TextFeatures,
    film_features,
    text_features,
)
from retrieval.datasets import Clips, FrameReader, open_dataset
from retrieval.recipe import DataSpec, FramesSpec

NUM_FRAMES = 4

#: How the photographs are filmed; the rest is the default recipe.
FILMINGS = {
    "stills": ('shot.preset="static"', "video.num_frames=1"),
    "filmed stills": ('shot.preset="default"',),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RealData:
    """Training clips by filming, the videos to be found, one query for each, and features of all texts."""

    training: dict[str, FilmFeatures]
    captions: tuple[tuple[str, ...], ...]
    videos: FilmFeatures
    queries: tuple[str, ...]
    texts: TextFeatures
    seconds: dict[str, float]


def load(photographs: Path, videos: Path, cache: Path) -> RealData:
    """Films and encodes what `cache` does not hold yet; `seconds` says what that took when it was done."""
    seconds: dict[str, float] = {}
    reader = FrameReader.of(FramesSpec(num_frames=NUM_FRAMES, size=IMAGE_SIZE))
    training: dict[str, FilmFeatures] = {}
    captions: tuple[tuple[str, ...], ...] = ()
    for name, overrides in FILMINGS.items():
        started = time.perf_counter()
        shards = cache / name.replace(" ", "_")
        fixed = ('source.name="folder"', f'source.path="{photographs}"', 'video.format="frames"')
        build(read_recipe(None, [*fixed, *overrides]), shards, workers=0)
        seconds[f"build {name}"] = time.perf_counter() - started
        clips = open_dataset(DataSpec(shards=(str(shards),))).train
        assert clips is not None
        captions = _captions(clips)
        training[name] = _timed(seconds, name, clips, reader, cache)
    table = cache / "msrvtt.jsonl"
    lines = (videos / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    table.write_text(
        "".join(
            json.dumps({"video": row["video_id"], "captions": row["captions"][:1]}) + "\n" for row in rows
        ),
        encoding="utf-8",
    )
    split = open_dataset(
        DataSpec(name="table", held_out_table=str(table), videos=str(videos / "frames"))
    ).test
    assert split is not None
    queries = tuple(text for _, text in sorted(split.captions))
    found = _timed(seconds, "videos", split.clips, reader, cache)
    started = time.perf_counter()
    texts = text_features([*queries, *(text for own in captions for text in own)], cache)
    seconds["text features"] = time.perf_counter() - started
    first = cache / "seconds.json"
    if not first.is_file():
        first.write_text(json.dumps(seconds), encoding="utf-8")
    seconds = json.loads(first.read_text(encoding="utf-8"))
    return RealData(
        training=training, captions=captions, videos=found, queries=queries, texts=texts, seconds=seconds
    )


def _captions(clips: Clips) -> tuple[tuple[str, ...], ...]:
    return tuple(clips.captions(i) for i in range(len(clips)))


def _timed(
    seconds: dict[str, float], name: str, clips: Clips, reader: FrameReader, cache: Path
) -> FilmFeatures:
    started = time.perf_counter()
    features = film_features(clips, reader, file=cache / f"{name.replace(' ', '_')}.safetensors")
    seconds[f"features of {name}"] = time.perf_counter() - started
    return features
