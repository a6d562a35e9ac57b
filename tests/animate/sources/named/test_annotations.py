"""Annotation files in each form in which their owners publish them."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from animate.data import Sample
from animate.sources import SourceError
from tests.support.corpora import PHOTOGRAPH, put, statuses
from tests.support.named import read_named, write_genome


def coco(folder: Path) -> None:
    content = {
        "info": {"year": 2017},
        "licenses": [{"id": 4, "name": "Attribution License", "url": "http://cc/by/2.0/"}],
        "images": [
            {"id": 7, "file_name": "000000000007.jpg", "license": 4, "flickr_url": "http://f/7.jpg"},
            {"id": 9, "file_name": "000000000009.jpg", "license": 4, "flickr_url": "http://f/9.jpg"},
        ],
        "annotations": [{"id": i, "image_id": 7, "caption": f"caption {i}"} for i in range(5)],
    }
    put(folder / "annotations/captions_val2017.json", content)


@pytest.mark.parametrize("zipped", [False, True])
def test_coco_has_five_captions_and_a_licence_an_image(tmp_path, zipped):
    coco(tmp_path / "coco")
    if zipped:
        with zipfile.ZipFile(tmp_path / "coco/val2017.zip", "w") as archive:
            archive.writestr("val2017/000000000007.jpg", PHOTOGRAPH)
    else:
        put(tmp_path / "coco/val2017/000000000007.jpg", PHOTOGRAPH)
    first, second = read_named(tmp_path, tmp_path / "coco", "coco", split="val")
    assert isinstance(first, Sample)
    assert (first.key, first.image) == ("000000000007", PHOTOGRAPH)
    assert first.captions == tuple(f"caption {i}" for i in range(5))
    assert first.meta["license_id"] == 4
    assert first.meta["license"] == "Attribution License"
    assert second.fault.status == "missing_file"


def test_coco_rows_that_are_none_are_counted(tmp_path):
    images = [{"id": 1}, "x", {"id": 2, "file_name": "2.jpg", "license": [4]}]
    content = {"images": images, "annotations": [{"image_id": "2", "caption": "a cat"}, {"id": 9}, None]}
    put(tmp_path / "coco/annotations/captions_val2017.json", content)
    put(tmp_path / "coco/val2017/2.jpg", PHOTOGRAPH)
    rows = read_named(tmp_path, tmp_path / "coco", "coco", split="val")
    assert statuses(rows) == ["bad_row", "bad_row", "ok"]
    assert rows[2].captions == ("a cat",)


@pytest.mark.parametrize(
    "content", [[], {"images": 3, "annotations": []}, {"images": []}, "x", "[" * 100_000]
)
def test_a_file_that_is_no_annotations_is_one_sentence(tmp_path, content):
    for name, path in {"coco": "captions_val2017.json", "vg": "region_descriptions.json"}.items():
        put(tmp_path / name / path, content if isinstance(content, str) else json.dumps(content))
        put(tmp_path / name / "val2017/2.jpg", PHOTOGRAPH)
        put(tmp_path / name / "VG_100K/2.jpg", PHOTOGRAPH)
        if name == "vg" and content == []:
            continue
        with pytest.raises(SourceError, match="not "):
            read_named(tmp_path, tmp_path / name, name, split="val" if name == "coco" else "")


@pytest.mark.parametrize("suffix", [".json.gz", ".json.zip"])
def test_annotations_are_read_as_they_were_downloaded(tmp_path, suffix):
    write_genome(tmp_path / "vg", PHOTOGRAPH)
    for name in ("region_descriptions", "image_data"):
        plain = tmp_path / f"vg/{name}.json"
        packed = plain.with_name(name + suffix)
        if suffix.endswith("gz"):
            packed.write_bytes(gzip.compress(plain.read_bytes()))
        else:
            with zipfile.ZipFile(packed, "w") as archive:
                archive.write(plain, f"{name}.json")
                archive.writestr(f"__MACOSX/._{name}.json", b"x")
        plain.unlink()
    (row,) = read_named(tmp_path, tmp_path / "vg", "vg")
    assert row.captions == ("a cat, an eye", "a cat.", "an eye")
    assert row.meta["url"] == "http://vg/2.jpg"


def test_a_zip_that_cannot_be_read_is_one_sentence(tmp_path):
    put(tmp_path / "vg/VG_100K/2.jpg", PHOTOGRAPH)
    put(tmp_path / "vg/region_descriptions.json.zip", b"no zip")
    with pytest.raises(SourceError, match="not a readable zip"):
        read_named(tmp_path, tmp_path / "vg", "vg")
    with zipfile.ZipFile(tmp_path / "vg/region_descriptions.json.zip", "w") as archive:
        archive.writestr("a.json", "[]")
        archive.writestr("b.json", "[]")
    with pytest.raises(SourceError, match="holds 2 files where one is read: unpack it"):
        read_named(tmp_path, tmp_path / "vg", "vg")


def test_visual_genome_rows_that_are_none_are_counted(tmp_path):
    write_genome(tmp_path / "vg", PHOTOGRAPH)
    regions = [
        {"region_id": 1, "phrase": "no box"},
        None,
        {"region_id": 2, "phrase": "half a box", "x": None},
    ]
    put(
        tmp_path / "vg/region_descriptions.json",
        [{"id": 2, "regions": regions}, "x", {"id": 3, "regions": 4}],
    )
    assert statuses(read_named(tmp_path, tmp_path / "vg", "vg-regions")) == ["bad_row"] * 5
    rows = read_named(tmp_path, tmp_path / "vg", "vg")
    assert statuses(rows) == ["ok", "bad_row", "bad_row"]
    assert rows[0].captions == ("no box, half a box", "no box", "half a box")


def test_visual_genome_joins_the_phrases_of_the_largest_regions(tmp_path):
    write_genome(tmp_path / "vg", PHOTOGRAPH)
    (row,) = read_named(tmp_path, tmp_path / "vg", "vg")
    assert row.captions == ("a cat, an eye", "a cat.", "an eye")
    assert row.meta["url"] == "http://vg/2.jpg"


FLICKR = {
    "Flickr8k.token.txt": "a.jpg#0\tone , two\na.jpg#1\tthree\nb.jpg#0\tfour\n",
    "captions.txt": 'image,caption\na.jpg,"one , two"\na.jpg,three\nb.jpg,four\n',
    "dataset_flickr8k.json": json.dumps(
        {
            "images": [
                {
                    "filename": "a.jpg",
                    "split": "train",
                    "sentences": [{"raw": "one , two"}, {"raw": "three"}],
                },
                {"filename": "b.jpg", "split": "test", "sentences": [{"raw": "four"}]},
            ],
            "dataset": "flickr8k",
        }
    ),
}


@pytest.mark.parametrize("form", list(FLICKR))
def test_flickr8k_in_each_of_its_forms(tmp_path, form):
    corpus = tmp_path / "flickr8k"
    put(corpus / form, FLICKR[form])
    put(corpus / "Images/a.jpg", PHOTOGRAPH)
    put(corpus / "Images/b.jpg", PHOTOGRAPH)
    rows = read_named(tmp_path, corpus, "flickr8k")
    assert [(row.key, row.captions) for row in rows] == [("a", ("one , two", "three")), ("b", ("four",))]
    put(corpus / "Flickr_8k.testImages.txt", "b.jpg\n")
    assert [row.key for row in read_named(tmp_path, corpus, "flickr8k", split="test")] == ["b"]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("results_20130124.token", "1.jpg#0\tone\n1.jpg#1\ttwo\n"),
        ("results.csv", "image_name| comment_number| comment\n1.jpg| 0| one\n1.jpg| 1| two\n"),
        (
            "flickr_annotations_30k.csv",
            'raw,sentids,split,filename,img_id\n"[""one"", ""two""]","[0]",train,1.jpg,0\n',
        ),
    ],
)
def test_flickr30k_in_each_of_its_forms(tmp_path, form, content):
    put(tmp_path / "flickr30k" / form, content)
    put(tmp_path / "flickr30k/flickr30k-images/1.jpg", PHOTOGRAPH)
    (row,) = read_named(tmp_path, tmp_path / "flickr30k", "flickr30k")
    assert row.captions == ("one", "two")


KARPATHY = {
    "images": [
        {"filename": f"{i}.jpg", "split": split, "sentences": [{"raw": f"caption {i}"}]}
        for i, split in enumerate(("train", "test", "val", "test"))
    ]
}
HUGGING_FACE = "raw,sentids,split,filename,img_id\n" + "".join(
    f'"[""caption {i}""]","[0]",{image["split"]},{i}.jpg,{i}\n' for i, image in enumerate(KARPATHY["images"])
)


@pytest.mark.parametrize("file", ["dataset_flickr30k.json", "flickr_annotations_30k.csv"])
@pytest.mark.parametrize("beside", [None, "results_20130124.token"])
def test_official_splits_come_from_the_usual_files(tmp_path, file, beside):
    corpus = tmp_path / "flickr30k"
    put(corpus / file, KARPATHY if file.endswith("json") else HUGGING_FACE)
    if beside:
        put(corpus / beside, "".join(f"{i}.jpg#0\tcaption {i}\n" for i in range(4)))
    for i in range(4):
        put(corpus / f"Images/{i}.jpg", PHOTOGRAPH)
    for split, keys in {"train": "0", "val": "2", "test": "13", "": "0123"}.items():
        rows = read_named(tmp_path, corpus, "flickr30k", split=split)
        assert [row.key for row in rows] == list(keys)
        assert [row.captions for row in rows] == [(f"caption {key}",) for key in keys]
    assert [r.key for r in read_named(tmp_path, corpus / file, "flickr30k", split="test")] == ["1", "3"]


@pytest.mark.parametrize("file", ["captions.txt", "dataset_flickr8k.json"])
def test_a_split_that_no_file_has_is_one_sentence(tmp_path, file):
    content = (
        {"images": KARPATHY["images"][:1]} if file.endswith("json") else "image,caption\n0.jpg,caption 0\n"
    )
    put(tmp_path / "flickr8k" / file, content)
    put(tmp_path / "flickr8k/Images/0.jpg", PHOTOGRAPH)
    with pytest.raises(SourceError, match=r"no image of split 'test'.*Flickr_8k.testImages.txt"):
        read_named(tmp_path, tmp_path / "flickr8k" / file, "flickr8k", split="test")
    put(tmp_path / "flickr8k/Flickr_8k.trainImages.txt", "0.jpg\n")
    (row,) = read_named(tmp_path, tmp_path / "flickr8k" / file, "flickr8k", split="train")
    assert row.captions == ("caption 0",)


def test_a_cr_in_a_caption_of_flickr_stays_in_it(tmp_path):
    put(tmp_path / "flickr8k/Flickr8k.token.txt", "a.jpg#0\tone\rtwo\r\na.jpg#1\tthree")
    put(tmp_path / "flickr8k/Images/a.jpg", PHOTOGRAPH)
    (row,) = read_named(tmp_path, tmp_path / "flickr8k", "flickr8k")
    assert row.captions == ("one two", "three")
