"""The photographs and videos of `retrieval_real.py`: filmed by `animate`, encoded by frozen towers."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import read_recipe
from benchmarks.frozen_towers import (
    IMAGE_SIZE,
    FilmFeatures,
    TextFeatures,
    film_features,
    text_features,
)
from retrieval.datasets import Clips, FrameReader, Motion, open_dataset
from retrieval.recipe import DataSpec, FramesSpec

NUM_FRAMES = 4

#: How the photographs are filmed; the rest is the default recipe.
FILMINGS = {
    "stills": ('shot.preset="static"', "video.num_frames=1"),
    "filmed stills": ('shot.preset="default"',),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Films:
    """Encoded clips and the captions of each."""

    features: FilmFeatures
    captions: tuple[tuple[str, ...], ...]

    def rows(self, chosen: Sequence[int]) -> "Films":
        """Some of them, in this order."""
        index = torch.tensor(chosen)
        return Films(
            features=FilmFeatures(frames=self.features.frames[index], mask=self.features.mask[index]),
            captions=tuple(self.captions[i] for i in chosen),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RealData:
    """Photographs by how they are filmed, the videos by MSR-VTT's own parts, and features of all texts.

    `motions` are what the camera does in each of the filmed stills.
    """

    photographs: dict[str, Films]
    motions: tuple[Motion, ...]
    videos: Films
    parts: tuple[str, ...]
    texts: TextFeatures
    seconds: dict[str, float]

    def part(self, name: str) -> Films:
        """The videos of one part of the official split, "train" or "validate"."""
        return self.videos.rows([i for i, part in enumerate(self.parts) if part == name])


def load(photographs: Path, videos: Path, cache: Path) -> RealData:
    """Films and encodes what `cache` does not hold yet; `seconds` says what that took when it was done."""
    seconds: dict[str, float] = {}
    reader = FrameReader.of(FramesSpec(num_frames=NUM_FRAMES, size=IMAGE_SIZE))
    filmed: dict[str, Films] = {}
    for name, overrides in FILMINGS.items():
        started = time.perf_counter()
        shards = cache / name.replace(" ", "_")
        fixed = ('source.name="folder"', f'source.path="{photographs}"', 'video.format="frames"')
        build_shards(read_recipe(None, [*fixed, *overrides]), shards, workforce=HERE)
        seconds[f"build {name}"] = time.perf_counter() - started
        clips = open_dataset(DataSpec(shards=(str(shards),))).train
        assert clips is not None
        filmed[name] = Films(features=_timed(seconds, name, clips, reader, cache), captions=_captions(clips))
    motions = _motions(cache / "filmed_stills", reader)
    stills, films = filmed["stills"], filmed["filmed stills"]
    filmed["both"] = Films(
        features=FilmFeatures(
            frames=torch.cat([_padded(stills.features.frames, NUM_FRAMES), films.features.frames]),
            mask=torch.cat([_padded(stills.features.mask, NUM_FRAMES), films.features.mask]),
        ),
        captions=stills.captions + films.captions,
    )
    lines = (videos / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    listed = {row["video_id"]: row for row in map(json.loads, lines)}
    table = cache / "msrvtt.jsonl"
    rows = ({"video": name, "captions": row["captions"]} for name, row in listed.items())
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    split = open_dataset(
        DataSpec(name="table", held_out_table=str(table), videos=str(videos / "frames"))
    ).test
    assert split is not None
    found = Films(
        features=_timed(seconds, "videos", split.clips, reader, cache), captions=_captions(split.clips)
    )
    started = time.perf_counter()
    every = [text for films in (*filmed.values(), found) for own in films.captions for text in own]
    every += [motion.caption for motion in motions]
    texts = text_features(every, cache)
    seconds["text features"] = time.perf_counter() - started
    first = cache / "seconds.json"
    if not first.is_file():
        first.write_text(json.dumps(seconds), encoding="utf-8")
    return RealData(
        photographs=filmed,
        motions=motions,
        videos=found,
        parts=tuple(listed[name]["split"] for name in split.video_ids),
        texts=texts,
        seconds=json.loads(first.read_text(encoding="utf-8")),
    )


def _padded(values: Tensor, length: int) -> Tensor:
    """Clips of fewer frames with empty ones behind them."""
    whole = values.new_zeros(len(values), length, *values.shape[2:])
    whole[:, : values.shape[1]] = values
    return whole


def _captions(clips: Clips) -> tuple[tuple[str, ...], ...]:
    return tuple(clips.captions(i) for i in range(len(clips)))


def _motions(shards: Path, reader: FrameReader) -> tuple[Motion, ...]:
    clips = open_dataset(DataSpec(shards=(str(shards),), caption_of="both")).train
    assert clips is not None
    found = [clips.read(i, reader, None, 0).motion for i in range(len(clips))]
    told = tuple(motion for motion in found if motion is not None)
    assert len(told) == len(found), "shards say of every clip what its camera does"
    return told


def _timed(
    seconds: dict[str, float], name: str, clips: Clips, reader: FrameReader, cache: Path
) -> FilmFeatures:
    started = time.perf_counter()
    features = film_features(clips, reader, file=cache / f"{name.replace(' ', '_')}.safetensors")
    seconds[f"features of {name}"] = time.perf_counter() - started
    return features
