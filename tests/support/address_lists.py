"""Small lists of addresses, and what a build gets from them."""

from pathlib import Path

from animate.data import Rejected, Sample
from animate.recipe import FetchRecipe, SourceRecipe
from tests.support.corpora import read_rows


def read_list(tmp_path: Path, lines: list[str], fetch: FetchRecipe, **options) -> list[Sample | Rejected]:
    """Every row of a list of `caption,url,license` lines, downloaded five at a time."""
    path = tmp_path / "list.csv"
    path.write_text("".join(f"{line}\n" for line in ["caption,url,license", *lines]))
    return read_rows(SourceRecipe(name="urls", path=str(path), fetch=fetch, **options), tmp_path, 5)
