"""Keys that came before."""

from hypothesis import given
from hypothesis import strategies as st

from animate.seen import SeenKeys


@given(st.lists(st.lists(st.sampled_from([str(i) for i in range(40)]), max_size=30), max_size=8))
def test_seen_keys_agree_with_a_set(batches):
    index, known = SeenKeys(), set()
    for batch in batches:
        expected = []
        for key in batch:
            expected.append(key in known)
            known.add(key)
        assert index.add(batch).tolist() == expected
