"""One shard set for all exporters."""

import pytest

from tests.support.exporting import Source, hostile_set


@pytest.fixture(scope="session")
def source(tmp_path_factory) -> Source:
    """As mp4."""
    return Source.of(hostile_set(tmp_path_factory.mktemp("hostile") / "mp4", "mp4"))
