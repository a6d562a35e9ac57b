"""Small retrieval problems, drawn by hypothesis."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@st.composite
def problems(draw):
    """Scores full of ties, with captions assigned to videos so that every video has one or more."""
    videos = draw(st.integers(1, 6))
    captions = [*range(videos), *draw(st.lists(st.integers(0, videos - 1), max_size=6))]
    scores = draw(
        hnp.arrays(np.float64, (len(captions), videos), elements=st.sampled_from([-1.0, 0.0, 0.5, 2.0]))
    )
    return scores, np.array(captions)
