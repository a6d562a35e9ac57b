"""Shards opened by programs that nobody here wrote: each must find the clips that this project stored."""

import gc
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import animate
from tests.support.shard_sets import build_set

FORMATS = ("mp4", "frames", "virtual")
FRAMES = [f"{number:02d}.jpg" for number in range(5)]
MEDIA = {"mp4": ["jpg", "mp4"], "frames": FRAMES, "virtual": ["jpg"]}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    return {format: build_set(root / format, format) for format in FORMATS}


@pytest.fixture(scope="module")
def clips(sets):
    """What `animate.load` finds, by format."""
    return {format: list(animate.load_clips(sets[format])) for format in FORMATS}


@pytest.fixture
def film(sets, tmp_path) -> Path:
    """One mp4 of the set, as a file."""
    with tarfile.open(sets["mp4"] / "00000.tar") as tar:
        member = next(entry for entry in tar if entry.name.endswith(".mp4"))
        (tmp_path / "film.mp4").write_bytes(tar.extractfile(member).read())
    return tmp_path / "film.mp4"


@pytest.fixture
def careless() -> Iterator[None]:
    """webdataset and open_clip leave files to the garbage collector: it comes while that is ignored."""
    yield
    gc.collect()


#: For tests of readers that leave their files open.
leaves_files_open = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


def close(a: np.ndarray, b: np.ndarray, mean: float = 2.0) -> bool:
    return a.shape == b.shape and np.abs(a.astype(int) - b).mean() < mean


@leaves_files_open
@pytest.mark.parametrize("format", FORMATS)
def test_webdataset_reads_the_samples(sets, clips, careless, format):
    import webdataset

    urls = sorted(map(str, sets[format].glob("*.tar")))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [clip["key"] for clip in clips[format]]
    for sample, clip in zip(samples, clips[format], strict=True):
        members = {name for name in sample if not name.startswith("__")}
        assert members == {"json", "txt", *MEDIA[format]}
        assert sample["txt"] == clip["caption"]
        assert sample["json"] == clip["json"]
        if format == "frames":
            assert close(np.stack([sample[name] for name in FRAMES]), clip["frames"].transpose(0, 2, 3, 1))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("format", FORMATS)
def test_datasets_of_hugging_face_reads_the_samples(sets, clips, tmp_path, monkeypatch, format, streaming):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    rows = datasets.load_dataset(
        "webdataset",
        data_files={"train": sorted(map(str, sets[format].glob("*.tar")))},
        split="train",
        streaming=streaming,
        cache_dir=str(tmp_path),
    )
    # Media stay bytes: what is tested is the container, and decoders of videos are optional there.
    for name in set(MEDIA[format]) & set(rows.features):
        kind = datasets.Video if name == "mp4" else datasets.Image
        rows = rows.cast_column(name, kind(decode=False))
    rows = list(rows)
    assert [row["__key__"] for row in rows] == [clip["key"] for clip in clips[format]]
    for row, clip in zip(rows, clips[format], strict=True):
        assert row["json"] == clip["json"]
        assert row["txt"] == clip["caption"]
        assert {*MEDIA[format]} <= row.keys()
        if format == "frames":
            first = np.asarray(Image.open(io.BytesIO(row["00.jpg"]["bytes"])))
            assert close(first, clip["frames"][0].transpose(1, 2, 0))


@leaves_files_open
@pytest.mark.parametrize("format", ["mp4", "virtual"])
def test_open_clip_reads_the_set_as_images_with_captions(sets, clips, careless, format):
    data = pytest.importorskip("open_clip_train.data", reason="open_clip's training package is not installed")
    shards = str(sets[format] / "{00000..00002}.tar")
    assert data.get_dataset_size(shards) == (12, 3)
    arguments = SimpleNamespace(val_data=shards, val_num_samples=12, batch_size=4, workers=0)
    found = data.get_wds_dataset(
        arguments, lambda image: np.asarray(image.resize((8, 8))), False, tokenizer=lambda text: [text]
    )
    assert (found.dataloader.num_samples, found.dataloader.num_batches) == (12, 3)
    batches = list(found.dataloader)
    assert [images.shape for images, _ in batches] == [(4, 8, 8, 3)] * 3
    captions = [text for _, texts in batches for text in texts]
    assert captions == [clip["caption"] for clip in clips[format]]


@pytest.mark.parametrize("format", FORMATS)
def test_img2datasets_counters_find_what_they_look_for(sets, format):
    stats = [json.loads(path.read_text()) for path in sorted(sets[format].glob("*_stats.json"))]
    assert sum(row["count"] for row in stats) == sum(row["successes"] for row in stats) == 12
    assert all(row["status_dict"] == {"success": row["successes"]} for row in stats)


def test_torchcodec_decodes_the_films(film, clips):
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, OSError, RuntimeError) as error:  # it needs FFmpeg's libraries on the system
        pytest.skip(f"torchcodec does not load: {str(error).splitlines()[0]}")
    decoder = VideoDecoder(str(film), num_ffmpeg_threads=1)
    expected = clips["mp4"][0]["frames"]
    assert (decoder.metadata.num_frames, decoder.metadata.average_fps) == (5, 4)
    assert decoder.metadata.duration_seconds == 1.25
    assert close(decoder[:].numpy(), expected)
    for number in (4, 0, 2):
        assert close(decoder[number].numpy(), expected[number])
    assert close(decoder.get_frame_played_at(1.1).data.numpy(), expected[4])


def test_pyav_decodes_the_films_through_swscale(film, clips):
    import av

    with av.open(str(film)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert close(frames, clips["mp4"][0]["frames"].transpose(0, 2, 3, 1), 2.5)


def test_opencv_decodes_the_films(film, clips):
    import cv2

    capture = cv2.VideoCapture(str(film))
    assert (capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)) == (5, 4)
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1][..., ::-1])
    capture.release()
    assert close(np.stack(frames), clips["mp4"][0]["frames"].transpose(0, 2, 3, 1), 3)


def ffmpeg(program: str, *arguments: str) -> bytes:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    return subprocess.run([program, "-v", "error", *arguments], capture_output=True, check=True).stdout


def test_ffprobe_counts_what_the_films_declare(film):
    asked = ("-count_frames", "-show_streams", "-of", "json", str(film))
    (stream,) = json.loads(ffmpeg("ffprobe", *asked))["streams"]
    assert (stream["codec_name"], stream["pix_fmt"], stream["has_b_frames"]) == ("h264", "yuv420p", 0)
    assert (stream["nb_frames"], stream["nb_read_frames"]) == ("5", "5")
    assert Fraction(stream["r_frame_rate"]) == Fraction(stream["avg_frame_rate"]) == 4
    assert (stream["width"], stream["height"], float(stream["duration"])) == (80, 64, 1.25)
    colours = [stream[name] for name in ("color_range", "color_space", "color_primaries", "color_transfer")]
    assert colours == ["tv", "smpte170m", "bt709", "iec61966-2-1"]


def test_ffmpeg_decodes_the_films_without_a_word(film, clips):
    raw = ffmpeg("ffmpeg", "-i", str(film), "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    frames = np.frombuffer(raw, np.uint8).reshape(5, 64, 80, 3)
    assert close(frames, clips["mp4"][0]["frames"].transpose(0, 2, 3, 1), 2.5)


def test_tar_lists_the_members_in_order(sets):
    listed = subprocess.run(
        ["tar", "-tf", str(sets["mp4"] / "00000.tar")], capture_output=True, text=True, check=True
    ).stdout.split()
    suffixes = [name.partition(".")[2] for name in listed]
    assert suffixes == ["jpg", "json", "mp4", "txt"] * 4


def test_pandas_reads_the_table(sets):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.concat([pandas.read_parquet(path) for path in sorted(sets["virtual"].glob("*.parquet"))])
    assert (table["status"] == "success").sum() == len(table) == 12
    assert table["key"].is_unique
