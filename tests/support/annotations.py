"""The official annotations of the benchmarks, where they are on this machine."""

from pathlib import Path

import pytest

ANNOTATIONS = Path(__file__).parents[2].parent / "shared" / "data" / "annotations"


def annotations_of(name: str) -> str:
    if not (ANNOTATIONS / name).is_dir():
        pytest.skip(f"{ANNOTATIONS / name} is not there: official annotations are needed")
    return str(ANNOTATIONS / name)
