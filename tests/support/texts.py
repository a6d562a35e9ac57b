"""Captions that hypothesis makes up, for tests of what reads them back."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: For properties that write files: few examples, and one temporary folder for all of them.
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

_lines = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=20).map(str.strip)
#: One line of text that no reader takes for anything else.
captions = _lines.filter(lambda text: text and not text.startswith("["))
