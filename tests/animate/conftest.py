"""A site for all tests of downloading."""

from collections.abc import Iterator

import pytest

from animate.recipe import FetchRecipe
from animate.sources.download.process import downloader
from tests.support.hostile_site import HostileSite
from tests.support.serving import served


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with served(HostileSite) as address:
        yield address


@pytest.fixture(scope="session")
def fetch() -> Iterator[FetchRecipe]:
    recipe = FetchRecipe(allow_private=True, seconds=1.5, max_bytes=10**6, retries=0, threads=8)
    yield recipe
    downloader(recipe).stop()
