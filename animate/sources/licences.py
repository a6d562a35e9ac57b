"""Licences as corpora write them: which column has them, and which of their spellings are one licence."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from animate.recipe import FilterRecipe
from animate.sources.columns import first_named
from animate.sources.filters import LICENCE_NAMES

#: An address of Creative Commons, whole: `…/licenses/by-nc/2.0/uk/`, `…/publicdomain/zero/1.0/deed.en`.
_ADDRESS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/"
    r"([a-z-]+)(?:/([0-9.]+)(?:/[a-z]{2,3})?(?:/(?:deed|legalcode)[a-z._-]*)?)?/?",
    re.IGNORECASE,
)
#: The releases of a licence, and the country of an old one of Creative Commons: `-4-0`, `-2-0-uk`. `nc`, `nd`
#: and `sa` are no countries.
_RELEASE = re.compile(r"(?:-v?[0-9]+)+(?:-(?!nc|nd|sa)[a-z]{2})?")


def licence_column(columns: Iterable[str], filters: FilterRecipe) -> str:
    """The column of a shard set that holds licences, or ""; `filters` may name it."""
    names = list(columns)
    if filters.licence_column in names:
        return filters.licence_column
    return first_named(names, LICENCE_NAMES)


def stated_licence(carried: Mapping[str, Any], column: str) -> str:
    """The licence that a row states in `column`, as it is written; "" for none, or without a column."""
    value = carried.get(column) if column else None
    return "" if value is None else str(value).strip()


def is_one_of(licence: str, wanted: Collection[str]) -> bool:
    """Whether `licence` is one of `wanted`, in any spelling; what is wanted may leave its release out.

    So `cc-by` stands for `CC BY 4.0` and `https://creativecommons.org/licenses/by/2.0/`, and neither for
    `CC BY-NC 4.0` nor for `CC BY-SA`.
    """
    known = _plain(licence)
    return any(
        known == name or (known.startswith(name) and _RELEASE.fullmatch(known.removeprefix(name)))
        for name in map(_plain, wanted)
        if name
    )


def _plain(licence: str) -> str:
    """`CC BY-SA 4.0` as `cc-by-sa-4-0`; as it is where it has what may mean anything (`%`, other letters)."""
    address = _ADDRESS.fullmatch(licence.strip())
    if address:
        kind = {"zero": "cc0", "mark": "pdm"}.get(address[1].lower(), f"cc-{address[1]}")
        licence = f"{kind} {address[2] or ''}"
    if not licence.isascii() or "%" in licence:
        return licence
    return re.sub(r"[^a-z0-9]+", "-", licence.lower()).strip("-")
