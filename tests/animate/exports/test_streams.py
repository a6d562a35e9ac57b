"""MDS, LitData and DALI: read by their own packages where there are such, and by their rules everywhere."""

import itertools
import json
import struct
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animate.codec import decode_mp4
from tests.support.exporting import CLIPS, Source

SPLIT = (0.5, 0.5)


def assert_clip(source: Source, sample: dict[str, Any]) -> str:
    """The sample is the clip that its key names; the key."""
    clip = source.clips[sample["key"]]
    assert sample["caption"] == clip["caption"]
    for name, expected in (("captions", clip["captions"]), ("json", clip["json"])):
        value = sample[name]
        assert (json.loads(value) if isinstance(value, str) else value) == expected
    np.testing.assert_array_equal(decode_mp4(sample["video"]), clip["frames"].transpose(0, 2, 3, 1))
    return sample["key"]


def items(content: bytes) -> list[bytes]:
    """Both formats: a count, offsets and one more, and what lies between neighbouring offsets."""
    (count,) = struct.unpack_from("<I", content)
    offsets = struct.unpack_from(f"<{count + 1}I", content, 4)
    assert offsets[-1] == len(content)
    return [content[a:b] for a, b in itertools.pairwise(offsets)]


def leaves(item: bytes, count: int) -> list[bytes]:
    sizes, place, found = struct.unpack_from(f"<{count}I", item), 4 * count, []
    for size in sizes:
        found.append(item[place : place + size])
        place += size
    assert place == len(item)
    return found


def mds_samples(folder: Path) -> Iterator[dict[str, Any]]:
    """`MDSReader.decode_sample`, restated."""
    index = json.loads((folder / "index.json").read_text())
    assert index["version"] == 2
    for shard in index["shards"]:
        content = (folder / shard["raw_data"]["basename"]).read_bytes()
        assert (shard["format"], shard["raw_data"]["bytes"]) == ("mds", len(content))
        assert shard["column_names"] == sorted(shard["column_names"])
        samples = items(content)
        assert len(samples) == shard["samples"]
        start = 4 * (len(samples) + 2)
        config = json.loads(content[start : content.index(b"}", start) + 1])
        assert all(shard[name] == value for name, value in config.items())
        for sample in samples:
            values = leaves(sample, len(shard["column_names"]))
            yield {
                name: value if kind == "bytes" else json.loads(value) if kind == "json" else value.decode()
                for name, kind, value in zip(
                    shard["column_names"], shard["column_encodings"], values, strict=True
                )
            }


def litdata_items(folder: Path) -> Iterator[dict[str, Any]]:
    """`PyTreeLoader.deserialize`, restated."""
    index = json.loads((folder / "index.json").read_text())
    config = index["config"]
    version, tree = json.loads(config["data_spec"])
    assert (version, tree["type"], config["item_loader"]) == (1, "builtins.dict", "PyTreeLoader")
    names = json.loads(tree["context"])
    assert len(names) == len(tree["children_spec"]) == len(config["data_format"])
    for chunk in index["chunks"]:
        content = (folder / chunk["filename"]).read_bytes()
        assert chunk["chunk_bytes"] == len(content) and chunk["chunk_size"] == len(items(content))
        for item in items(content):
            values = leaves(item, len(names))
            yield {
                name: value if kind == "bytes" else value.decode()
                for name, kind, value in zip(names, config["data_format"], values, strict=True)
            }


@pytest.mark.parametrize(("to", "read"), [("mds", mds_samples), ("litdata", litdata_items)])
def test_samples_are_read_by_the_rules_of_their_format(source: Source, tmp_path, to, read):
    report = source.export(tmp_path, to, split=SPLIT)
    keys = []
    for split in ("train", "val"):
        found = [assert_clip(source, sample) for sample in read(tmp_path / split)]
        assert len(found) == report.clips[split]
        keys += found
    assert sorted(keys) == sorted(source.clips) and len(keys) == CLIPS


@pytest.mark.filterwarnings("ignore")
def test_mosaicml_streaming_reads_mds(source: Source, tmp_path, monkeypatch):
    streaming = pytest.importorskip("streaming", reason="pip install mosaicml-streaming")
    report = source.export(tmp_path / "out", "mds", split=SPLIT)
    for split in ("train", "val"):
        dataset = streaming.StreamingDataset(
            local=str(tmp_path / "out"), split=split, shuffle=False, batch_size=1
        )
        keys = [assert_clip(source, dataset[i]) for i in range(len(dataset))]
        assert len(set(keys)) == report.clips[split]


@pytest.mark.filterwarnings("ignore")
def test_litdata_reads_its_chunks(source: Source, tmp_path):
    litdata = pytest.importorskip("litdata", reason="pip install litdata")
    report = source.export(tmp_path / "out", "litdata", split=SPLIT)
    for split in ("train", "val"):
        dataset = litdata.StreamingDataset(str(tmp_path / "out" / split))
        keys = [assert_clip(source, dataset[i]) for i in range(len(dataset))]
        assert len(set(keys)) == report.clips[split]


def test_dali_finds_every_member_by_its_index(source: Source, tmp_path):
    """The index is what `wds2idx.py` makes of the tar with `tarfile`, and names where contents lie."""
    report = source.export(tmp_path, "dali", split=SPLIT)
    keys = []
    for split in ("train", "val"):
        count = 0
        for tar in sorted((tmp_path / split).glob("*.tar")):
            with tarfile.open(tar) as archive:
                members = [(*x.name.partition(".")[::2], x.offset_data, x.size) for x in archive]
            lines = tar.with_suffix(".idx").read_text(encoding="ascii").splitlines()
            stems = list(dict.fromkeys(stem for stem, _, _, _ in members))
            assert lines[0] == f"v1.2 {len(stems)}"
            for line, stem in zip(lines[1:], stems, strict=True):
                expected = " ".join(
                    f"{suffix} {offset} {size} {name}.{suffix}"
                    for name, suffix, offset, size in members
                    if name == stem
                )
                assert line == expected
                content = tar.read_bytes()
                fields = line.split(" ")
                found = {
                    fields[i]: content[int(fields[i + 1]) :][: int(fields[i + 2])]
                    for i in range(0, len(fields), 4)
                }
                table = json.loads(found["json"])
                sample = {"json": table, "captions": table["captions"], "key": table["key"]}
                keys.append(
                    assert_clip(source, {**sample, "caption": found["txt"].decode(), "video": found["mp4"]})
                )
                count += 1
        assert count == report.clips[split]
    assert sorted(keys) == sorted(source.clips)


@pytest.mark.filterwarnings("ignore")
def test_webdataset_reads_dalis_tars(source: Source, tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="pip install webdataset")
    source.export(tmp_path, "dali")
    tars = [str(path) for path in sorted((tmp_path / "train").glob("*.tar"))]
    samples = list(webdataset.WebDataset(tars, shardshuffle=False).decode())
    assert sorted(sample["json"]["key"] for sample in samples) == sorted(source.clips)
    assert all(sample["txt"] == sample["json"]["caption"] for sample in samples)
