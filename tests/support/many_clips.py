"""A set of thousands of clips, made in seconds: few small stills, many takes, virtual."""

import json
from pathlib import Path

import numpy as np

from animate.build import build_shards
from animate.codec import encode_jpeg
from animate.executor import HERE
from animate.recipe import read_recipe


def many_clips(folder: Path, clips: int, stills: int = 50) -> Path:
    """A set in `folder`/set of so many clips of eight frames, 96 x 96."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for i in range(stills):
        small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        (corpus / f"{i:03d}.jpg").write_bytes(encode_jpeg(np.kron(small, np.ones((20, 20, 1), np.uint8)), 80))
        rows.append({"image": f"{i:03d}.jpg", "caption": f"coloured squares, pattern number {i} of {stills}"})
    (corpus / "captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ["source.name=folder", f"source.path={corpus}", "video.format=virtual", "video.size=96"]
    settings += [
        "video.num_frames=8",
        "video.fps=8",
        f"takes={clips // stills}",
        "shards.clips_per_shard=500",
    ]
    report = build_shards(read_recipe(None, settings), folder / "set", workforce=HERE)
    assert report.clips == clips
    return folder / "set"
