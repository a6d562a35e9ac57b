"""Named corpora on this machine: where they are, and what to get if they are not."""

import shlex
from pathlib import Path

import pytest

from animate.recipe import SourceRecipe, read_recipe
from animate.sources import SourceError, open_source
from animate.sources.named.corpora import CORPORA
from animate.sources.named.find import ROOT_VARIABLE, explain, overview
from animate.sources.resolve import resolve_src
from tests.support.corpora import PHOTOGRAPH, put, read, write_members, write_rows
from tests.support.named import write_genome


@pytest.mark.parametrize("name", list(CORPORA))
def test_a_missing_corpus_says_what_to_get_and_where(name, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    with pytest.raises(SourceError) as error:
        open_source(SourceRecipe(**resolve_src(name)))
    text = str(error.value)
    assert CORPORA[name].page in text
    assert CORPORA[name].licence in text
    assert f"animate build --src {name}" in text
    assert str(tmp_path / name) in text


def test_what_is_here_is_listed(tmp_path):
    put(tmp_path / "cc12m/cc12m.tsv", "http://x.org/1.jpg\ta\n")
    rows = {row.name: row.where for row in overview(str(tmp_path))}
    assert set(rows) == set(CORPORA)
    assert rows["cc12m"] == f"in {tmp_path}/cc12m"
    assert rows["cc3m"] == "-"
    assert "found 1" in explain("cc12m", root=str(tmp_path))
    with pytest.raises(SourceError, match="known ones: cc3m"):
        explain("imagenet")


def next_lines(name: str, root: Path | str) -> list[str]:
    start = "  next      "
    return [line.removeprefix(start) for line in explain(name, root=str(root)).splitlines() if start in line]


def write_corpora(root: Path) -> None:
    """Corpora of several kinds, each as its owners have it."""
    put(root / "cc3m/Train_GCC-training.tsv", "a cat\thttp://x.org/1.jpg\n")
    put(root / "cc3m/Validation_GCC-1.1.0-Validation.tsv", "a cat\thttp://x.org/2.jpg\n")
    put(root / "sbu/SBU_captioned_photo_dataset_urls.txt", "http://x.org/1.jpg\n")
    put(root / "sbu/SBU_captioned_photo_dataset_captions.txt", "a cat\n")
    write_rows(root / "laion400m/0.parquet", [{"URL": "http://x.org/1.jpg", "TEXT": "a cat"}])
    for split in ("train", "val"):
        images = [{"id": 1, "file_name": "1.jpg"}]
        annotations = [{"image_id": 1, "caption": "a cat"}]
        content = {"images": images, "annotations": annotations}
        put(root / f"coco/annotations/captions_{split}2017.json", content)
        put(root / f"coco/{split}2017/1.jpg", PHOTOGRAPH)
    write_genome(root / "vg", PHOTOGRAPH)
    records = [
        {"filename": f"{split}.jpg", "split": split, "sentences": [{"raw": "a cat"}]}
        for split in ("train", "val", "test")
    ]
    put(root / "flickr30k/dataset_flickr30k.json", {"images": records})
    for split in ("train", "val", "test"):
        put(root / f"flickr30k/flickr30k-images/{split}.jpg", PHOTOGRAPH)


@pytest.mark.parametrize("folder", ["data", "da ta's"])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("cc3m", ["", "val"]),
        ("sbu", [""]),
        ("laion400m", [""]),
        ("coco", ["", "val"]),
        ("vg", [""]),
        ("flickr30k", ["", "train", "val", "test"]),
    ],
)
def test_the_next_command_of_each_split_runs_as_printed(tmp_path, monkeypatch, name, splits, given, folder):
    root = tmp_path / folder
    write_corpora(root)
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    if not given:
        monkeypatch.setenv(ROOT_VARIABLE, str(root))
    seen, outs = [], set()
    for line in next_lines(name, root if given else ""):
        program, command, *words = shlex.split(line)
        assert (program, command) == ("animate", "build")
        options = dict(zip(words[::2], words[1::2], strict=True))
        source = resolve_src(options["--src"], root=options.get("--root", ""))
        settings = [options["--set"]] if "--set" in options else []
        recipe = read_recipe(None, [*(f"source.{key}={value}" for key, value in source.items()), *settings])
        open_source(recipe.source).freeze(tmp_path, 3)
        seen.append(recipe.source.split)
        outs.add(options["--out"])
    assert seen == splits
    assert len(outs) == len(splits)


def test_a_split_without_its_images_says_which_to_get(tmp_path):
    write_corpora(tmp_path)
    (tmp_path / "coco/val2017").rename(tmp_path / "coco/elsewhere")
    train, val = next_lines("coco", tmp_path)
    assert train.startswith("animate build")
    assert val.startswith("get val2017 or images/val2017")
    (tmp_path / "sbu/SBU_captioned_photo_dataset_captions.txt").unlink()
    (line,) = next_lines("sbu", tmp_path)
    assert line.startswith("get SBU_captioned_photo_dataset_captions.txt into")


def test_a_corpus_at_a_path_of_its_own_is_named_by_it(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(SourceError, match=r"--src vg --urls \S+mine --out"):
        open_source(SourceRecipe(**resolve_src("vg", urls=str(tmp_path / "mine"))))


def test_a_tar_copy_is_found_through_the_environment(tmp_path, monkeypatch):
    (tmp_path / "data/cc12m").mkdir(parents=True)
    write_members(tmp_path / "data/cc12m/cc12m-train-0000.tar", [("a.jpg", PHOTOGRAPH), ("a.txt", b"a cat")])
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / "data"))
    (row,) = read("cc12m", tmp_path)
    assert row.image == PHOTOGRAPH


@pytest.mark.parametrize("name", ["cc12m.tsv.part", "cc12m.tsv.aria2", "cc12m.tsv.crdownload"])
def test_a_download_that_is_not_complete_is_no_corpus(tmp_path, name):
    put(tmp_path / "cc12m" / name, "http://x.org/1.jpg\ta\n")
    assert "not found" in explain("cc12m", root=str(tmp_path))
