"""Laws of finished shards: what they hold, in which order files appear, and equal clips give equal files."""

import dataclasses
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.codec import decode_jpeg, decode_mp4
from animate.data import Clip, Rejected, Take
from animate.formats import WRITERS
from animate.recipe import VideoRecipe
from animate.record import COLUMNS, ShardWriter, flat_json, read_stats
from animate.shards import ustar
from animate.shards import write as writing

FILES = ("00007.tar", "00007.parquet", "00007_stats.json")


def record(take: Take, **changes) -> dict:
    values = {
        "license": "CC0",
        "key": take.key,
        "source_key": take.source_key,
        "take": take.index,
        "status": "success",
        "error_message": "",
        "caption": "a cat in Zürich",
        "captions": ["a cat in Zürich", "two"],
        "url": "https://example.org/cat.jpg",
        "sha256": "00",
        "width": 224,
        "height": 224,
        "original_width": 500,
        "original_height": 375,
        "num_frames": 12,
        "fps": 4,
        "duration": 3.0,
        "camera": "slow push in",
        "homographies": [[1.0] * 9] * 12,
        "shot": "{}",
        "union_area": 0.9,
    }
    return {**values, **changes}


def clip(key: str = "000000001", index: int = 0, **changes) -> Clip:
    take = Take(source_key=key, index=index)
    return Clip(take=take, members={"mp4": b"film" * 300, "jpg": b"poster"}, record=record(take, **changes))


def rejected(key: str, status: str = "truncated", **changes) -> tuple[Take, Rejected]:
    values = {"key": key, "status": status, "message": "ends early", "captions": ("a dog",)}
    return Take(source_key=key, index=0), Rejected(**values, **changes)


def write(out, *rows, name: str = "00007"):
    with ShardWriter(out, name) as writer:
        for row in rows or ROWS:
            if isinstance(row, Clip):
                writer.add(row)
            else:
                writer.reject(*row)
        return writer.finish()


ROWS = (
    clip("a"),
    rejected("b", meta={"license": "CC0", "url": "https://example.org/b.jpg"}),
    clip("c"),
    rejected("d", "empty_file"),
    rejected("e", "empty_file"),
)


def read(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_shard_is_three_files_and_every_input_is_counted(tmp_path):
    made = write(tmp_path)
    assert sorted(read(tmp_path)) == sorted(FILES)
    assert not (tmp_path / "_tmp").exists()
    tar = (tmp_path / "00007.tar").read_bytes()
    assert (made.inputs, made.clips, made.rejected) == (5, 2, {"empty_file": 2, "truncated": 1})
    assert (made.bytes, made.sha256) == (len(tar), hashlib.sha256(tar).hexdigest())
    assert made == read_stats(tmp_path, "00007")


def test_stats_speak_to_readers_of_img2dataset_too(tmp_path):
    write(tmp_path)
    stats = json.loads((tmp_path / "00007_stats.json").read_text())
    assert (stats["count"], stats["successes"]) == (5, 2)
    assert stats["status_dict"] == {"success": 2, "empty_file": 2, "truncated": 1}
    assert stats["count"] == stats["successes"] + stats["failed_to_download"] + stats["failed_to_resize"]


def test_the_tar_is_the_one_that_tarfile_would_write(tmp_path):
    write(tmp_path)
    reference = io.BytesIO()
    with tarfile.open(fileobj=reference, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for made in (clip("a"), clip("c")):
            contents = {"jpg": b"poster", "json": flat_json(made.record), "mp4": b"film" * 300}
            for suffix, content in {**contents, "txt": "a cat in Zürich".encode()}.items():
                info = tarfile.TarInfo(f"{made.take.key}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    assert (tmp_path / "00007.tar").read_bytes() == reference.getvalue()


@given(name=st.from_regex(r"[!-~]{1,100}", fullmatch=True), content=st.binary(max_size=2000))
def test_a_member_reads_back_from_any_name_and_content(name, content):
    pieces = b"".join(ustar.member(name, content))
    tar = pieces + ustar.end(len(pieces))
    assert len(tar) % tarfile.RECORDSIZE == 0
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        (entry,) = opened.getmembers()
        assert opened.extractfile(entry).read() == content
    # A trailing slash says "folder" to old readers and is dropped; our keys have none.
    assert entry.name == name.rstrip("/") or name.endswith("/")
    assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.mode) == (0, 0, 0, "", 0o644)


@pytest.mark.parametrize("name", ["", "x" * 101, "caf\N{LATIN SMALL LETTER E WITH ACUTE}.txt"])
def test_a_name_that_does_not_fit_is_refused(name):
    with pytest.raises(ValueError, match=r"name|ascii"):
        ustar.member(name, b"")


def test_equal_clips_give_equal_files(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert read(tmp_path / "a") == read(tmp_path / "b")


def test_the_table_has_a_row_for_every_input_in_order(tmp_path):
    write(tmp_path)
    table = pq.read_table(tmp_path / "00007.parquet")
    assert table.column_names == [*COLUMNS, "license", "union_area"]
    assert {name: table.schema.field(name).type for name in COLUMNS} == dict(COLUMNS)
    assert table["source_key"].to_pylist() == ["a", "b", "c", "d", "e"]
    assert table["status"].to_pylist() == ["success", "truncated", "success", "empty_file", "empty_file"]
    assert table["error_message"].to_pylist() == ["", "ends early", "", "ends early", "ends early"]
    assert table["caption"].to_pylist()[1] == "a dog"
    assert table["url"].to_pylist()[1] == "https://example.org/b.jpg"
    assert table["license"].to_pylist() == ["CC0", "CC0", "CC0", None, None]
    assert table["num_frames"].to_pylist() == [12, None, 12, None, None]


def test_a_clips_row_is_a_projection_of_its_json(tmp_path):
    write(tmp_path)
    with tarfile.open(tmp_path / "00007.tar") as tar:
        content = json.loads(tar.extractfile("a_0.json").read())
    row = pq.read_table(tmp_path / "00007.parquet").to_pylist()[0]
    assert {name: content[name] for name in row} == row
    assert set(content) - set(row) == {"captions", "homographies", "shot"}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None], pa.int64()),
        ([1, 2.5], pa.float64()),
        ([True, None], pa.bool_()),
        (["x", None], pa.string()),
        ([1, "x"], pa.string()),
        ([True, 1], pa.string()),
        ([None, None], pa.string()),
        ([2**70, None], pa.string()),
    ],
)
def test_columns_of_the_source_take_the_narrowest_type_that_holds_them(tmp_path, values, kind):
    write(tmp_path, *(rejected(f"k{i}", meta={"extra": value}) for i, value in enumerate(values)))
    column = pq.read_table(tmp_path / "00007.parquet")["extra"]
    assert column.type == kind
    expected = [str(v) if kind == pa.string() and v is not None else v for v in values]
    assert column.to_pylist() == expected


def test_json_has_no_null_and_stays_readable():
    text = flat_json({"url": None, "width": float("nan"), "caption": "Zürich"}).decode()
    assert text == '{"url":"","width":"","caption":"Zürich"}'


def test_clips_with_other_keys_are_a_bug(tmp_path):
    with pytest.raises(AssertionError, match="JSON keys differ"):
        write(tmp_path, clip("a"), clip("b", extra=1))
    assert read(tmp_path) == {}


def test_leaving_early_leaves_no_trace(tmp_path):
    with ShardWriter(tmp_path, "00000") as writer:
        writer.add(clip())
        assert any(tmp_path.rglob("*.tar"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), ShardWriter(tmp_path, "00000"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert read_stats(tmp_path, "00000") is None


def test_a_shard_of_rejections_alone_is_a_shard(tmp_path):
    made = write(tmp_path, rejected("a"), rejected("b"))
    assert (made.inputs, made.clips) == (2, 0)
    with tarfile.open(tmp_path / "00007.tar") as tar:
        assert tar.getmembers() == []


@pytest.mark.parametrize("stop_before", FILES)
def test_cut_off_while_files_appear_no_marker_vouches_for_a_mixture(tmp_path, monkeypatch, stop_before):
    write(tmp_path, clip("old"))
    rename = os.replace

    def cut_off(source, target):
        if Path(target).name == stop_before:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(writing.os, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, clip("new"))
    assert read_stats(tmp_path, "00007") is None
    monkeypatch.undo()
    write(tmp_path, clip("new"))
    assert read_stats(tmp_path, "00007").clips == 1


def test_two_attempts_at_one_shard_do_not_meet(tmp_path):
    with ShardWriter(tmp_path, "00007") as lost, ShardWriter(tmp_path, "00007") as second:
        lost.add(clip("a"))
        second.add(clip("a"))
        made = second.finish()
    assert read_stats(tmp_path, "00007") == made
    assert sorted(read(tmp_path)) == sorted(FILES)


def test_an_object_store_gets_the_same_files_and_the_marker_last(tmp_path, monkeypatch):
    store = fsspec.filesystem("memory")
    order = []
    put = type(store).put_file

    def note(self, source, target, *arguments, **options):
        order.append(target.rpartition("/")[2])
        return put(self, source, target, *arguments, **options)

    monkeypatch.setattr(type(store), "put_file", note)
    try:
        made = write("memory://bucket/writers")
        assert order == list(FILES)
        write(tmp_path)
        stored = {name: store.cat(f"/bucket/writers/{name}") for name in FILES}
        assert stored == read(tmp_path)
        assert read_stats("memory://bucket/writers", "00007") == made
    finally:
        store.rm("/bucket", recursive=True)


def frames(num_frames: int) -> np.ndarray:
    ramp = np.linspace(20, 230, 64, dtype=np.uint8)
    return np.stack([np.dstack([ramp[None].repeat(48, 0)] * 3) // (1 + i % 3) for i in range(num_frames)])


VIDEO = VideoRecipe(size=(64, 48), num_frames=6, fps=3, jpeg_quality=95, crf=12)


def test_mp4_stores_the_film_and_its_middle_frame():
    members = WRITERS["mp4"](b"still", frames(6), VIDEO)
    assert sorted(members) == ["jpg", "mp4"]
    assert decode_mp4(members["mp4"]).shape == (6, 48, 64, 3)
    assert np.abs(decode_jpeg(members["jpg"]).astype(int) - frames(6)[3]).mean() < 2


@pytest.mark.parametrize(
    ("num_frames", "last"), [(1, "00.jpg"), (12, "11.jpg"), (100, "99.jpg"), (101, "100.jpg")]
)
def test_frames_are_numbered_so_that_they_sort(num_frames, last):
    members = WRITERS["frames"](b"still", frames(num_frames), VIDEO)
    assert len(members) == num_frames
    assert list(members) == sorted(members) and list(members)[-1] == last
    assert np.abs(decode_jpeg(members[last]).astype(int) - frames(num_frames)[-1]).mean() < 2


def test_virtual_stores_the_still_untouched():
    assert WRITERS["virtual"](b"any bytes at all", None, VIDEO) == {"jpg": b"any bytes at all"}


def test_a_record_is_what_its_marker_says_whatever_else_the_marker_holds(tmp_path):
    made = write(tmp_path)
    stats = json.loads((tmp_path / "00007_stats.json").read_text())
    assert {name: stats[name] for name in dataclasses.asdict(made)} == dataclasses.asdict(made)
