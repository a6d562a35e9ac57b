"""Weights that a name stands for: from a cache, else from the network, else a plain answer at once."""

import os
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError

from animate.strict_toml import RecipeError

#: Where open_clip, and OpenAI's own package, keep the files of plain addresses.
CLIP_CACHE = Path("~/.cache/clip")
#: In a repository of open_clip's, best first; a tag may name another file.
_HUB_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
#: Long enough for any network that is there; without one the answer comes much sooner.
_SECONDS = 5.0


def fetch_tag(name: str, tag: str, known: Mapping[str, Any]) -> Path:
    """The weights file of an open_clip name and tag; `known` is what open_clip registers for them.

    `RecipeError` at once where it is in no cache and the network is not there.
    """
    kept = _kept(known)
    if kept is not None:
        return kept
    address = known.get("url") or ""
    repo, _, file = str(known.get("hf_hub", "")).rpartition("/")
    page = f"{constants.ENDPOINT}/{repo}" if repo else address
    stored = address.rpartition("/")[2] or file or _HUB_WEIGHTS[0]
    _need_network(
        page,
        f"weights = {tag!r}: the weights of {name} are not on this machine",
        where=address or page,
        place=f'any folder; then write weights = "FOLDER/{stored}"'
        + (f", or put it where open_clip looks: {CLIP_CACHE / stored}" if address else ""),
    )
    try:
        return Path(open_clip.download_pretrained(dict(known)))
    except (OSError, RuntimeError) as error:
        raise RecipeError(f"weights = {tag!r}: could not be fetched from {page}: {error}") from error


def fetch_repository(repo: str, configs: Sequence[str], weights: Sequence[str]) -> Path:
    """The folder with the first of `configs` and the first of `weights` that a repository of the hub has."""
    config = _first_of(repo, configs)
    if config is None:
        raise RecipeError(
            f"name = 'hf-hub:{repo}': has none of {', '.join(configs)}, so it is no CLIP that is known"
        )
    if _first_of(repo, weights) is None:
        raise RecipeError(f"name = 'hf-hub:{repo}': has none of {', '.join(weights)}")
    _first_of(repo, ["preprocessor_config.json"])
    return config.parent


def _first_of(repo: str, names: Sequence[str]) -> Path | None:
    for name in names:
        kept = try_to_load_from_cache(repo, name)
        if isinstance(kept, str):
            return Path(kept)
    page = f"{constants.ENDPOINT}/{repo}"
    _need_network(
        page,
        f"name = 'hf-hub:{repo}': is not in the cache of this machine",
        where=page,
        place='any folder, with its config; then name = "local-dir:FOLDER"',
    )
    for name in names:
        try:
            return Path(hf_hub_download(repo, name))
        except EntryNotFoundError:
            continue
        except RepositoryNotFoundError:
            raise RecipeError(
                f"name = 'hf-hub:{repo}': there is no such repository, or it is not public"
            ) from None
        except (HfHubHTTPError, OSError) as error:
            raise RecipeError(f"name = 'hf-hub:{repo}': {name} could not be fetched: {error}") from error
    return None


def _kept(known: Mapping[str, Any]) -> Path | None:
    """The file in one of the two caches."""
    if known.get("url"):
        path = CLIP_CACHE.expanduser() / known["url"].rpartition("/")[2]
        if path.is_file():
            return path
    repo, _, file = str(known.get("hf_hub", "")).rpartition("/")
    for name in (file,) if file else _HUB_WEIGHTS:
        kept = try_to_load_from_cache(repo, name) if repo else None
        if isinstance(kept, str):
            return Path(kept)
    return None


def _need_network(address: str, what: str, *, where: str, place: str) -> None:
    """Asks once, for the library behind this would ask again and again for minutes."""
    reason = _why_not(address)
    if reason:
        raise RecipeError(f"{what}, and {reason}\n  where to get it: {where}\n  where to put it: {place}")


def _why_not(address: str) -> str:
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return "HF_HUB_OFFLINE says not to ask for them"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_SECONDS):
            return ""
    except urllib.error.HTTPError:
        return ""  # somebody answered
    except OSError as error:
        return f"the network is not there ({getattr(error, 'reason', error)})"
