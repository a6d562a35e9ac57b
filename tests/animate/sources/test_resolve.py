"""What `--src` stands for."""

import pytest

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import SourceRecipe, read_recipe
from animate.sources import SourceError, open_source
from animate.sources.resolve import resolve_src
from tests.support.corpora import JPEG, read, write_images, write_members, write_rows


@pytest.mark.parametrize("table", ["urls.csv", "folder/urls.parquet"])
def test_a_table_of_addresses_alone_is_recognised(tmp_path, table):
    path = tmp_path / table
    path.parent.mkdir(exist_ok=True)
    write_rows(path, [{"url": "http://example.com/1.jpg", "caption": "c"}])
    src = str(path.parent if "/" in table else path)
    assert resolve_src(src) == {"name": "urls", "path": src}
    write_rows(path, [{"url": "http://example.com/1.jpg", "image": "1.jpg", "caption": "c"}])
    assert resolve_src(src)["name"] == "table"


@pytest.mark.parametrize("src", ["/no/such/thing", "nosuchname", "s3://bucket/thing"])
def test_a_missing_corpus_is_an_error_for_the_user(src):
    with pytest.raises(SourceError):
        resolve_src(src)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="holds no tars, images or tables"):
        resolve_src(str(tmp_path))


def test_a_root_and_a_list_are_told_by_the_command_line(tmp_path):
    assert resolve_src("cc3m", root="/data") == {"name": "cc3m", "path": "/data/cc3m"}
    assert resolve_src("cc3m", urls="x.tsv", root="/data") == {"name": "cc3m", "path": "x.tsv"}
    with pytest.raises(SourceError, match="goes with a source's name"):
        resolve_src(str(tmp_path), urls="x.tsv")


def test_a_folder_of_images_with_odd_names_is_recognised(tmp_path):
    write_images(tmp_path / "odd", "deep/2022.05")
    assert resolve_src(str(tmp_path / "odd"))["name"] == "folder"
    (tmp_path / "links").mkdir()
    (tmp_path / "links/gone.jpg").symlink_to("/no/such/file")
    assert resolve_src(str(tmp_path / "links"))["name"] == "folder"


def test_one_image_is_a_corpus(tmp_path, monkeypatch):
    write_images(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "a.txt").write_text("a cat")
    monkeypatch.chdir(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    for src in ("a.jpg", str(tmp_path / "a.jpg")):
        assert resolve_src(src) == {"name": "folder", "path": src}
        [sample] = read(src, work)
        assert (sample.key, sample.captions) == ("a", ("a cat",))


def test_a_folder_of_tars_and_images_is_not_guessed_at(tmp_path):
    write_images(tmp_path, "a.jpg")
    write_members(tmp_path / "b.tar", [("0.jpg", JPEG)])
    with pytest.raises(SourceError, match=r"tars and images, such as 'a\.jpg'"):
        resolve_src(str(tmp_path))
    assert resolve_src(str(tmp_path / "*.tar"))["name"] == "webdataset"


@pytest.mark.parametrize("src", ["", "*.tar", "00000.tar", "{00000..00000}.tar", "00000.parquet"])
def test_a_shard_set_is_no_corpus(tmp_path, src):
    build_shards(read_recipe(None, ["source.limit=1", "video.size=64"]), tmp_path / "set", workforce=HERE)
    with pytest.raises(SourceError, match=r"is a shard set.*materialize.*load_clips"):
        open_source(SourceRecipe(**resolve_src(str(tmp_path / "set" / src))))
