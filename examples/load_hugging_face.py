"""Shards in Hugging Face's `datasets`, as the tars are and as an export with a column of videos.

animate build --src demo --out shards/
animate export shards/ --to hf --out exported/
python examples/load_hugging_face.py shards/ exported/
"""

import sys

from datasets import IterableDataset, Video, load_dataset


def tars(shards: str) -> IterableDataset:
    """The shards themselves, streamed: columns `mp4`, `jpg`, `json`, `txt`; videos stay undecoded bytes."""
    files = f"{shards.rstrip('/')}/*.tar"
    found = load_dataset("webdataset", data_files={"train": files}, split="train", streaming=True)
    return found.cast_column("mp4", Video(decode=False))


def exported(folder: str) -> IterableDataset:
    """An export: columns `key`, `video`, `caption`, …; pushed to the hub, it loads by its name."""
    found = load_dataset(folder, split="train", streaming=True)
    return found.cast_column("video", Video(decode=False))


if __name__ == "__main__":
    for row in tars(sys.argv[1]):
        print(len(row["mp4"]["bytes"]), row["json"]["camera"], row["json"]["caption"])
    for row in exported(sys.argv[2]):
        print(len(row["video"]["bytes"]), row["camera"], row["caption"])
