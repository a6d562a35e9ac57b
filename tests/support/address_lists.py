"""Small lists of addresses, and what a build gets from them."""

from pathlib import Path

from animate.data import Rejected, Sample
from animate.recipe import FetchRecipe, SourceRecipe
from animate.sources.listing import Row
from tests.support.corpora import read_rows
from tests.support.named import listed_named


def read_list(tmp_path: Path, lines: list[str], fetch: FetchRecipe, **options) -> list[Sample | Rejected]:
    """Every row of a list of `caption,url,license` lines, downloaded five at a time."""
    path = tmp_path / "list.csv"
    text = "".join(f"{line}\n" for line in ["caption,url,license", *lines])
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return read_rows(SourceRecipe(name="urls", path=str(path), fetch=fetch, **options), tmp_path, 5)


def listed(tmp_path: Path, lines: list[bytes], name: str = "urls", file: str = "list.csv") -> list[Row]:
    """The rows of a list as it is listed; one called `.csv` gets the header `caption,url`."""
    path = tmp_path / file
    path.write_bytes(b"".join(line + b"\n" for line in [b"caption,url"] * file.endswith(".csv") + lines))
    return listed_named(path, name)
