"""Laws of finished shards: what they hold, in which order files appear, and equal clips give equal files."""

import dataclasses
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from animate.data import Clip, Fault, Rejected, Take
from animate.record import COLUMNS, ClipRecord, Columns, flat_json, parquet_columns
from animate.shards.place import Place
from animate.shards.read import read_marker
from animate.shards.write import ShardWriter

FILES = ("00007.tar", "00007.parquet", "00007_stats.json")


def clip(key: str = "000000001", index: int = 0, *, carried: dict | None = None, **changes) -> Clip:
    record = ClipRecord(
        **{
            "key": f"{key}_{index}",
            "source_key": key,
            "source_keys": [key],
            "take": index,
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
            "camera_caption": "The camera slowly pushes in.",
            "homographies": [[1.0] * 9] * 12,
            "shot": '{"shots":[{"amplitude":1.0},{"amplitude":0.25}]}',
            "shot_starts": [0],
            "view_areas": [0.5] * 12,
            "view_area_min": 0.5,
            "union_area": 0.9,
            "quality": "default",
            "background": [255, 255, 255],
            **changes,
        }
    )
    given = {"license": "CC0", "similarity": 0.5} if carried is None else carried
    return Clip(members={"mp4": b"film" * 300, "jpg": b"poster"}, record=record, carried=given)


def rejected(key: str, status: str = "truncated", **changes) -> tuple[Take, Rejected]:
    values = {"key": key, "fault": Fault(status, "ends early"), "captions": ("a dog",)}
    return Take(source_key=key, index=0), Rejected(**values, **changes)


#: What the corpus of these tests carries.
CARRIED: Columns = {"license": "string", "similarity": "double"}


def write(out, *rows, name: str = "00007"):
    with ShardWriter(out, name, CARRIED) as writer:
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
    assert list((tmp_path / "_tmp").iterdir()) == []  # it goes with the build
    tar = (tmp_path / "00007.tar").read_bytes()
    assert (made.inputs, made.clips, made.rejected) == (5, 2, {"empty_file": 2, "truncated": 1})
    assert (made.bytes, made.sha256) == (len(tar), hashlib.sha256(tar).hexdigest())
    assert made == read_marker(Place.at(tmp_path), "00007")


def test_shots_are_counted_and_those_that_were_held_back(tmp_path):
    """Each clip has two shots, one of them at a quarter of what was drawn."""
    with ShardWriter(tmp_path, "00007", CARRIED) as writer:
        writer.add(clip("a"))
        writer.add(clip("b", shot='{"shots":[{"amplitude":0.3}]}'))
        record = writer.finish()
    assert (record.shots, record.shots_held_back) == (3, 1)
    assert read_marker(Place.at(tmp_path), "00007") == record


def test_a_marker_of_a_release_that_did_not_count_shots_is_read(tmp_path):
    with ShardWriter(tmp_path, "00007", CARRIED) as writer:
        writer.add(clip("a"))
        record = writer.finish()
    path = tmp_path / "00007_stats.json"
    table = json.loads(path.read_text())
    del table["shots"], table["shots_held_back"]
    path.write_text(json.dumps(table))
    read = read_marker(Place.at(tmp_path), "00007")
    assert read == dataclasses.replace(record, shots=0, shots_held_back=0)


def test_stats_speak_to_readers_of_img2dataset_too(tmp_path):
    write(tmp_path)
    stats = json.loads((tmp_path / "00007_stats.json").read_text())
    assert (stats["count"], stats["successes"]) == (5, 2)
    assert stats["status_dict"] == {"success": 2, "empty_file": 2, "truncated": 1}
    assert (stats["failed_to_download"], stats["failed_to_resize"]) == (0, 3)


def test_stats_of_a_list_count_what_failed_to_download_and_what_did_not_decode(tmp_path):
    rejected = ["failed_to_download", "gone", "opted_out", "missing_file", "undecodable", "missing_caption"]
    with ShardWriter(tmp_path, "00007", CARRIED) as writer:
        for number, status in enumerate(rejected):
            take = Take(source_key=f"k{number}", index=0)
            writer.reject(take, Rejected(key=take.source_key, fault=Fault(status, "")))
        writer.finish()
    stats = json.loads((tmp_path / "00007_stats.json").read_text())
    assert (stats["failed_to_download"], stats["failed_to_resize"]) == (4, 1)
    assert (stats["count"], sum(stats["status_dict"].values())) == (6, 6)


def test_the_tar_is_the_one_that_tarfile_would_write(tmp_path):
    write(tmp_path)
    reference = io.BytesIO()
    with tarfile.open(fileobj=reference, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for made in (clip("a"), clip("c")):
            table = flat_json(made.record, made.carried, CARRIED)
            contents = {"jpg": b"poster", "json": table, "mp4": b"film" * 300}
            for suffix, content in {**contents, "txt": "a cat in Zürich".encode()}.items():
                info = tarfile.TarInfo(f"{made.record.key}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    assert (tmp_path / "00007.tar").read_bytes() == reference.getvalue()


def test_equal_clips_give_equal_files(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert read(tmp_path / "a") == read(tmp_path / "b")


def test_the_table_has_a_row_for_every_input_in_order(tmp_path):
    write(tmp_path)
    table = pq.read_table(tmp_path / "00007.parquet")
    rest = ["license", "quality", "similarity", "union_area", "view_area_min"]
    assert table.column_names == [*COLUMNS, *rest]
    types = {name: pa.type_for_alias(kind) for name, kind in parquet_columns(CARRIED, whole_fps=True).items()}
    assert {field.name: field.type for field in table.schema} == types
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
    lists = {"source_keys", "captions", "homographies", "shot_starts", "view_areas", "background"}
    assert set(content) - set(row) == lists | {"shot"}


def test_a_shard_of_rejections_alone_has_the_columns_of_any_other(tmp_path):
    write(tmp_path / "a")
    write(tmp_path / "b", rejected("a"))
    schemas = [pq.read_schema(tmp_path / name / "00007.parquet") for name in "ab"]
    assert schemas[0].equals(schemas[1])


def test_a_clip_that_lacks_what_its_corpus_carries_is_a_bug(tmp_path):
    with pytest.raises(AssertionError, match="carries no similarity"):
        write(tmp_path, clip("a"), clip("b", carried={"license": "CC0"}))
    assert read(tmp_path) == {}


def test_leaving_early_leaves_no_trace(tmp_path):
    with ShardWriter(tmp_path, "00000", CARRIED) as writer:
        writer.add(clip())
        assert any(tmp_path.rglob("*.tar"))
    assert list(tmp_path.rglob("*")) == [tmp_path / "_tmp"]
    with pytest.raises(KeyboardInterrupt), ShardWriter(tmp_path, "00000", CARRIED):
        raise KeyboardInterrupt
    assert list(tmp_path.rglob("*")) == [tmp_path / "_tmp"]
    assert read_marker(Place.at(tmp_path), "00000") is None


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

    monkeypatch.setattr(os, "replace", cut_off)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, clip("new"))
    assert read_marker(Place.at(tmp_path), "00007") is None
    monkeypatch.undo()
    write(tmp_path, clip("new"))
    assert read_marker(Place.at(tmp_path), "00007").clips == 1


def test_two_attempts_at_one_shard_do_not_meet(tmp_path):
    with ShardWriter(tmp_path, "00007", CARRIED) as lost, ShardWriter(tmp_path, "00007", CARRIED) as second:
        lost.add(clip("a"))
        second.add(clip("a"))
        made = second.finish()
    assert read_marker(Place.at(tmp_path), "00007") == made
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
        assert read_marker(Place.at("memory://bucket/writers"), "00007") == made
    finally:
        store.rm("/bucket", recursive=True)


def test_a_record_is_what_its_marker_says_whatever_else_the_marker_holds(tmp_path):
    made = write(tmp_path)
    stats = json.loads((tmp_path / "00007_stats.json").read_text())
    assert {name: stats[name] for name in dataclasses.asdict(made)} == dataclasses.asdict(made)
