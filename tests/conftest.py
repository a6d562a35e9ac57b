"""Options of what runs on demand only: `pytest -m fuzz`, `pytest -m soak`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-rounds", type=int, default=200_000, help="images to change and open")
    parser.addoption("--fuzz-seed", type=int, default=1, help="of the changes")
    parser.addoption("--soak-seconds", type=float, default=3600, help="how long builds are killed and go on")
