"""Whatever comes in, a row or a refusal goes out: inputs that were changed at random, and those once found.

On demand, because it takes long (200,000 images, and a tenth as many of each other kind):

    pytest -m fuzz [--fuzz-rounds 200000] [--fuzz-seed 1]

An input that breaks is kept in `found/`, where every ordinary run of the tests tries it again.
"""

import hashlib
import io
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from animate.codec import UndecodableImage
from animate.errors import UserError
from animate.film import Still
from animate.recipe import SourceRecipe, read_recipe
from animate.sources import open_source, read_part
from tests.support.fuzzing import first_that_breaks, mutated
from tests.support.pictures import picture, saved

FOUND = Path(__file__).with_name("found")
#: Inputs a process.
TOGETHER = 200
#: Small enough that none of them takes long to be filled with what a header promises.
SOURCE = SourceRecipe(max_pixels=2_000_000)


def check_image(data: bytes) -> None:
    try:
        still = Still(data, SOURCE)
        width, height = still.size
        pixels = still.pixels(0)
        assert pixels.dtype == np.uint8 and pixels.shape == (height, width, 3)
    except UndecodableImage:
        pass


def check_corpus(data: bytes, suffix: str, name: str) -> None:
    """Every row of a corpus that opens is a sample or a rejection, and as many are read as were listed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"corpus{suffix}"
        path.write_bytes(data)
        source = SourceRecipe(name=name, path=str(path))
        try:
            corpus = open_source(source)
            (Path(folder) / "frozen").mkdir()
            frozen = corpus.freeze(Path(folder) / "frozen", 3)
        except UserError as error:
            _said(error)
            return
        for part in frozen.parts:
            rows = list(read_part(part, 0, part.rows, source, Path(folder) / "frozen", frozen.columns))
            assert part.rows is None or len(rows) == part.rows
            assert all(row.meta.keys() == frozen.columns.keys() for row in rows)


def _said(error: UserError) -> None:
    assert 0 < len(str(error)) < 2000


def check_tar(data: bytes) -> None:
    check_corpus(data, ".tar", "webdataset")


def check_tar_gz(data: bytes) -> None:
    check_corpus(data, ".tar.gz", "webdataset")


def check_csv(data: bytes) -> None:
    check_corpus(data, ".csv", "table")


def check_jsonl(data: bytes) -> None:
    check_corpus(data, ".jsonl", "table")


def check_parquet(data: bytes) -> None:
    check_corpus(data, ".parquet", "table")


def check_recipe(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.toml"
        path.write_bytes(data)
        try:
            read_recipe(path)
        except UserError as error:
            _said(error)


def images() -> list[bytes]:
    """One or more of every format that Pillow writes and we read."""
    colours = Image.fromarray(picture())
    turned = Image.Exif()
    turned[0x0112] = 6
    return [
        saved(colours, "JPEG"),
        saved(colours, "JPEG", progressive=True),
        saved(colours, "JPEG", subsampling=0, quality=95),
        saved(colours, "JPEG", exif=turned),
        saved(colours.convert("CMYK"), "JPEG"),
        *(saved(colours.convert(mode), "PNG") for mode in ("RGB", "L", "LA", "RGBA", "P", "1", "I;16")),
        saved(colours, "WEBP"),
        saved(colours, "WEBP", lossless=True),
        saved(colours, "TIFF"),
        saved(colours, "TIFF", compression="tiff_lzw"),
        saved(colours, "TIFF", compression="jpeg"),
        *(saved(colours, kind) for kind in ("GIF", "BMP", "PPM", "JPEG2000", "AVIF")),
    ]


def tars(mode: str) -> list[bytes]:
    made = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode, format=form) as tar:
            for number in range(3):
                name = f"{number}" + "-long" * (15 if form == tarfile.USTAR_FORMAT else 25) * (number == 1)
                for suffix, content in (
                    ("jpg", images()[0]), ("txt", b"words"), ("json", b'{"caption": "words", "n": 1}'),
                ):  # fmt: skip
                    info = tarfile.TarInfo(f"{name}.{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        made.append(buffer.getvalue())
    return made


def parquets() -> list[bytes]:
    table = pa.table({"image": [images()[0]] * 3, "caption": ["a", "b", None], "n": [1, 2, 3]})
    made = []
    for compression in ("snappy", "zstd", "none"):
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression=compression)
        made.append(buffer.getvalue())
    return made


RECIPES = Path(__file__).parents[3] / "recipes" / "shots"

#: By kind: what must not break, what is changed, and a part of the rounds.
KINDS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]], float]] = {
    "image": (check_image, images, 1),
    "tar": (check_tar, lambda: tars("w"), 0.1),
    "tar.gz": (check_tar_gz, lambda: tars("w:gz"), 0.1),
    "csv": (check_csv, lambda: [b"image,caption,n\na.jpg,words,1\nb.jpg,\"more, words\",2\n"], 0.1),
    "jsonl": (check_jsonl, lambda: [b'{"image": "a.jpg", "caption": ["x"], "n": {"m": [1.5]}}\n' * 3], 0.1),
    "parquet": (check_parquet, parquets, 0.1),
    "recipe": (check_recipe, lambda: [path.read_bytes() for path in sorted(RECIPES.glob("*.toml"))], 0.1),
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(FOUND.glob("*")), ids=lambda path: path.name)
def test_what_was_found_breaks_nothing_any_more(path):
    kind = path.name.partition("-")[0]
    assert first_that_breaks(KINDS[kind][0], [path.read_bytes()]) is None


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_changed_is_sound_before(kind):
    check, seeds, _ = KINDS[kind]
    assert first_that_breaks(check, seeds()) is None


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", KINDS)
def test_changed_inputs_break_nothing(kind, request):
    check, seeds, share = KINDS[kind]
    rounds = int(request.config.getoption("--fuzz-rounds") * share)
    rng, sound = np.random.default_rng(request.config.getoption("--fuzz-seed")), seeds()
    broken = []
    for _ in range(0, rounds, TOGETHER):
        inputs = [mutated(sound[int(rng.integers(len(sound)))], rng) for _ in range(TOGETHER)]
        found = first_that_breaks(check, inputs)
        if found is not None:
            data, said = found
            FOUND.mkdir(exist_ok=True)
            path = FOUND / f"{kind}-{hashlib.sha256(data).hexdigest()[:12]}"
            path.write_bytes(data)
            broken.append(f"{path.name}: {said}")
    assert not broken, f"{len(broken)} of {rounds} inputs break:\n" + "\n".join(broken)


def test_the_fuzzer_finds_what_breaks():
    """An exception, an end without one, and what never ends are told apart from what is sound."""

    def check(data: bytes) -> None:
        if data == b"raise":
            raise ValueError("of this input")
        if data == b"crash":
            import ctypes

            ctypes.string_at(0)

    found = first_that_breaks(check, [b"sound", b"raise", b"sound"])
    assert found is not None and found[0] == b"raise" and "ValueError: of this input" in found[1]
    found = first_that_breaks(check, [b"sound", b"crash"])
    assert found is not None and found[0] == b"crash" and "Segmentation fault" in found[1]
    assert first_that_breaks(check, [b"sound"]) is None
