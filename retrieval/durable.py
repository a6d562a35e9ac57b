"""Files that are there whole or not at all, whatever happens to the machine."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a JSON file in one go."""
    attempt = path.with_name(f".writing_{path.name}")
    attempt.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sync(attempt)
    attempt.replace(path)


def sync(path: Path) -> None:
    """What was written to a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
