"""Laws of the codecs: what each kind of image decodes to, what is refused and why, what an MP4 holds."""

import contextlib
import io
import os
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, features

from animate.codec import (
    UndecodableImage,
    decode_jpeg,
    decode_mp4,
    decode_still,
    encode_jpeg,
    encode_mp4,
    still_size,
)
from animate.codec.exif import orientation_of
from animate.recipe import SourceRecipe

SOURCE = SourceRecipe(min_side=16)
EXIF_ORIENTATION = 0x0112
#: Not in pillow-simd, which is a fork of an older Pillow.
HAS_AVIF = features.check("avif")


def picture(width: int = 96, height: int = 64) -> np.ndarray:
    """A smooth picture, different in every corner, [h, w, 3]."""
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = [40 + 180 * x, 60 + 150 * y, 128 + 90 * np.sin(6 * x + 3 * y)]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


def saved(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    with io.BytesIO() as stream:
        image.save(stream, kind, **options)
        return stream.getvalue()


def difference(a: np.ndarray, b: np.ndarray) -> float:
    assert a.shape == b.shape and a.dtype == b.dtype == np.uint8
    return float(np.abs(a.astype(int) - b).mean())


def status_of(data: bytes, source: SourceRecipe = SOURCE) -> str:
    with pytest.raises(UndecodableImage) as refusal:
        decode_still(data, source)
    assert str(refusal.value)
    return refusal.value.fault.status


LOSSLESS = {
    "png": lambda image: saved(image, "PNG"),
    "bmp": lambda image: saved(image, "BMP"),
    "tiff": lambda image: saved(image, "TIFF"),
    "tiff lzw": lambda image: saved(image, "TIFF", compression="tiff_lzw"),
    "ppm": lambda image: saved(image, "PPM"),
    "webp": lambda image: saved(image, "WEBP", lossless=True),
    "jpeg 2000": lambda image: saved(image, "JPEG2000"),
}
LOSSY = {
    "jpeg": lambda image: saved(image, "JPEG", quality=95),
    "progressive jpeg": lambda image: saved(image, "JPEG", quality=95, progressive=True),
    "jpeg 4:4:4": lambda image: saved(image, "JPEG", quality=95, subsampling=0),
    "jpeg with restarts": lambda image: saved(image, "JPEG", quality=95, restart_marker_rows=1),
    "jpeg stored as rgb": lambda image: saved(image, "JPEG", quality=95, keep_rgb=True),
    "mpo": lambda image: saved(
        image, "MPO", quality=95, save_all=True, append_images=[ImageOps.invert(Image.fromarray(image))]
    ),
    "webp": lambda image: saved(image, "WEBP", quality=95),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_every_pixel(kind):
    still = decode_still(LOSSLESS[kind](picture()), SOURCE)
    assert still.flags.c_contiguous
    assert np.array_equal(still, picture())


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_formats_give_the_picture(kind):
    still = decode_still(LOSSY[kind](picture()), SOURCE)
    assert still.flags.c_contiguous
    assert difference(still, picture()) < 2.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_greyscale_becomes_three_equal_channels(kind):
    grey = Image.fromarray(picture()).convert("L")
    still = decode_still(saved(grey, kind, quality=95) if kind != "PNG" else saved(grey, kind), SOURCE)
    assert (still == still[..., :1]).all()
    assert difference(still[..., 0], np.asarray(grey)) < 2


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_keep_the_high_byte(suffix, channels):
    wide = picture().astype(np.uint16) * 256 + 77
    wide = wide[..., 0] if channels == 1 else wide
    stored = cv2.imencode(suffix, wide if channels == 1 else wide[..., ::-1])[1].tobytes()
    still = decode_still(stored, SOURCE)
    expected = picture() if channels == 3 else np.repeat(picture()[..., :1], 3, axis=2)
    assert np.array_equal(still, expected)


def test_samples_without_a_stated_white_are_refused():
    floats = Image.fromarray(np.ones((32, 32), np.float32))
    assert status_of(saved(floats, "TIFF")) == "undecodable"
    wide = Image.fromarray(np.full((32, 32), 100_000, np.int32))
    assert status_of(saved(wide, "TIFF")) == "undecodable"


@pytest.mark.parametrize(
    ("inks", "color"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((255, 255, 0, 0), (0, 0, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 128), (127, 127, 127)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_gives_the_colours_that_its_inks_print(kind, inks, color):
    stored = saved(Image.new("CMYK", (64, 48), inks), kind, quality=95)
    assert np.abs(decode_still(stored, SOURCE).astype(int) - color).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palettes_are_looked_up(kind):
    flat = Image.fromarray(picture()).quantize(64)
    assert np.array_equal(decode_still(saved(flat, kind), SOURCE), np.asarray(flat.convert("RGB")))


def test_two_tone_pictures_are_black_and_white():
    bits = Image.fromarray(picture()).convert("1")
    assert np.array_equal(decode_still(saved(bits, "PNG"), SOURCE), np.asarray(bits.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("background", [(255, 255, 255), (255, 0, 64)])
def test_alpha_is_laid_over_the_background_of_the_recipe(kind, background):
    alpha = np.linspace(0, 255, 96, dtype=np.uint8)[None, :].repeat(64, axis=0)
    image = Image.fromarray(np.dstack([picture(), alpha]))
    stored = saved(image, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {}))
    share = alpha[..., None] / 255
    expected = picture() * share + np.array(background) * (1 - share)
    still = decode_still(stored, SourceRecipe(min_side=16, background=background))
    assert np.abs(still - expected).max() <= 1.01


def test_alpha_beside_grey_and_in_a_palette_counts_too():
    grey_alpha = Image.merge("LA", [Image.new("L", (64, 48), 10), Image.new("L", (64, 48), 0)])
    assert (decode_still(saved(grey_alpha, "PNG"), SOURCE) == 255).all()
    palette = Image.new("P", (64, 48), 3)
    palette.putpalette([9] * 768)
    assert (decode_still(saved(palette, "PNG", transparency=3), SOURCE) == 255).all()
    assert (decode_still(saved(palette, "GIF", transparency=3), SOURCE) == 255).all()
    keyed = Image.new("RGB", (64, 48), (1, 2, 3))
    assert (decode_still(saved(keyed, "PNG", transparency=(1, 2, 3)), SOURCE) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF compressed"])
def test_pictures_are_turned_upright(kind, orientation):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    options = {"lossless": True} if kind == "WEBP" else options
    options = {"compression": "tiff_lzw"} if kind == "TIFF compressed" else options
    stored = saved(picture(), kind.split()[0], exif=exif, **options)
    image = Image.fromarray(picture())
    image.getexif()[EXIF_ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    still = decode_still(stored, SOURCE)
    assert difference(still, expected) < 1.5
    assert still.flags.c_contiguous
    assert still_size(stored) == still.shape[1::-1]


@given(st.binary(max_size=60))
def test_a_broken_exif_block_states_no_orientation(noise):
    for order in (b"II*\0", b"MM\0*"):
        assert orientation_of(b"Exif\0\0" + order + noise) in range(1, 9)
    assert orientation_of(noise[:8]) == 1


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(kind):
    first, second = Image.new("RGB", (64, 48), (255, 0, 0)), Image.new("RGB", (64, 48), (0, 0, 255))
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = saved(first, kind, save_all=True, append_images=[second], duration=100, **options)
    with Image.open(io.BytesIO(stored)) as image:
        assert image.n_frames == 2
    assert (decode_still(stored, SOURCE) == (255, 0, 0)).all()


def swapped_profile() -> bytes:
    """An sRGB profile under another name, whose red and blue are exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for name in (b"sRGB", "sRGB".encode("utf-16-be")):
        while (at := profile.find(name)) >= 0:
            profile[at : at + len(name)] = name.replace(b"s", b"x")
    count = struct.unpack_from(">I", profile, 128)[0]
    for entry in range(count):
        at = 132 + 12 * entry
        name = bytes(profile[at : at + 4])
        profile[at : at + 4] = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ"}.get(name, name)
    return bytes(profile)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_embedded_profile_is_converted_to_srgb(kind):
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    options = {"lossless": True} if kind == "WEBP" else options
    plain = decode_still(saved(picture(), kind, **options), SOURCE)
    marked = decode_still(saved(picture(), kind, icc_profile=swapped_profile(), **options), SOURCE)
    assert difference(np.ascontiguousarray(marked[..., ::-1]), plain) < 1.5


def test_an_srgb_profile_and_a_broken_one_change_nothing():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = decode_still(saved(picture(), "JPEG"), SOURCE)
    for profile in (srgb, b"rubbish" * 40):
        assert np.array_equal(decode_still(saved(picture(), "JPEG", icc_profile=profile), SOURCE), plain)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", "empty_file"),
        (b"<html><body>404</body></html>", "not_an_image"),
        (b"\xff", "not_an_image"),
        (b"BM, the initials of a text", "not_an_image"),
        (b"\0\0\0\x20ftypisom" + bytes(32), "not_an_image"),
        (b"%PDF-1.7\n", "not_an_image"),
        (b"\0\0\0\x20ftypheic" + bytes(32), "undecodable"),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\x05rubbish" * 9 + b"IEND\xaeB`\x82", "undecodable"),
        (b"GIF89a" + bytes(4), "undecodable"),
        (b"\xff\xd8\xff\xe0", "truncated"),
    ],
)
def test_what_is_no_picture_says_why(data, status):
    assert status_of(data) == status


PHOTO = picture(160, 120) ^ np.random.default_rng(0).integers(0, 32, (120, 160, 3), dtype=np.uint8)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("closed", [False, True])
def test_a_jpeg_cut_anywhere_is_truncated(progressive, closed):
    whole = saved(PHOTO, "JPEG", quality=90, progressive=progressive)
    scan = whole.index(b"\xff\xda")
    for cut in np.linspace(scan + 20, len(whole) - 30, 12).astype(int):
        # `closed`: somebody put an end marker behind what was left.
        status = status_of(whole[:cut] + (b"\xff\xd9" if closed else b""))
        assert status == "truncated" or (closed and status == "undecodable")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_cut_anywhere_are_whole_or_refused(kind):
    whole = saved(PHOTO, kind)
    pixels = decode_still(whole, SOURCE)
    seen = set()
    for cut in np.linspace(26, len(whole) - 1, 25).astype(int):
        try:
            assert np.array_equal(decode_still(whole[:cut], SOURCE), pixels)
        except UndecodableImage as error:
            seen.add(error.fault.status)
    assert seen <= {"truncated", "undecodable"}
    assert status_of(whole[: len(whole) // 2]) == "truncated"


def test_stray_bytes_between_segments_do_no_harm():
    whole = saved(PHOTO, "JPEG", quality=90)
    tables = whole.index(b"\xff\xdb")
    stray = whole[:tables] + b"\0\0\0" + whole[tables:] + b"and more behind the end"
    assert difference(decode_still(stray, SOURCE), decode_still(whole, SOURCE)) < 0.5


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    data = b"IDAT" + zlib.compress(b"no picture at all")
    return header + struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))


def test_too_many_pixels_are_refused_before_they_are_decoded():
    # Neither holds pixels: a decoder that was asked for them would find the picture broken.
    assert status_of(png_header(60_000, 60_000)) == "too_many_pixels"
    jpeg = bytearray(saved(picture(), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 60_000, 60_000)
    assert status_of(bytes(jpeg)) == "too_many_pixels"
    assert status_of(png_header(20_000, 20_000), SourceRecipe(max_pixels=500_000_000)) != "too_many_pixels"


def test_the_limit_on_pixels_is_exact_and_leaves_pillows_own_alone():
    before = Image.MAX_IMAGE_PIXELS
    for kind in ("JPEG", "PNG"):
        stored = saved(picture(), kind)
        assert decode_still(stored, SourceRecipe(min_side=16, max_pixels=96 * 64)).shape == (64, 96, 3)
        assert status_of(stored, SourceRecipe(min_side=16, max_pixels=96 * 64 - 1)) == "too_many_pixels"
    assert before == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_small_and_narrow_pictures_are_refused(kind):
    assert status_of(saved(picture(96, 63), kind), SourceRecipe(min_side=64)) == "too_small"
    assert decode_still(saved(picture(96, 64), kind), SourceRecipe(min_side=64)).shape == (64, 96, 3)
    narrow = SourceRecipe(min_side=16, max_aspect=2.0)
    assert status_of(saved(picture(129, 64), kind), narrow) == "aspect_ratio"
    assert status_of(saved(picture(64, 129), kind), narrow) == "aspect_ratio"
    assert decode_still(saved(picture(128, 64), kind), narrow).shape == (64, 128, 3)


FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000", *(("AVIF",) if HAS_AVIF else ()))
STORED = {kind: saved(picture(48, 40), kind) for kind in FORMATS}


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(FORMATS),
    seed=st.integers(0, 2**32 - 1),
)
def test_damaged_bytes_are_a_picture_or_a_reason(kind, seed):
    rng = np.random.default_rng(seed)
    data = bytearray(STORED[kind])
    for at in rng.integers(0, len(data), int(rng.integers(1, 12))):
        data[at] = rng.integers(256)
    still = None
    with contextlib.suppress(UndecodableImage):  # anything else that is raised fails the test
        still = decode_still(bytes(data), SourceRecipe(min_side=1, max_pixels=10**6, max_aspect=1e6))
    assert still is None or (still.dtype == np.uint8 and still.ndim == 3 and still.shape[2] == 3)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize(
    ("at_least", "divisor"), [((200, 150), 1), ((160, 120), 2), ((80, 60), 4), ((81, 30), 2), ((1, 1), 8)]
)
def test_a_smaller_decode_is_the_full_one_averaged(orientation, at_least, divisor):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stored = saved(cv2.resize(PHOTO, (320, 240)), "JPEG", quality=95, exif=exif)
    width, height = at_least if orientation == 1 else at_least[::-1]
    full = decode_still(stored, SOURCE)
    small = decode_still(stored, SOURCE, at_least=(width, height))
    assert small.shape == (full.shape[0] // divisor, full.shape[1] // divisor, 3)
    averaged = cv2.resize(full, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert difference(small, averaged) < 2


def test_limits_are_those_of_the_full_size():
    stored = saved(picture(320, 240), "JPEG")
    limits = SourceRecipe(min_side=200, max_pixels=320 * 240)
    assert decode_still(stored, limits, at_least=(40, 30)).shape == (30, 40, 3)


def test_sides_that_do_not_divide_round_up():
    assert decode_still(saved(picture(101, 67), "JPEG"), SOURCE, at_least=(50, 33)).shape == (34, 51, 3)


def test_jpegs_have_halved_chroma_and_come_back():
    stored = encode_jpeg(PHOTO, 95)
    assert simplejpeg.decode_jpeg_header(stored)[2:] == ("YCbCr", "420")
    assert difference(decode_jpeg(encode_jpeg(picture(), 95)), picture()) < 2
    with pytest.raises(UndecodableImage):
        decode_jpeg(stored[: len(stored) // 2])


def pan(num_frames: int, width: int = 96, height: int = 64) -> np.ndarray:
    wide = picture(width + 2 * num_frames, height)
    return np.stack([wide[:, 2 * i : 2 * i + width] for i in range(num_frames)])


def opened(data: bytes):
    return av.open(io.BytesIO(data), "r")


@pytest.mark.parametrize("num_frames", [1, 2, 12, 13, 40])
def test_an_mp4_holds_what_it_declares(num_frames):
    frames = pan(num_frames)
    stored = encode_mp4(frames, fps=5, crf=18, preset="veryfast")
    assert difference(decode_mp4(stored), frames) < 3
    with opened(stored) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.average_rate, stream.base_rate) == (num_frames, 5, 5)
        assert stream.duration * stream.time_base == Fraction(num_frames, 5)
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert [packet.pts * packet.time_base for packet in packets] == [
        i / stream.average_rate for i in range(num_frames)
    ]
    assert [packet.dts for packet in packets] == [packet.pts for packet in packets]  # no B-frames
    keys = [i for i, packet in enumerate(packets) if packet.is_keyframe]
    assert keys[0] == 0 and max(np.diff([*keys, num_frames]), default=0) <= 12
    assert stored.index(b"moov") < stored.index(b"mdat")


def test_an_mp4_says_how_its_colours_are_coded():
    with opened(encode_mp4(pan(3), fps=4, crf=23, preset="ultrafast")) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
    assert (context.name, frame.format.name) == ("h264", "yuv420p")
    assert (frame.colorspace, frame.color_range, context.color_primaries, context.color_trc) == (6, 1, 1, 13)


@pytest.mark.parametrize(
    "color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 30)]
)
def test_colours_come_back_here_and_in_swscale(color):
    frames = np.full((4, 64, 96, 3), color, np.uint8)
    stored = encode_mp4(frames, fps=4, crf=10, preset="veryfast")
    assert np.abs(decode_mp4(stored).astype(int) - frames).max() <= 4
    with opened(stored) as container:
        for frame in container.decode(video=0):
            assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - color).max() <= 5


def test_chroma_is_the_mean_of_its_four_pixels():
    # Red and blue in turn: a decoder sees their mean, not the red of every other pixel.
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    frames[..., 0::2, 0], frames[..., 1::2, 2] = 255, 255
    mean = decode_mp4(encode_mp4(frames, fps=4, crf=1, preset="medium")).mean(axis=(0, 1, 2))
    assert abs(mean[0] - mean[2]) < 25


def test_videos_of_others_are_read_by_their_own_tags():
    buffer = io.BytesIO()
    color = (200, 120, 30)
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, 1
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), color, np.uint8), format="rgb24")
            frame = frame.reformat(format="yuv444p", dst_colorspace="ITU709")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert np.abs(decode_mp4(buffer.getvalue()).astype(int) - color).max() <= 5


@pytest.mark.parametrize("damage", ["empty", "rubbish", "cut"])
def test_a_broken_mp4_is_refused(damage):
    whole = encode_mp4(pan(12), fps=4, crf=23, preset="veryfast")
    data = {"empty": b"", "rubbish": b"rubbish" * 50, "cut": whole[: whole.index(b"mdat")]}[damage]
    with pytest.raises(ValueError, match="MP4"):
        decode_mp4(data)


ENCODE_UNDER_NOISE = """
import hashlib, numpy as np
from animate.codec import encode_mp4
rng = np.random.default_rng(0)
wide = np.cumsum(rng.integers(-9, 10, (224, 300, 3)), axis=1).astype(np.uint8)
for width, height in ((224, 224), (200, 120)):
    for preset in ("veryfast", "medium"):
        frames = np.stack([wide[:height, 3 * i : 3 * i + width] for i in range(14)])
        print(hashlib.sha256(encode_mp4(frames, fps=4, crf=23, preset=preset)).hexdigest())
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only glibc can fill fresh memory with noise"
)
def test_bytes_do_not_depend_on_what_fresh_memory_holds():
    # x264's macroblock trees did: with fresh memory full of 0xFE, their AVX-512 code gave other bytes.
    heap = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
    answers = {
        subprocess.run(
            [sys.executable, "-c", ENCODE_UNDER_NOISE],
            env={**os.environ, **heap, "MALLOC_PERTURB_": noise},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for noise in ("0", "1", "85")
    }
    assert len(answers) == 1 and len(answers.pop().split()) == 4
