"""Sources: what is read is what was written, and whatever is wrong is a counted row."""

import csv
import gzip
import io
import json
import os
import string
import tarfile
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from animate.data import Rejected, Sample
from animate.recipe import SourceRecipe
from animate.seen import SeenKeys
from animate.sources import SOURCES, SourceError, open_source, read_part, resolve_src, safe_key
from animate.sources.paths import expand_braces

JPEG = b"\xff\xd8\xff\xe0 pretend"
SHARED = Path(__file__).parents[3].parent / "shared" / "data"

fast = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(src: Path | str, tmp_path: Path, rows_per_shard: int = 3, **options) -> list[Sample | Rejected]:
    """Every row of a corpus, read shard by shard as a build does."""
    recipe = SourceRecipe(**resolve_src(str(src)), **options)
    folder = tmp_path / "_animate"
    folder.mkdir(exist_ok=True)
    rows = []
    frozen = open_source(recipe).freeze(folder, rows_per_shard)
    for part in frozen.parts:
        if part.rows is None:
            rows += read_part(part, 0, None, recipe, folder, frozen.columns)
            continue
        for start in range(0, part.rows, rows_per_shard):
            stop = min(start + rows_per_shard, part.rows)
            piece = list(read_part(part, start, stop, recipe, folder, frozen.columns))
            assert len(piece) == stop - start
            rows += piece
    return rows


def carried(row: Sample | Rejected) -> dict:
    """What the source said of a sample besides its captions."""
    return {name: value for name, value in row.meta.items() if name != "caption_raw"}


def statuses(rows: list[Sample | Rejected]) -> list[str]:
    return [row.fault.status if isinstance(row, Rejected) else "ok" for row in rows]


def write_images(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(JPEG + name.encode())


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


# Keys


@given(st.text(max_size=30))
def test_a_safe_key_names_a_tar_member_and_gives_the_text_back(text):
    key = safe_key(text.encode("utf-8", "replace").decode())
    assert set(key) <= set(string.ascii_letters + string.digits + "_-~%")
    assert unquote_to_bytes(key) == text.encode("utf-8", "replace")


@given(st.lists(st.lists(st.sampled_from([str(i) for i in range(40)]), max_size=30), max_size=8))
def test_seen_keys_agree_with_a_set(batches):
    index, known = SeenKeys(), set()
    for batch in batches:
        expected = []
        for key in batch:
            expected.append(key in known)
            known.add(key)
        assert index.add(batch).tolist() == expected


@given(first=st.integers(0, 30), count=st.integers(1, 20), width=st.integers(2, 5))
def test_brace_ranges_count_with_leading_zeros(first, count, width):
    pattern = f"x-{{{first:0{width}d}..{first + count - 1:0{width}d}}}.tar"
    assert expand_braces(pattern) == [f"x-{i:0{width}d}.tar" for i in range(first, first + count)]


def test_braces_nest_and_list():
    assert expand_braces("{a,b}/{1..2}") == ["a/1", "a/2", "b/1", "b/2"]
    assert expand_braces("plain") == ["plain"]


# Demo


def test_the_demo_corpus_has_captions_and_a_licence_for_every_photograph(tmp_path):
    rows = read("demo", tmp_path)
    assert len(rows) >= 12
    assert statuses(rows) == ["ok"] * len(rows)
    licences = Path("animate/demo/LICENSES.md").read_text()
    for row in rows:
        assert isinstance(row, Sample)
        assert row.image.startswith(b"\xff\xd8\xff")
        assert len(row.captions) >= 2
        assert f"`{row.key}.jpg`" in licences


# Folder


def test_a_folder_takes_each_line_of_the_text_beside_an_image(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg", "deep/er/b c.PNG", "no.jpg", "bad.webp", "notes.md")
    (corpus / "a.txt").write_text("one\n\n  two \none\n")
    (corpus / "deep/er/b c.txt").write_bytes("\ufeffé".encode())
    (corpus / "bad.txt").write_bytes(b"caf\xe9")
    rows = {row.key: row for row in read(corpus, tmp_path)}
    assert list(rows) == ["a", "bad", "no", "deep%2Fer%2Fb%20c"]
    assert rows["a"].captions == ("one", "two")
    assert rows["a"].image == JPEG + b"a.jpg"
    assert rows["deep%2Fer%2Fb%20c"].captions == ("é",)
    assert rows["bad"].fault.status == "caption_not_utf8"
    assert rows["no"].fault.status == "missing_caption"


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet"])
def test_a_folder_follows_its_captions_table(tmp_path, suffix):
    corpus = tmp_path / "corpus"
    write_images(corpus, "images/a.jpg", "images/b.jpg", "images/extra.jpg")
    records = [
        {"file": "images/b.jpg", "caption": "bee", "licence": "CC0"},
        {"file": "a.jpg", "caption": "ay", "licence": "BY"},
        {"file": "gone.jpg", "caption": "nothing", "licence": "BY"},
    ]
    write_table(corpus / f"captions.{suffix}", records)
    rows = read(corpus, tmp_path)
    assert [row.key for row in rows] == ["images%2Fb", "images%2Fa", "gone", "images%2Fextra"]
    assert statuses(rows) == ["ok", "ok", "missing_file", "missing_caption"]
    assert carried(rows[0]) == {"licence": "CC0"}


def test_the_same_key_twice_is_refused_the_second_time(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "a.jpg", "a.png", "b.jpg")
    (corpus / "a.txt").write_text("ay")
    (corpus / "b.txt").write_text("bee")
    assert statuses(read(corpus, tmp_path)) == ["ok", "duplicate_key", "ok"]


def test_a_key_too_long_for_a_tar_is_refused(tmp_path):
    corpus = tmp_path / "corpus"
    write_images(corpus, "x" * 87 + ".jpg", "x" * 88 + ".jpg")
    for name in ("x" * 87, "x" * 88):
        (corpus / f"{name}.txt").write_text("ex")
    assert statuses(read(corpus, tmp_path)) == ["ok", "bad_key"]


def test_names_that_are_not_text_are_found_again(tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    Path(os.fsdecode(bytes(corpus) + b"/\xff.jpg")).write_bytes(JPEG)
    Path(os.fsdecode(bytes(corpus) + b"/\xff.txt")).write_text("ok")
    (row,) = read(corpus, tmp_path)
    assert (row.key, row.image) == ("%FF", JPEG)


def test_limit_takes_the_first_rows(tmp_path):
    assert [row.key for row in read("demo", tmp_path, limit=5)] == [
        row.key for row in read("demo", tmp_path)
    ][:5]


# Tables

line = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=20).map(str.strip)
caption = line.filter(lambda text: text and not text.startswith("["))


def write_table(path: Path, records: list[dict]) -> Path:
    name = path.name.removesuffix(".gz")
    names = list(records[0])
    if name.endswith(".parquet"):
        content = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(records), content)
        data = content.getvalue()
    elif name.endswith(".jsonl"):
        data = "".join(json.dumps(record) + "\n" for record in records).encode()
    elif name.endswith(".json"):
        data = json.dumps(records).encode()
    elif name.endswith(".tsv"):
        data = "".join(
            "\t".join(map(str, row)) + "\n" for row in [names, *(r.values() for r in records)]
        ).encode()
    else:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(records)
        data = text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.name.endswith(".gz") else data)
    return path


@fast
@given(
    captions=st.lists(caption, min_size=1, max_size=7),
    suffix=st.sampled_from(["csv", "tsv", "json", "jsonl", "parquet"]),
    packed=st.booleans(),
)
def test_tables_give_back_what_was_written(tmp_path, captions, suffix, packed):
    records = [{"image": f"{i}.jpg", "caption": text, "n": str(i)} for i, text in enumerate(captions)]
    write_images(tmp_path, *(record["image"] for record in records))
    path = write_table(tmp_path / f"t.{suffix}{'.gz' if packed else ''}", records)
    rows = read(path, tmp_path, clean_captions=False)
    assert [(row.key, row.captions, carried(row)) for row in rows] == [
        (str(i), (text,), {"n": str(i)}) for i, text in enumerate(captions)
    ]


@fast
@given(st.lists(st.lists(caption, min_size=1, max_size=4, unique=True), min_size=1, max_size=5))
def test_several_captions_come_as_lists_or_as_neighbouring_rows(tmp_path, groups):
    write_images(tmp_path, *(f"{i}.jpg" for i in range(len(groups))))
    lists = [{"image": f"{i}.jpg", "captions": texts} for i, texts in enumerate(groups)]
    long = [{"image": f"{i}.jpg", "caption": text} for i, texts in enumerate(groups) for text in texts]
    expected = [tuple(texts) for texts in groups]
    for name, records in (("l.jsonl", lists), ("l.parquet", lists), ("n.csv", long), ("n.tsv", long)):
        path = write_table(tmp_path / name, records)
        assert [row.captions for row in read(path, tmp_path, clean_captions=False)] == expected


@pytest.mark.parametrize("nested", [True, False])
def test_images_may_stand_in_parquet_cells(tmp_path, nested):
    images = [JPEG + bytes([i]) for i in range(5)]
    cells = [{"bytes": image, "path": None} if nested else image for image in images]
    table = pa.table({"image": cells, "text": [f"c{i}" for i in range(5)], "licence": ["CC0"] * 5})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    rows = read(tmp_path / "t.parquet", tmp_path)
    assert [row.image for row in rows] == images
    assert [row.key for row in rows] == [f"t-{i:06d}" for i in range(5)]
    assert carried(rows[4]) == {"licence": "CC0"}


def test_images_may_stand_in_text_as_base64(tmp_path):
    import base64

    image = JPEG + bytes(300)
    path = write_table(tmp_path / "t.jsonl", [{"image": base64.b64encode(image).decode(), "text": "x"}])
    (row,) = read(path, tmp_path)
    assert row.image == image


def test_lines_that_cannot_be_read_are_rows(tmp_path):
    write_images(tmp_path, "a.jpg")
    path = tmp_path / "t.jsonl"
    path.write_bytes(
        b'{"image": "a.jpg", "caption": "ok"}\n{broken\n[1]\n{"caption": "x"}\n{"image": "a.jpg"}\n'
    )
    rows = read(path, tmp_path)
    assert statuses(rows) == ["ok", "bad_row", "bad_row", "bad_row", "duplicate_key"]
    (tmp_path / "t.csv").write_bytes(b"image,caption\na.jpg,caf\xe9\nx,y,z\n")
    assert statuses(read(tmp_path / "t.csv", tmp_path)) == ["caption_not_utf8", "bad_row"]
    packed = gzip.compress(b"image,caption\n" + b"".join(b"a.jpg,%d\n" % i**3 for i in range(50_000)))
    (tmp_path / "t.csv.gz").write_bytes(packed[: len(packed) // 2])
    assert statuses(read(tmp_path / "t.csv.gz", tmp_path)) == ["ok", "bad_row"]
    (tmp_path / "t.csv.gz").write_bytes(packed[:30])
    with pytest.raises(SourceError, match="breaks off"):
        read(tmp_path / "t.csv.gz", tmp_path)


def test_parquet_text_that_is_not_utf8_rejects_its_own_row_only(tmp_path):
    write_images(tmp_path, "a.jpg", "b.jpg")
    raw = pa.array([b"fine", b"caf\xe9"], pa.binary())
    broken = pa.StringArray.from_buffers(2, raw.buffers()[1], raw.buffers()[2])
    pq.write_table(pa.table({"image": ["a.jpg", "b.jpg"], "caption": broken}), tmp_path / "t.parquet")
    assert statuses(read(tmp_path / "t.parquet", tmp_path)) == ["ok", "caption_not_utf8"]


def test_wrong_columns_name_those_seen(tmp_path):
    path = write_table(tmp_path / "t.csv", [{"photo": "a.jpg", "words": "x"}])
    with pytest.raises(SourceError, match=r"looks like the image.*'photo', 'words'"):
        read(path, tmp_path)
    with pytest.raises(SourceError, match=r"no column 'pic' \(source.image_column\).*'photo', 'words'"):
        read(path, tmp_path, image_column="pic", caption_column="words")
    write_images(tmp_path, "a.jpg")
    assert statuses(read(path, tmp_path, image_column="photo", caption_column="words")) == ["ok"]


def test_several_tables_are_one_corpus_in_sorted_order(tmp_path):
    folder = tmp_path / "tables"
    for i in (2, 0, 1):
        write_table(folder / f"{i}.csv", [{"image": f"{i}.jpg", "caption": f"c{i}"}])
    for src in (folder, folder / "*.csv", folder / "{0..2}.csv"):
        assert [row.key for row in read(src, tmp_path)] == ["0", "1", "2"]


@pytest.mark.parametrize("table", ["urls.csv", "folder/urls.parquet"])
def test_a_table_of_addresses_alone_is_recognised(tmp_path, table):
    path = tmp_path / table
    path.parent.mkdir(exist_ok=True)
    write_table(path, [{"url": "http://example.com/1.jpg", "caption": "c"}])
    src = str(path.parent if "/" in table else path)
    assert resolve_src(src) == {"name": "urls", "path": src}
    write_table(path, [{"url": "http://example.com/1.jpg", "image": "1.jpg", "caption": "c"}])
    assert resolve_src(src)["name"] == "table"


# What is not there


@pytest.mark.parametrize("src", ["/no/such/thing", "nosuchname", "s3://bucket/thing"])
def test_a_missing_corpus_is_an_error_for_the_user(src):
    with pytest.raises(SourceError):
        resolve_src(src)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(SourceError, match=", ".join(SOURCES)):
        open_source(SourceRecipe(name="imagenet"))


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="holds no tars, images or tables"):
        resolve_src(str(tmp_path))


def test_the_fingerprint_follows_the_corpus_not_its_place(tmp_path):
    for name in ("here", "there"):
        write_images(tmp_path / name, "a.jpg", "b.jpg")
    prints = [
        open_source(SourceRecipe(name="folder", path=str(tmp_path / n))).fingerprint()
        for n in ("here", "there")
    ]
    assert prints[0] == prints[1]
    write_images(tmp_path / "there", "c.jpg")
    assert open_source(SourceRecipe(name="folder", path=str(tmp_path / "there"))).fingerprint() != prints[0]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared photographs are not here")
def test_real_photographs_with_five_captions_each(tmp_path):
    rows = read(SHARED / "flickr8k-native", tmp_path, rows_per_shard=64)
    assert statuses(rows) == ["ok"] * 200
    assert {len(row.captions) for row in rows} <= {3, 4, 5}
