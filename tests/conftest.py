"""Options of what runs on demand only: `pytest -m fuzz`, `pytest -m soak`; signals are as they were."""

import signal
from collections.abc import Iterator

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-rounds", type=int, default=200_000, help="images to change and open")
    parser.addoption("--fuzz-seed", type=int, default=1, help="of the changes")
    parser.addoption("--soak-seconds", type=float, default=3600, help="how long builds are killed and go on")


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """What a program that ends does with signals is for itself, not for the tests that called it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
