"""What a test asks of a video that was read."""

from collections.abc import Sequence
from fractions import Fraction

import pytest

from retrieval.video import (
    Unreadable,
    VideoFrames,
    find_decoder,
)


def torchcodec_or_skip() -> None:
    try:
        find_decoder("torchcodec")
    except ValueError as error:
        pytest.skip(str(error))


def clip_of(result: VideoFrames | Unreadable) -> VideoFrames:
    assert isinstance(result, VideoFrames), result
    return result


def shown_at(seconds: Sequence[float | Fraction], starts: Sequence[float | Fraction]) -> list[int]:
    """The rule in its plainest form: the last frame that started at or before the moment."""
    return sorted({max(i for i, start in enumerate(starts) if start <= moment) for moment in seconds})
