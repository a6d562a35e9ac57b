"""A small model for the tests of its parts."""

import pytest

from retrieval.model import Retriever
from tests.support.encoders import build


@pytest.fixture(scope="module")
def model() -> Retriever:
    return build()
