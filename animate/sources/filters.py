"""Which samples a recipe wants: the same decision for a row of a listing and for a sample read from a tar."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from animate.data import Fault
from animate.recipe import FilterRecipe, SourceRecipe
from animate.sources.captions import caption_fault, clean, share_of_scripts, unique
from animate.sources.columns import columns_seen, first_named
from animate.sources.errors import SourceError
from animate.text import printable

#: Columns of the similarity of image and caption, where the recipe names none: best first, in any case.
SIMILARITY_NAMES = (
    "similarity",
    "clip_similarity_vitb32",
    "clip_similarity_vitl14",
    "clip_b32_similarity_score",
)
#: The same for how unsafe the image is.
NSFW_NAMES = ("nsfw", "punsafe", "nsfw_score", "nsfw_score_opennsfw2", "over_18")
#: The same for the licence.
LICENCE_NAMES = ("license", "licence", "license_id", "license_name", "rights")

#: The share of a caption's letters that must be in the wanted scripts, so that a foreign name does no harm.
SCRIPT_SHARE = 0.8

#: The column of the first caption as it was written, in a corpus whose captions are cleaned.
CAPTION_RAW = "caption_raw"

#: A long list is planned faster if nothing is looked up for filters that are not used.
_NO_FILTERS = FilterRecipe()


class Verdict(NamedTuple):
    """What a recipe makes of one sample.

    `captions` are those that are left, `raw` is the first as it was written (None where captions are not
    cleaned), and `fault` says why the sample is not wanted, if it is not.
    """

    captions: tuple[str, ...]
    raw: str | None
    fault: Fault | None


def judge(captions: Sequence[str], meta: Mapping[str, Any], source: SourceRecipe) -> Verdict:
    """The captions, cleaned and without those that a filter refuses, and whether the sample is wanted."""
    raw = printable(captions[0]) if captions and source.clean_captions else None
    if source.clean_captions:
        captions = unique(text for text in map(clean, captions) if text)
    else:
        captions = tuple(captions)
    filters = source.filters
    if filters == _NO_FILTERS:
        return Verdict(captions, raw, caption_fault(captions))
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
    return Verdict(captions, raw, fault or caption_fault(captions))


def raw_columns(source: SourceRecipe) -> tuple[str, ...]:
    """The columns that cleaning adds to those of the corpus."""
    return (CAPTION_RAW,) if source.clean_captions else ()


def check_columns(names: Sequence[str], filters: FilterRecipe, where: str) -> None:
    """`SourceError` if a filter asks for a column that the listing does not have."""
    for wanted, given, known, role in (
        (filters.min_similarity, filters.similarity_column, SIMILARITY_NAMES, "similarity"),
        (filters.nsfw, filters.nsfw_column, NSFW_NAMES, "nsfw"),
        (filters.licences, filters.licence_column, LICENCE_NAMES, "licence"),
    ):
        if wanted and not (given in names if given else first_named(names, known)):
            raise SourceError(
                f"{where}: no {role} column to filter on (source.filters.{role}_column = {given!r}); "
                f"{columns_seen(names)}"
            )


def _meta_fault(meta: Mapping[str, Any], filters: FilterRecipe) -> Fault | None:
    if filters.min_similarity:
        value = _value(meta, filters.similarity_column, SIMILARITY_NAMES)
        if not isinstance(value, int | float | str) or not _reaches(value, filters.min_similarity):
            return Fault("filtered_similarity", f"similarity {value!r}")
    if filters.nsfw:
        value = _value(meta, filters.nsfw_column, NSFW_NAMES)
        if str(value).lower() not in {name.lower() for name in filters.nsfw}:
            return Fault("filtered_nsfw", f"nsfw {value!r}")
    if filters.licences:
        value = _value(meta, filters.licence_column, LICENCE_NAMES)
        if str(value).lower() not in {name.lower() for name in filters.licences}:
            return Fault("filtered_licence", f"licence {value!r}")
    return None


def _value(meta: Mapping[str, Any], column: str, names: Sequence[str]) -> Any:
    return meta.get(column or first_named(list(meta), names))


def _reaches(value: int | float | str, least: float) -> bool:
    try:
        return float(value) >= least
    except ValueError:
        return False


def _long_enough(caption: str, filters: FilterRecipe) -> bool:
    return filters.min_caption_length <= len(caption) <= (filters.max_caption_length or len(caption))
