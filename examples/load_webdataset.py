"""Shards with webdataset and PyAV, and with nothing of this project: what any other project can do.

animate build --src demo --out shards/
python examples/load_webdataset.py shards/
"""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import webdataset


def frames_of(mp4: bytes) -> np.ndarray:
    """[t, h, w, 3], uint8, RGB."""
    with av.open(io.BytesIO(mp4)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def clips(shards: str) -> Iterator[tuple[np.ndarray, str, np.ndarray]]:
    """Frames, caption, and the homographies ([t, 3, 3]) that map each frame to the still, of mp4 shards."""
    tars = [str(path) for path in sorted(Path(shards).glob("*.tar"))]
    for sample in webdataset.WebDataset(tars, shardshuffle=False):
        record = json.loads(sample["json"])
        homographies = np.array(record["homographies"]).reshape(-1, 3, 3)
        yield frames_of(sample["mp4"]), sample["txt"].decode(), homographies


if __name__ == "__main__":
    for frames, caption, homographies in clips(sys.argv[1]):
        print(frames.shape, homographies.shape, caption)
