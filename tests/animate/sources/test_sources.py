"""The registry of sources."""

import pytest

from animate.recipe import SourceRecipe
from animate.sources import SOURCES, SourceError, open_source


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(SourceError, match=", ".join(SOURCES)):
        open_source(SourceRecipe(name="imagenet"))
