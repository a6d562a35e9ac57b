"""Small shard sets of the demo corpus for tests of what reads them."""

from pathlib import Path

from animate.build import build_shards
from animate.executor import HERE
from animate.recipe import BuildRecipe, read_recipe

SETTINGS = (
    "video.size=[80, 64]",
    "video.num_frames=5",
    "source.limit=6",
    "shards.clips_per_shard=4",
    "takes=2",
)


def recipe_of(format: str, *settings: str) -> BuildRecipe:
    return read_recipe(None, [*SETTINGS, f"video.format={format}", *settings])


def build_set(out: Path, format: str, *settings: str) -> Path:
    """Three shards, twelve clips of five frames at 80x64, two takes of each still."""
    assert build_shards(recipe_of(format, *settings), out, workforce=HERE).complete
    return out


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
