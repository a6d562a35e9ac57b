"""Which samples a recipe wants: the same decision for a row of a listing and for a sample read from a tar."""

import functools
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from animate.data import Fault
from animate.recipe import FilterRecipe, SourceRecipe
from animate.sources.captions import caption_fault, clean, share_of_scripts, unique
from animate.sources.columns import columns_seen, first_named
from animate.sources.errors import SourceError
from animate.text import printable

log = logging.getLogger(__name__)

#: Columns of the similarity of image and caption, where the recipe names none: best first, in any case.
SIMILARITY_NAMES = (
    "similarity",
    "clip_similarity_vitb32",
    "clip_similarity_vitl14",
    "clip_b32_similarity_score",
    "clip_l14_similarity_score",
)
#: The same for how unsafe the image is, in numbers, …
NSFW_SCORE_NAMES = ("punsafe", "nsfw_score", "nsfw_score_opennsfw2", "nsfw_score_gantman", "p_unsafe", "nsfw")
#: … and in words.
NSFW_NAMES = ("nsfw", "over_18", *NSFW_SCORE_NAMES)
#: The same for the licence.
LICENCE_NAMES = ("license", "licence", "license_id", "license_name", "rights")

#: The share of a caption's letters that must be in the wanted scripts, so that a foreign name does no harm.
SCRIPT_SHARE = 0.8

#: The column of the first caption as it was written, in a corpus whose captions are cleaned.
CAPTION_RAW = "caption_raw"


class Verdict(NamedTuple):
    """What a recipe makes of one sample.

    `captions` are those that are left, `raw` is the first as it was written (None where captions are not
    cleaned), and `fault` says why the sample is not wanted, if it is not.
    """

    captions: tuple[str, ...]
    raw: str | None
    fault: Fault | None


class Judge:
    """What a recipe wants of samples: asked once for each."""

    def __init__(self, source: SourceRecipe):
        self.cleans = source.clean_captions
        # A long list is planned faster if nothing is looked up for filters that are not used.
        self.filters = None if source.filters == FilterRecipe() else source.filters

    def __call__(self, captions: Sequence[str], meta: Mapping[str, Any]) -> Verdict:
        """The captions, cleaned and without those that a filter refuses, and whether the sample is wanted.

        `caption_fault` has found nothing: all that can be wrong now is that cleaning left none.
        """
        raw = None
        if self.cleans and captions:
            raw = printable(captions[0])
            captions = unique(filter(None, map(clean, captions)))
        captions = tuple(captions)
        if self.filters is None:
            return Verdict(captions, raw, None if captions else caption_fault(()))
        return _filtered(captions, raw, meta, self.filters)


def _filtered(
    captions: tuple[str, ...], raw: str | None, meta: Mapping[str, Any], filters: FilterRecipe
) -> Verdict:
    fault = _meta_fault(meta, filters)
    if fault is None and captions:
        kept = tuple(text for text in captions if _long_enough(text, filters))
        if not kept:
            fault = Fault("filtered_caption_length", f"{len(captions[0])} characters")
        elif filters.scripts:
            scripts = frozenset(script.lower() for script in filters.scripts)
            captions, kept = kept, tuple(x for x in kept if share_of_scripts(x, scripts) >= SCRIPT_SHARE)
            if not kept:
                fault = Fault("filtered_script", f"not {' or '.join(filters.scripts)}")
        captions = kept or captions
    return Verdict(captions, raw, fault or (None if captions else caption_fault(())))


def raw_columns(source: SourceRecipe) -> tuple[str, ...]:
    """The columns that cleaning adds to those of the corpus."""
    return (CAPTION_RAW,) if source.clean_captions else ()


def check_columns(names: Sequence[str], filters: FilterRecipe, where: str) -> None:
    """`SourceError` if a filter asks for a column that the listing does not have."""
    for column in _columns(filters):
        if not (column.given in names if column.given else first_named(names, column.names)):
            raise SourceError(
                f"{where}: no {column.role} column to filter on (source.filters.{column.role}_column = "
                f"{column.given!r}); {columns_seen(names)}"
            )


def warn_of_unwanted(faults: Sequence[Fault | None]) -> None:
    """Says so if filters refuse all of the first samples: they seldom mean that."""
    refused = [fault for fault in faults if fault is not None and fault.status.startswith("filtered_")]
    if faults and len(refused) == len(faults):
        counts = Counter(fault.status for fault in refused)
        found = ", ".join(f"{status} {count:,}" for status, count in counts.most_common())
        log.warning(
            "source.filters refuse all of the first %s samples: %s; the first has %s",
            *(f"{len(faults):,}", found, refused[0].message),
        )


class _Column(NamedTuple):
    """A column that is filtered on: what it says, its name if `given`, and else its usual ones.

    Numbers from `low` to `high` are let through, or these `words`, in lower case.
    """

    role: str
    given: str
    names: Sequence[str]
    low: float = -math.inf
    high: float = math.inf
    words: frozenset[str] = frozenset()

    def between(self, low: float | None, high: float | None) -> Self | None:
        """The same with these bounds; None if there is none."""
        if low is None and high is None:
            return None
        return self._replace(low=-math.inf if low is None else low, high=math.inf if high is None else high)

    def among(self, words: Sequence[str]) -> Self | None:
        """The same with these words; None if there is none."""
        return self._replace(words=frozenset(word.lower() for word in words)) if words else None

    def lets_through(self, value: Any) -> bool:
        if self.words:
            return str(value).lower() in self.words
        return self.low <= _number(value) <= self.high


@functools.lru_cache(maxsize=16)
def _columns(filters: FilterRecipe) -> tuple[_Column, ...]:
    """The columns that are filtered on."""
    f = filters
    similarity = _Column("similarity", f.similarity_column, SIMILARITY_NAMES)
    score = _Column("nsfw", f.nsfw_column, NSFW_SCORE_NAMES)
    word = _Column("nsfw", f.nsfw_column, NSFW_NAMES)
    licence = _Column("licence", f.licence_column, LICENCE_NAMES)
    found = (
        similarity.between(f.min_similarity, f.max_similarity),
        score.between(f.min_nsfw, f.max_nsfw),
        word.among(f.nsfw),
        licence.among(f.licences),
    )
    return tuple(column for column in found if column is not None)


def _meta_fault(meta: Mapping[str, Any], filters: FilterRecipe) -> Fault | None:
    for column in _columns(filters):
        value = meta.get(column.given or first_named(list(meta), column.names))
        if not column.lets_through(value):
            return Fault(f"filtered_{column.role}", f"{column.role} {value!r}")
    return None


def _number(value: Any) -> float:
    """The number that a cell holds, also as text; NaN, which is in no bounds, if it holds none."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _long_enough(caption: str, filters: FilterRecipe) -> bool:
    return filters.min_caption_length <= len(caption) <= (filters.max_caption_length or len(caption))
