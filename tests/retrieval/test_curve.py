"""Values of K as they are asked for."""

import pytest

from retrieval.curve import parse_curve
from retrieval.errors import DataError


def test_values_of_k():
    assert parse_curve("50, 5,all,10,5") == [5, 10, 50, None]
    for text in ("5,x", "0", "", "-1"):
        with pytest.raises(DataError, match="is neither a number above 0 nor all"):
            parse_curve(text)
