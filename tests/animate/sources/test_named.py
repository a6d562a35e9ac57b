"""Named corpora: small files in the form that their owners give them."""

import json
import zipfile
from pathlib import Path

import pytest

from animate.data import Rejected, Sample
from animate.recipe import SourceRecipe
from animate.sources import SourceError, open_source, read_part, resolve_src
from animate.sources.named.find import ROOT, explain, listing
from animate.sources.named.table import CORPORA

PHOTOGRAPH = (Path(__file__).parents[3] / "animate" / "demo" / "cat.jpg").read_bytes()
CC3M = Path(__file__).parents[3].parent / "shared/data/annotations/cc3m/Validation_GCC-1.1.0-Validation.tsv"
LAION = Path(__file__).parents[3].parent / "shared/data/annotations/laion/test_1000.parquet"


def read(tmp_path: Path, corpus: Path, name: str, **options) -> list[Sample | Rejected]:
    recipe = SourceRecipe(name=name, path=str(corpus), **options)
    folder = tmp_path / "_animate"
    folder.mkdir(exist_ok=True)
    frozen = open_source(recipe).freeze(folder, 2)
    return [row for part in frozen.parts for row in read_part(part, 0, None, recipe, folder, frozen.columns)]


def listed(tmp_path: Path, corpus: Path, name: str, **options) -> list:
    return list(open_source(SourceRecipe(name=name, path=str(corpus), **options)).rows())


def put(path: Path, content: bytes | str | dict | list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict | list):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("name", list(CORPORA))
def test_a_missing_corpus_says_what_to_get_and_where(name, tmp_path, monkeypatch):
    monkeypatch.setenv(ROOT, str(tmp_path))
    with pytest.raises(SourceError) as error:
        open_source(SourceRecipe(**resolve_src(name)))
    text = str(error.value)
    assert CORPORA[name].page in text
    assert CORPORA[name].licence in text
    assert f"animate build --src {name}" in text
    assert str(tmp_path / name) in text


def test_what_is_here_is_listed(tmp_path):
    put(tmp_path / "cc12m/cc12m.tsv", "http://x.org/1.jpg\ta\n")
    rows = {row[0]: row[3] for row in listing(str(tmp_path))}
    assert set(rows) == set(CORPORA)
    assert rows["cc12m"] == f"in {tmp_path}/cc12m"
    assert rows["cc3m"] == "-"
    assert "found 1" in explain("cc12m", root=str(tmp_path))
    with pytest.raises(SourceError, match="known ones: cc3m"):
        explain("imagenet")


def test_a_root_and_a_list_are_told_by_the_command_line(tmp_path):
    assert resolve_src("cc3m", root="/data") == {"name": "cc3m", "path": "/data/cc3m"}
    assert resolve_src("cc3m", urls="x.tsv", root="/data") == {"name": "cc3m", "path": "x.tsv"}
    with pytest.raises(SourceError, match="goes with a source's name"):
        resolve_src(str(tmp_path), urls="x.tsv")


@pytest.mark.parametrize(
    ("name", "line"),
    [("cc3m", "a  caption\thttp://x.org/1.jpg"), ("cc12m", "http://x.org/1.jpg\ta  caption")],
)
def test_conceptual_captions_have_no_header(tmp_path, name, line):
    put(tmp_path / "list.tsv", f"{line}\nbroken line\n")
    first, second = listed(tmp_path, tmp_path / "list.tsv", name)
    assert (first.key, first.captions, first.file) == ("000000000", ("a  caption",), "http://x.org/1.jpg")
    assert second.fault.status == "bad_row"


def test_a_webdataset_copy_of_a_list_will_do(tmp_path):
    from tests.animate.sources.test_sources import write_tar

    corpus = tmp_path / "cc3m"
    corpus.mkdir()
    for i in range(2):
        write_tar(corpus / f"cc3m-train-{i:04d}.tar", [(f"{i}.jpg", PHOTOGRAPH), (f"{i}.txt", b"a cat")])
    write_tar(corpus / "cc3m-validation-0000.tar", [("v.jpg", PHOTOGRAPH), ("v.txt", b"a cat")])
    assert [row.key for row in read(tmp_path, corpus, "cc3m")] == ["0", "1"]
    assert [row.key for row in read(tmp_path, corpus, "cc3m", split="val")] == ["v"]


def test_a_tar_copy_is_found_through_the_environment(tmp_path, monkeypatch):
    from tests.animate.sources.test_sources import write_tar

    (tmp_path / "data/cc12m").mkdir(parents=True)
    write_tar(tmp_path / "data/cc12m/cc12m-train-0000.tar", [("a.jpg", PHOTOGRAPH), ("a.txt", b"a cat")])
    monkeypatch.setenv(ROOT, str(tmp_path / "data"))
    (row,) = read_named(tmp_path, "cc12m")
    assert row.image == PHOTOGRAPH


def read_named(tmp_path: Path, name: str) -> list[Sample | Rejected]:
    recipe = SourceRecipe(**resolve_src(name))
    frozen = open_source(recipe).freeze(tmp_path, 2)
    return [
        row for part in frozen.parts for row in read_part(part, 0, None, recipe, tmp_path, frozen.columns)
    ]


def test_sbu_is_a_pair_of_texts_or_a_json(tmp_path):
    put(tmp_path / "t/SBU_captioned_photo_dataset_urls.txt", "http://x.org/1.jpg\nhttp://x.org/2.jpg\n")
    put(tmp_path / "t/SBU_captioned_photo_dataset_captions.txt", "one\ntwo\n")
    content = {"image_urls": ["http://x.org/1.jpg", "http://x.org/2.jpg"], "captions": ["one", "two"]}
    put(tmp_path / "j/sbu-captions-all.json", content)
    for folder in ("t", "j"):
        rows = listed(tmp_path, tmp_path / folder, "sbu")
        assert [(row.file, row.captions) for row in rows] == [
            ("http://x.org/1.jpg", ("one",)),
            ("http://x.org/2.jpg", ("two",)),
        ]


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
    first, second = read(tmp_path, tmp_path / "coco", "coco", split="val")
    assert isinstance(first, Sample)
    assert (first.key, first.image) == ("000000000007", PHOTOGRAPH)
    assert first.captions == tuple(f"caption {i}" for i in range(5))
    assert first.meta["license_id"] == 4
    assert first.meta["license"] == "Attribution License"
    assert second.fault.status == "missing_file"


def genome(folder: Path) -> None:
    regions = [
        {"region_id": 1, "image_id": 2, "x": 10, "y": 20, "width": 30, "height": 40, "phrase": "an eye"},
        {"region_id": 3, "image_id": 2, "x": 0, "y": 0, "width": 400, "height": 300, "phrase": "a cat."},
    ]
    put(folder / "region_descriptions.json", [{"id": 2, "regions": regions}])
    put(folder / "image_data.json", [{"image_id": 2, "url": "http://vg/2.jpg", "width": 451, "height": 300}])
    put(folder / "VG_100K_2/2.jpg", PHOTOGRAPH)


def test_visual_genome_joins_the_phrases_of_the_largest_regions(tmp_path):
    genome(tmp_path / "vg")
    (row,) = read(tmp_path, tmp_path / "vg", "vg")
    assert row.captions == ("a cat, an eye", "a cat.", "an eye")
    assert row.meta["url"] == "http://vg/2.jpg"


def test_visual_genome_regions_are_cut_out(tmp_path):
    from animate.codec import decode_still

    genome(tmp_path / "vg")
    rows = read(tmp_path, tmp_path / "vg", "vg-regions")
    assert [(row.key, row.captions) for row in rows] == [("2-1", ("an eye",)), ("2-3", ("a cat.",))]
    shapes = [decode_still(row.image, SourceRecipe()).shape for row in rows if isinstance(row, Sample)]
    assert shapes == [(160, 160, 3), (300, 400, 3)]


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
    rows = read(tmp_path, corpus, "flickr8k")
    assert [(row.key, row.captions) for row in rows] == [("a", ("one , two", "three")), ("b", ("four",))]
    put(corpus / "Flickr_8k.testImages.txt", "b.jpg\n")
    assert [row.key for row in read(tmp_path, corpus, "flickr8k", split="test")] == ["b"]


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
    (row,) = read(tmp_path, tmp_path / "flickr30k", "flickr30k")
    assert row.captions == ("one", "two")


def test_redcaps_and_wit_have_their_columns(tmp_path):
    annotation = {
        "image_id": "x",
        "author": "u",
        "url": "http://r/1.jpg",
        "raw_caption": "A Cat!!",
        "caption": "a cat",
    }
    put(tmp_path / "redcaps/annotations/cats_2017.json", {"info": {}, "annotations": [annotation]})
    (row,) = listed(tmp_path, tmp_path / "redcaps", "redcaps")
    assert (row.file, row.captions) == ("http://r/1.jpg", ("a cat",))
    header = "language\tpage_url\timage_url\tpage_title\tcaption_reference_description"
    put(
        tmp_path / "wit/wit_v1.train.all-1percent_sample.tsv",
        f"{header}\nen\thttp://p\thttp://i/1.jpg\tt\ta cat\n",
    )
    (row,) = listed(tmp_path, tmp_path / "wit", "wit")
    assert (row.file, row.captions, row.meta["language"]) == ("http://i/1.jpg", ("a cat",), "en")


@pytest.mark.skipif(not CC3M.exists(), reason="the head of the official CC3M list is not here")
def test_the_official_cc3m_list(tmp_path):
    rows = listed(tmp_path, CC3M, "cc3m")
    assert len(rows) == 5000
    assert all(row.file.startswith("http") and row.captions and not row.fault for row in rows)


@pytest.mark.skipif(not LAION.exists(), reason="the LAION rows are not here")
def test_laion_columns_are_found_in_any_case(tmp_path):
    rows = listed(tmp_path, LAION, "laion400m")
    assert len(rows) == 1000
    assert sum(row.file.startswith("http") for row in rows) == 1000
