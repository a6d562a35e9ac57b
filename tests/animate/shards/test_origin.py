"""A corpus that changed between the plan and the run that goes on: what is refused, and what is told."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from animate.build import build_shards
from animate.executor import HERE, Workforce
from animate.recipe import BuildRecipe, read_recipe
from animate.shards.origin import source_faults
from animate.shards.place import BuildRefused
from animate.sources import facts
from animate.sources.facts import SourceChanged
from tests.animate.test_program import animate
from tests.support.corpora import PHOTOGRAPH, write_members
from tests.support.shard_sets import all_files

KEYS = "abcdefgh"
SAME_SIZE = PHOTOGRAPH[:200] + bytes(len(PHOTOGRAPH) - 200)


def recipe_of(path: Path) -> BuildRecipe:
    from animate.sources.resolve import resolve_src

    source = [f"source.{key}={value!r}" for key, value in resolve_src(str(path)).items()]
    small = ["video.format='frames'", "video.size=32", "video.num_frames=2", "shards.clips_per_shard=4"]
    return read_recipe(None, [*source, *small])


def folder(root: Path) -> Path:
    """Eight images with a text beside each."""
    root.mkdir()
    for key in KEYS:
        (root / f"{key}.jpg").write_bytes(PHOTOGRAPH)
        (root / f"{key}.txt").write_text(f"photograph {key}")
    return root


def table(root: Path) -> Path:
    """A table that names eight images."""
    (folder(root) / "list.csv").write_text(
        "image,caption\n" + "".join(f"{key}.jpg,still {key}\n" for key in KEYS)
    )
    return root / "list.csv"


def tar(root: Path) -> Path:
    root.mkdir()
    members = [
        (f"{key}{end}", content) for key in KEYS for end, content in ((".jpg", PHOTOGRAPH), (".txt", b"text"))
    ]
    write_members(root / "all.tar", members)
    return root / "all.tar"


def age(root: Path, seconds: int = -1000) -> None:
    """All files are older by so much than now."""
    for path in [root, *root.rglob("*")]:
        os.utime(path, times=(path.stat().st_mtime + seconds,) * 2)


def half_built(make: Callable[[Path], Path], tmp_path: Path) -> tuple[Path, Path]:
    """A corpus, and a set of it whose second shard is still to be made."""
    path, out = make(tmp_path / "corpus"), tmp_path / "shards"
    age(tmp_path / "corpus")
    assert build_shards(recipe_of(path), out, HERE).complete
    for name in ("00001.tar", "00001.parquet", "00001_stats.json", "__len__", "_animate/manifest.json"):
        (out / name).unlink()
    return path, out


def replace(path: Path, content: bytes) -> None:
    assert len(content) == path.stat().st_size
    path.write_bytes(content)


makers = pytest.mark.parametrize("make", [folder, table, tar])


@makers
def test_a_corpus_that_is_as_it_was_goes_on(tmp_path, make, caplog):
    path, out = half_built(make, tmp_path)
    assert build_shards(recipe_of(path), out, HERE).shards_made == 1
    assert source_faults(str(out), str(path)) == []
    assert caplog.messages == []


@pytest.mark.parametrize("workforce", [HERE, Workforce(workers=2)], ids=["here", "ray"])
def test_an_image_that_was_replaced_by_one_of_the_same_size_stops_the_build(tmp_path, workforce):
    path, out = half_built(folder, tmp_path)
    replace(path / "f.jpg", SAME_SIZE)
    with pytest.raises(
        SourceChanged, match=r"corpus/f\.jpg was written anew, with the same size when the build"
    ):
        build_shards(recipe_of(path), out, workforce)
    assert not (out / "00001.tar").exists()
    assert [str(fault) for fault in source_faults(str(out), str(path))] == [
        f"source: {path}/f.jpg was written anew, with the same size"
    ]


def test_an_image_whose_shard_is_finished_is_found_by_looking_at_all(tmp_path):
    path, out = half_built(folder, tmp_path)
    replace(path / "b.jpg", SAME_SIZE)
    assert build_shards(recipe_of(path), out, HERE).complete
    (fault,) = source_faults(str(out), str(path))
    assert "b.jpg was written anew" in fault.what


@makers
def test_a_copy_without_times_goes_on_from_where_it_lies(tmp_path, make, caplog):
    path, out = half_built(make, tmp_path)
    shutil.copytree(tmp_path / "corpus", tmp_path / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(tmp_path / "corpus")
    copy = tmp_path / "copy" / path.relative_to(tmp_path / "corpus")
    assert build_shards(recipe_of(copy), out, HERE).complete
    assert [message for message in caplog.messages if "as copies have" in message] == caplog.messages
    assert len(caplog.messages) == (0 if make is tar else 1)  # of the table and the tar the content is known
    assert source_faults(str(out), str(copy)) == []


@pytest.mark.parametrize(
    ("make", "name", "change"),
    [
        (table, "list.csv", lambda content: content.replace(b"still f", b"still g")),
        (tar, "all.tar", lambda content: content[:-20000] + bytes(20000)),
        (tar, "all.tar", lambda content: bytes(len(content))),
    ],
)
def test_a_table_or_tar_that_was_changed_in_place_is_refused_and_named(tmp_path, make, name, change):
    path, out = half_built(make, tmp_path)
    before = all_files(out)
    replace(path, change(path.read_bytes()))
    with pytest.raises(
        BuildRefused, match=rf"corpus/{name} has another content of the same size when the build"
    ):
        build_shards(recipe_of(path), out, HERE)
    assert all_files(out) == before
    assert "has another content of the same size" in source_faults(str(out), str(path))[0].what


def test_of_a_large_tar_pieces_are_compared(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(facts, "_WHOLE_BYTES", 1000)
    path, out = half_built(tar, tmp_path)
    os.utime(path)
    assert build_shards(recipe_of(path), out, HERE).complete
    (message,) = caplog.messages
    assert "all.tar: of another time" in message and "in each of 64 places" in message
    replace(path, bytes(path.stat().st_size))
    with pytest.raises(BuildRefused, match=r"all\.tar has another content"):
        build_shards(recipe_of(path), out, HERE)


@pytest.mark.parametrize(
    ("make", "name", "told"),
    [
        (folder, "f.jpg", r"first of all: \S*corpus/f\.jpg has [\d,]+ bytes, and had [\d,]+"),
        (folder, "f.txt", r"first of all: row 5 \(f\.jpg\) is read otherwise: captions"),
        (table, "list.csv", r"first of all: \S*corpus/list\.csv has \d+ bytes, and had \d+"),
        (tar, "all.tar", r"first of all: \S*corpus/all\.tar has [\d,]+ bytes, and had [\d,]+"),
    ],
)
def test_of_a_file_of_another_size_the_refusal_has_the_name(tmp_path, make, name, told):
    path, out = half_built(make, tmp_path)
    with open(tmp_path / "corpus" / name, "ab") as file:
        file.write(b"more")
    with pytest.raises(BuildRefused, match=told):
        build_shards(recipe_of(path), out, HERE)


def test_an_image_that_came_or_went_is_named(tmp_path):
    path, out = half_built(folder, tmp_path)
    shutil.copy2(path / "a.jpg", path / "bb.jpg")
    with pytest.raises(BuildRefused, match=r"row 2 is bb\.jpg, and was c\.jpg"):
        build_shards(recipe_of(path), out, HERE)
    (path / "bb.jpg").unlink()
    (path / "h.jpg").unlink()
    with pytest.raises(BuildRefused, match=r"row 7 \(h\.jpg\) is there no longer"):
        build_shards(recipe_of(path), out, HERE)


def test_a_text_beside_an_image_was_read_when_the_build_was_planned(tmp_path):
    path, out = half_built(folder, tmp_path)
    (path / "f.txt").write_text("photograph x")
    assert build_shards(recipe_of(path), out, HERE).complete  # with the caption that the plan has
    assert [fault.what for fault in source_faults(str(out), str(path))] == [
        "source: row 5 (f.jpg) is read otherwise: captions, meta"
    ]


def test_the_command_compares_the_corpus_too(tmp_path):
    path, out = half_built(folder, tmp_path)
    build_shards(recipe_of(path), out, HERE)
    assert animate("verify", out, "--source", path).returncode == 0
    replace(path / "f.jpg", SAME_SIZE)
    assert animate("verify", out).returncode == 0
    run = animate("verify", out, "--source", path)
    assert run.returncode == 1
    assert run.stdout == f"source: {path}/f.jpg was written anew, with the same size\n"


def test_only_the_first_are_named(tmp_path):
    path, out = half_built(folder, tmp_path)
    for key in "bcdefgh":
        replace(path / f"{key}.jpg", SAME_SIZE)
    found = source_faults(str(out), str(path), most=3)
    assert [fault.what.rpartition("/")[2][:5] for fault in found[:3]] == ["b.jpg", "c.jpg", "d.jpg"]
    assert found[3].what == "source: and 4 more" and len(found) == 4


def test_a_listing_that_is_mended_is_compared_with(tmp_path):
    path, out = half_built(folder, tmp_path)
    (out / "_animate" / "listing.parquet").unlink()
    assert build_shards(recipe_of(path), out, HERE).complete


def test_a_set_of_before_files_were_noted_goes_on(tmp_path):
    path, out = half_built(folder, tmp_path)
    (out / "_animate" / "files.json").unlink()
    (out / "_animate" / "facts-listing.parquet").unlink()
    replace(path / "f.jpg", SAME_SIZE)
    assert build_shards(recipe_of(path), out, HERE).complete


def test_an_image_costs_a_few_bytes(tmp_path):
    rows = 5000
    for number in range(rows):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(bytes(20000 + number * 7919 % 100_000))
        os.utime(path, times=(1_700_000_000 + number * 104_729 % 100_000,) * 2)
    (tmp_path / "ours").mkdir()
    noted = facts.ImageFacts(tmp_path / "ours" / "listing.parquet", str(tmp_path))
    for start in range(0, rows, 1000):
        noted.write([f"{number}.jpg" for number in range(start, start + 1000)])
    noted.close()
    assert (tmp_path / "ours" / "facts-listing.parquet").stat().st_size / rows < 6
