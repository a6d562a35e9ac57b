"""Strips, frames and stills show what is in the shards; a clip filmed again is the same to the bit."""

import json
import shlex
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from typer.testing import CliRunner

from animate.build import build_shards
from animate.codec import UndecodableImage, decode_jpeg, decode_still, encode_mp4, image_format
from animate.executor import HERE
from animate.inspect.again import StillGone, command_again, film_again
from animate.inspect.opened import open_set, read_clip
from animate.inspect.originals import find_originals, stills_of
from animate.inspect.page import written_page
from animate.inspect.pictures import Pictures, Unplayable, grid_of
from animate.inspect.sheet import set_sheet
from animate.load import load_clips
from animate.recipe import read_recipe
from animate.sources import SourceError
from cli.animate.main import app
from tests.support.corpora import DEMO, put, write_rows
from tests.support.shard_sets import build_set

FORMATS = ("mp4", "frames", "virtual")
GRID = grid_of(5, (80, 64), most_frames=64, most_side=224)


def frames_by_key(folder) -> dict[str, np.ndarray]:
    return {clip["key"]: clip["frames"].transpose(0, 2, 3, 1) for clip in load_clips(folder)}


def difference(one, other) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("format", FORMATS)
def test_a_strip_has_every_frame_in_its_place(demo_set, catalogue_of, format):
    catalogue = catalogue_of(demo_set(format))
    pictures = Pictures(catalogue.set, None, GRID)
    frames = frames_by_key(demo_set(format))
    for entry in catalogue.clips[:4]:
        strip = decode_jpeg(pictures.strip(entry))
        assert strip.shape == (2 * 64, 3 * 80, 3)
        for number in range(5):
            top, left = number // 3 * 64, number % 3 * 80
            cell = strip[top : top + 64, left : left + 80]
            apart = [difference(cell, frame) for frame in frames[entry.key]]
            assert apart[number] < 9 and apart[number] <= min(apart) + 0.2
        assert strip[64:, 160:].mean() < 3
        assert pictures.strip(entry) == pictures.strip(entry)


@pytest.mark.parametrize("format", FORMATS)
def test_a_frame_is_that_of_the_clip(demo_set, catalogue_of, format):
    catalogue = catalogue_of(demo_set(format))
    pictures = Pictures(catalogue.set, None, GRID)
    entry = catalogue.clips[3]
    frames = frames_by_key(demo_set(format))[entry.key]
    for number in (0, 4):
        assert difference(decode_jpeg(pictures.frame(entry, number)), frames[number]) < 3
    with pytest.raises(IndexError, match=r"0\.\.4"):
        pictures.frame(entry, 5)
    poster = pictures.poster(entry)
    if format == "virtual":
        assert poster is None
    else:
        assert poster is not None and difference(decode_jpeg(poster), frames[2]) < 4
    assert (pictures.video(entry) is not None) == (format == "mp4")


def test_a_long_clip_has_a_strip_of_some_frames_the_first_and_the_last_among_them():
    grid = grid_of(1000, (640, 360), most_frames=16, most_side=160)
    assert (grid.frames[0], grid.frames[-1], len(grid.frames)) == (0, 999, 16)
    assert (grid.width, grid.height, grid.columns, grid.rows) == (160, 90, 4, 4)
    assert grid_of(1, (64, 64), most_frames=16, most_side=160).frames == (0,)


def test_stills_are_from_the_shard_or_from_the_corpus_while_it_is_there(hostile_set, demo_set, catalogue_of):
    folder, corpus = hostile_set
    catalogue = catalogue_of(folder)
    entry = catalogue.clips[0]
    clip = read_clip(catalogue.set, entry.spot)
    originals = find_originals(catalogue.set, str(corpus))
    where, [image] = stills_of(originals, clip, entry.spot)
    assert where == "corpus" and image == (corpus / "<img src=x onerror=alert(0)>.jpg").read_bytes()
    assert stills_of(find_originals(catalogue.set, ""), clip, entry.spot) == ("", [])
    with pytest.raises(SourceError):
        find_originals(catalogue.set, str(corpus / "nowhere"))
    virtual = catalogue_of(demo_set("virtual"))
    clip = read_clip(virtual.set, virtual.clips[0].spot)
    assert stills_of(None, clip, virtual.clips[0].spot) == ("shard", [clip.members["jpg"]])


def test_a_still_that_has_changed_is_not_taken_for_the_one_that_was_filmed(
    tmp_path, catalogue_of, hostile_set
):
    import shutil

    shutil.copytree(hostile_set[1], tmp_path / "corpus")
    for path in (tmp_path / "corpus").glob("<img*.jpg"):
        path.write_bytes((hostile_set[1] / "half.jpg").read_bytes() * 7)
    catalogue = catalogue_of(hostile_set[0])
    entry = catalogue.clips[0]
    originals = find_originals(catalogue.set, str(tmp_path / "corpus"))
    assert stills_of(originals, read_clip(catalogue.set, entry.spot), entry.spot) == ("", [])


def test_rejected_images_are_shown_where_they_decode(hostile_set, catalogue_of):
    folder, corpus = hostile_set
    catalogue = catalogue_of(folder)
    pictures = Pictures(catalogue.set, find_originals(catalogue.set, str(corpus)), GRID)
    shown = {entry.status: pictures.rejected(entry, 96) for entry in catalogue.rejected}
    assert {status for status, image in shown.items() if image} == {"aspect_ratio", "missing_caption"}
    narrow = shown["aspect_ratio"]
    assert narrow is not None and decode_jpeg(narrow).shape == (96, 12, 3)
    assert Pictures(catalogue.set, None, GRID).rejected(catalogue.rejected[0], 96) is None


def test_a_still_is_made_small(demo_set, catalogue_of):
    catalogue = catalogue_of(demo_set("virtual"))
    entry = catalogue.clips[0]
    clip = read_clip(catalogue.set, entry.spot)
    pictures = Pictures(catalogue.set, None, GRID)
    small = pictures.still(clip, clip.members["jpg"], 100)
    assert image_format(small) == "JPEG" and max(decode_jpeg(small).shape) == 100
    with pytest.raises(UndecodableImage):
        pictures.still(clip, b"no image", 100)


@pytest.mark.parametrize("format", FORMATS)
def test_the_command_of_the_page_films_the_clip_again(demo_set, catalogue_of, tmp_path, format, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = demo_set(format)
    catalogue = catalogue_of(folder)
    entry = catalogue.clips[-1]
    program, *arguments = shlex.split(command_again(str(folder), entry.key))
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert (program, done.exit_code) == ("animate", 0), done.output
    written = (tmp_path / arguments[-1]).read_bytes()
    mp4 = Pictures(catalogue.set, None, GRID).video(entry)
    assert written == (
        mp4 or encode_mp4(frames_by_key(demo_set("virtual"))[entry.key], fps=4, crf=23, preset="veryfast")
    )


def test_a_montage_is_filmed_again_from_all_its_stills(tmp_path, catalogue_of):
    folder = build_set(tmp_path / "set", "mp4", "shot.edit.stills=3", "shot.edit.shots=[1, 1]")
    catalogue = catalogue_of(folder)
    for entry in catalogue.clips[::3]:
        frames = film_again(open_set(str(folder)), entry.key).frames
        assert encode_mp4(frames, fps=4, crf=23, preset="veryfast") == Pictures(
            catalogue.set, None, GRID
        ).video(entry)


def test_a_clip_whose_still_is_gone_cannot_be_filmed_again(hostile_set, catalogue_of):
    folder, corpus = hostile_set
    key = catalogue_of(folder).clips[0].key
    with pytest.raises(StillGone, match="--source"):
        film_again(open_set(str(folder)), key)
    assert len(film_again(open_set(str(folder)), key, str(corpus)).frames) == 5


@pytest.mark.parametrize("format", FORMATS)
def test_the_sheet_has_a_row_for_each_clip(demo_set, catalogue_of, format):
    catalogue = catalogue_of(demo_set(format))
    sheet = set_sheet(catalogue)
    assert sheet.shape == (12 * (64 + 2 * 20 + 6), 5 * 80 + 4 * 4 + 12, 3)
    frames = frames_by_key(demo_set(format))[catalogue.clips[1].key]
    top, left = 64 + 2 * 20 + 6 + 2 * 20, 6 + 84
    assert difference(sheet[top : top + 64, left : left + 80], frames[1]) < 1


def test_a_clip_that_does_not_decode_costs_the_page_that_clip_alone(tmp_path, catalogue_of):
    folder = build_set(tmp_path / "set", "mp4")
    catalogue = catalogue_of(folder)
    spot = catalogue.clips[1].spot
    tar = folder / f"{spot.shard}.tar"
    content = bytearray(tar.read_bytes())
    video = content.index(b"ftyp", spot.start, spot.stop)
    content[video : video + 1500] = bytes(1500)
    tar.write_bytes(content)
    with pytest.raises(Unplayable, match=catalogue.clips[1].key):
        Pictures(catalogue.set, None, GRID).strip(catalogue.clips[1])
    page = written_page(catalogue, None, str(folder), "")
    strips = json.loads(page.split('id="held">')[1].split("</script>")[0])["strips"]
    assert [bool(strip) for strip in strips] == [True, False] + [True] * 10
    assert set_sheet(catalogue).shape[0] == 11 * (64 + 2 * 20 + 6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_images_of_tables_are_found_again(tmp_path, catalogue_of, suffix):
    """Of clips, and of rows that were refused before their image was read."""
    photograph = (DEMO / "cat.jpg").read_bytes()
    if suffix == ".csv":
        for name in ("a.jpg", "b.jpg"):
            put(tmp_path / "corpus" / name, photograph)
        records = [{"image": "a.jpg", "caption": "a cat"}, {"image": "b.jpg", "caption": " "}]
    else:
        records = [{"image": photograph, "caption": "a cat"}, {"image": photograph, "caption": " "}]
    (tmp_path / "corpus").mkdir(exist_ok=True)
    table = write_rows(tmp_path / "corpus" / f"table{suffix}", records)
    settings = ["source.name=table", f"source.path={table}", "video.size=64", "video.num_frames=2", "takes=2"]
    build_shards(read_recipe(None, settings), tmp_path / "set", workforce=HERE)
    catalogue = catalogue_of(tmp_path / "set")
    originals = find_originals(catalogue.set, str(table))
    assert originals is not None
    for entry in catalogue.clips:
        assert stills_of(originals, read_clip(catalogue.set, entry.spot), entry.spot)[1] == [photograph]
    assert [originals.of_rejected(entry.spot) for entry in catalogue.rejected] == [photograph] * 2


def test_one_thread_at_a_time_decodes(demo_set, catalogue_of, monkeypatch):
    """Pillow has one set of limits a process, which decoding sets and takes back."""
    catalogue = catalogue_of(demo_set("virtual"))
    pictures = Pictures(catalogue.set, None, GRID)
    inside, most = [0], [0]
    decode = decode_still

    def counted(*arguments, **options):
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        inside[0] -= 1
        return decode(*arguments, **options)

    for module in ("animate.inspect.pictures", "animate.film"):
        monkeypatch.setattr(f"{module}.decode_still", counted)
    entries = catalogue.clips[:6]
    clip = read_clip(catalogue.set, entries[0].spot)
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(pictures.strip, entry) for entry in entries]
        done += [pool.submit(pictures.still, clip, clip.members["jpg"], 64) for _ in range(6)]
    assert all(len(one.result()) > 100 for one in done)
    assert most == [1]
