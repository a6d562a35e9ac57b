"""The protocol that stands beside every number, and refusals of numbers that would be worthless."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from retrieval.ahead import lineage
from retrieval.compute import Compute
from retrieval.datasets import FrameReader, Split, overlaps
from retrieval.datasets.official import QUERIES
from retrieval.recipe import TrainRecipe

MEASURED_WITH = ("animate", "torch", "open_clip_torch", "numpy", "av")


def protocol(
    split: Split,
    recipe: TrainRecipe,
    reader: FrameReader,
    info: Mapping[str, Any],
    *,
    top_k: int | None,
    post_processing: Sequence[str],
    compute: Compute,
) -> dict[str, Any]:
    """What a number means: two results compare only where these agree."""
    return {
        "split": split.name,
        "split_hash": split.digest(),
        "split_is_official": QUERIES.get(split.name) == split.digest(),
        "num_videos": len(split.video_ids),
        "num_captions": len(split.captions),
        "frames": reader.describe(),
        "token_limit": info.get("token_limit") or info.get("context_length") or "the encoder's",
        "candidates_re_ranked": top_k if top_k is not None else "all",
        "post_processing": list(post_processing) or ["none"],
        "ties": "expected rank (optimistic and pessimistic beside it)",
        "unreadable_videos": "failed queries, never retrieved",
        "seed": recipe.seed,
        "selected_on": info.get("select_on", recipe.eval.select_on),
        # Of this run, or of one that it started from.
        "selection_looked_at_test": bool(info.get("looked_at_test", recipe.eval.select_on == "test"))
        or any(
            bool(identity.get("looked_at_test")) or overlaps(identity.get("validated_on") or {}, split)
            for identity in lineage(info.get("trained_on"))
        ),
        "versions": {name: _version(name) for name in MEASURED_WITH} | {"python": platform.python_version()},
        "precision": compute.precision,
        "device": _device_name(compute.device),
    }


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """One JSON file; a NaN in it is a fault and not written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(result, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_cpu_name()}, {torch.get_num_threads()} threads"


def _cpu_name() -> str:
    """As the processor calls itself; Linux tells in a file only, and `platform` does not read it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or f"{platform.machine()} CPU"
