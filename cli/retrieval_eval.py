"""`retrieval eval CHECKPOINT --data NAME`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from retrieval.recipe import TrainRecipe

STAGES = ("coarse", "fine", "fused")
COLUMNS = ("R@1", "R@5", "R@10", "R@50", "MdR", "MnR")


def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A run folder, or one of its checkpoints.")],
    data: Annotated[
        str,
        typer.Option(help="A data set by name, or a recipe with a [data] table; default: its own."),
    ] = "",
    part: Annotated[str, typer.Option(help="test or validation.")] = "test",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A key, as data.videos=FOLDER or frames.num_frames=12.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Candidates re-ranked; default: the recipe's.")] = None,
    curve: Annotated[
        str, typer.Option(help="Also measure at each K, such as 5,10,20,50,100,all; PNG and JSON.")
    ] = "",
    post: Annotated[
        list[str] | None, typer.Option(help="Columns of their own: dual-softmax, query-bank.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result file; default: beside the checkpoint.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Judge a checkpoint; prints a table and stores a result that says how it was measured."""
    from dataclasses import replace

    from retrieval.checkpoint import load_checkpoint
    from retrieval.curve import draw_curve, parse_curve
    from retrieval.datasets import PARTS, DataError, open_dataset
    from retrieval.evaluate import evaluate as run
    from retrieval.launch import pick_device
    from retrieval.stamp import write_result

    if part not in PARTS:
        raise DataError(f"part = {part!r}: must be one of {', '.join(PARTS)}")
    points = parse_curve(curve) if curve else []
    place = pick_device(device)
    loaded = load_checkpoint(checkpoint, place)
    recipe = with_data(loaded.recipe, data, set_ or ())
    loaded = replace(loaded, recipe=recipe)
    result = run(
        loaded,
        open_dataset(recipe.data),
        part,
        top_k=top_k or recipe.eval.top_k,
        post_processing=post or (),
        curve=points,
        device=place,
        on_stage=lambda stage: typer.echo(f"{stage} …", err=True),
    )
    file = out or loaded.folder / f"eval_{recipe.data.name}_{part}.json"
    write_result(file, result)
    print_result(result)
    if points:
        picture = file.with_suffix(".png")
        draw_curve(result["curve"], picture, f"{result['protocol']['split']}, text to video")
        typer.echo(f"curve: {picture}")
    typer.echo(f"result: {file}")


def with_data(recipe: "TrainRecipe", data: str, overrides: "list[str] | tuple[str, ...]") -> "TrainRecipe":
    """A checkpoint's recipe pointed at other data: by name, or by the [data] table of a recipe file."""
    from animate.strict_toml import apply_overrides, read_toml, to_table
    from retrieval.recipe import recipe_from_table

    table = to_table(recipe)
    if data.endswith(".toml"):
        table["data"] = read_toml(data).get("data", {})
    elif data and data != recipe.data.name:
        table["data"] = {"name": data, "cache": recipe.data.cache}
    return recipe_from_table(apply_overrides(table, list(overrides)))


def print_result(result: dict[str, Any]) -> None:
    """A line for each direction, stage and rule, with the expected ranks."""
    protocol, numbers = result["protocol"], result["results"]
    typer.echo(
        f"{protocol['split']}: {protocol['num_captions']:,} captions, {protocol['num_videos']:,} videos, "
        f"hash {protocol['split_hash']}{' (official)' if protocol['split_is_official'] else ''}"
    )
    typer.echo(f"frames: {protocol['frames']}; tokens: {protocol['token_limit']}")
    unread = {key: n for key, n in result["videos_by_status"].items() if key != "ok"}
    if unread:
        typer.echo(f"videos not wholly readable: {', '.join(f'{n} {key}' for key, n in unread.items())}")
    if protocol["selection_looked_at_test"]:
        typer.echo("NOTE: this checkpoint was selected by looking at the test part")
    typer.echo(f"{'':44}" + "".join(f"{column:>8}" for column in COLUMNS))
    _lines("text to video", numbers["text_to_video"])
    rules = numbers["video_to_text"]
    for rule, stages in rules.items():
        _lines(f"video to text, {rule}", stages)
    for label, directions in result.get("post_processed", {}).items():
        _lines(f"{label}, text to video", {"coarse": directions["text_to_video"]})
        for rule, found in directions.get("video_to_text", {}).items():
            _lines(f"{label}, video to text, {rule}", {"coarse": found})
    oracle = numbers["oracle_recall"]
    typer.echo(
        f"oracle recall at K = {oracle['K']}: text to video {oracle['text_to_video']:.1f}, "
        f"video to text {oracle['video_to_text']:.1f}"
    )
    for point in result.get("curve", ()):
        typer.echo(
            f"K = {'all' if point['all'] else point['K']:>5}: R@1 {point['R@1']:5.1f}, "
            f"{point['ms_per_query']:.2f} ms and {point['pairs_per_query']:.0f} pairs a query"
        )


def _lines(title: str, stages: dict[str, Any]) -> None:
    typer.echo(title)
    for stage in STAGES:
        if stage in stages:
            row = stages[stage]["expected"]
            typer.echo(f"  {stage:<42}" + "".join(f"{row[column]:8.1f}" for column in COLUMNS))
