"""UMT's, LAVIS's and Kinetics' lists, read by the rules of their readers, restated."""

import json
import re
from os.path import basename, join
from pathlib import Path

import pandas as pd
import pytest

from tests.support.exporting import CLIPS, Source

SPLIT = (0.5, 0.5)


def load_anno(entry: list[str]) -> list[dict]:
    """`load_anno` of UMT (`multi_modality/dataset/utils.py`)."""
    annotation = json.loads(Path(entry[0]).read_text(encoding="utf-8"))
    key = "video" if len(entry) == 3 and entry[2] == "video" else "image"
    for one in annotation:
        one["image"] = join(entry[1], one[key])
    return annotation


@pytest.mark.parametrize("kind", [["video"], []], ids=["UMT", "VindLU"])
def test_umt_reads_its_list(source: Source, tmp_path, kind):
    report = source.export(tmp_path, "umt", split=SPLIT)
    train = load_anno([str(tmp_path / "train.json"), str(tmp_path / "videos"), *kind])
    captions: dict[str, list[str]] = {}
    match_ids: dict[str, int] = {}
    for one in train:  # ImgTxtRetTrainDataset
        match_ids.setdefault(basename(one["image"]), len(match_ids))
        assert isinstance(one["caption"], str) and Path(one["image"]).is_file()
        captions.setdefault(one["key"], []).append(one["caption"])
    assert len(match_ids) == len(captions) == report.clips["train"]
    val = load_anno([str(tmp_path / "val.json"), str(tmp_path / "videos"), *kind])
    assert len(val) == report.clips["val"]
    for one in val:  # build_data_multi_txt_gt
        assert isinstance(one["caption"], list) and Path(one["image"]).is_file()
        captions[one["key"]] = one["caption"]
    assert captions == {key: clip["captions"] for key, clip in source.clips.items()}


def test_lavis_reads_its_annotations(source: Source, tmp_path):
    report = source.export(tmp_path, "lavis", split=SPLIT)
    vis_root = tmp_path / "videos"
    train = json.loads((tmp_path / "annotations" / "train.json").read_text(encoding="utf-8"))
    captions: dict[str, list[str]] = {}
    ids: dict[str, int] = {}
    for index, one in enumerate(train):  # BaseDataset, CaptionDataset, VideoCaptionDataset
        one["instance_id"] = str(index)
        ids.setdefault(one["image_id"], len(ids))
        assert (vis_root / one["video"]).is_file()
        captions.setdefault(one["key"], []).append(one["caption"])
    assert len(ids) == report.clips["train"]
    val = json.loads((tmp_path / "annotations" / "val.json").read_text(encoding="utf-8"))
    texts = []
    for one in val:  # VideoRetrievalEvalDataset
        assert (vis_root / one["video"]).is_file()
        texts += list(one["caption"])
        captions[one["key"]] = one["caption"]
    assert len(val) == report.clips["val"] and all(len(text) > 1 for text in texts)
    assert captions == {key: clip["captions"] for key, clip in source.clips.items()}


def from_csv(path: Path) -> list[tuple[str, int]]:
    """`LabeledVideoPaths.from_csv`."""
    found = []
    for line in path.read_text().splitlines():
        video, label = line.rsplit(None, 1)
        found.append((video, int(label)))
    return found


def from_directory(folder: Path) -> list[tuple[str, int]]:
    """`LabeledVideoPaths.from_directory`, with torchvision's own listing."""
    folders = pytest.importorskip("torchvision.datasets.folder", reason="lists the folders of classes")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    indices = {name: index for index, name in enumerate(classes)}
    return folders.make_dataset(str(folder), indices, extensions=("mp4", "avi"))


def test_pytorchvideo_reads_list_and_folders_alike(source: Source, tmp_path):
    report = source.export(tmp_path, "kinetics", split=SPLIT)
    stills: dict[str, set[str]] = {}
    for split in ("train", "val"):
        listed = from_csv(tmp_path / f"{split}.csv")
        assert len(listed) == report.clips[split]
        assert sorted({label for _, label in listed}) == list(range(len({label for _, label in listed})))
        found = {
            str(Path(path).relative_to(tmp_path)): label for path, label in from_directory(tmp_path / split)
        }
        assert dict(listed) == found
        rows = pd.read_csv(tmp_path / f"{split}_captions.csv", keep_default_na=False)
        assert list(zip(rows["path"], rows["label"], strict=True)) == listed
        for _, row in rows.iterrows():
            clip = source.clips[row["key"]]
            assert row["caption"] == clip["caption"]
            stills.setdefault(f"{split} {row['label']}", set()).add(clip["json"]["source_key"])
            assert re.fullmatch(r"\w+/\d{5}-\d{6}/[\w~-]+\.mp4", row["path"], re.ASCII)
    assert all(len(keys) == 1 for keys in stills.values())
    assert sum(report.clips.values()) == CLIPS and len(stills) == CLIPS // 2
