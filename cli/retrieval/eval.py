"""`retrieval eval MODEL --data NAME`."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

#: What a model may be, for the help of every command that takes one.
MODEL_HELP = (
    "A run folder, one of its checkpoints, a weights file, a folder of config and weights, "
    "NAME:TAG of open_clip, or hf-hub:ORG/NAME."
)
RESULT_COLUMNS = ("R@1", "R@5", "R@10", "R@50", "MdR", "MnR")


def evaluate(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    data: Annotated[
        str,
        typer.Option(
            help="A data set or recipe by name, or a recipe file with a [data] table; default: its own."
        ),
    ] = "",
    part: Annotated[str, typer.Option(help="test or validation.")] = "test",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A key, as data.videos=FOLDER or frames.num_frames=12.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Candidates re-ranked; default: the recipe's.")
    ] = None,
    curve: Annotated[
        str, typer.Option(help="Also measure at each K, such as 5,10,20,50,100,all; PNG and JSON.")
    ] = "",
    post: Annotated[
        list[str] | None, typer.Option(help="Columns of their own: dual-softmax, query-bank.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Result file; default: beside the checkpoint.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Judge a model; prints a table and stores a result that says how it was measured."""
    from dataclasses import replace

    from retrieval.ahead import check_device, check_judged, refuse_overlap
    from retrieval.curve import draw_curve, parse_curve
    from retrieval.errors import DataError
    from retrieval.paths import check_result
    from retrieval.recipe import PARTS, recipe_from_table
    from retrieval.reference import find_model
    from retrieval.runs import read_info

    check_device(device)
    check_result(out)
    if part not in PARTS:
        raise DataError(f"part = {part!r}: must be one of {', '.join(PARTS)}")
    points = parse_curve(curve) if curve else []
    found = find_model(model)
    if found.checkpoint is None and not data:
        raise DataError("data: this model comes with none; name what to judge it on, as in --data msrvtt")
    found = replace(found, table=with_data(found.table, data, set_ or ()))
    recipe = recipe_from_table(found.table)

    from retrieval.datasets import open_dataset

    dataset = open_dataset(recipe.data)
    check_judged(dataset, part, post or ())
    if found.checkpoint is not None:
        refuse_overlap(read_info(found.checkpoint).get("trained_on"), dataset.part(part))

    from retrieval.evaluate import evaluate as run
    from retrieval.launch import pick_device
    from retrieval.pretrained import open_model
    from retrieval.protocol import write_result

    place = pick_device(device)
    result = run(
        open_model(found, place),
        dataset,
        part,
        top_k=top_k or recipe.eval.top_k,
        post_processing=post or (),
        curve=points,
        device=place,
        on_stage=lambda stage: print(f"{stage} …", file=sys.stderr),
    )
    name = f"{recipe.data.name}_{part}.json"
    beside = (
        found.checkpoint / f"eval_{name}"
        if found.checkpoint
        else Path(f"eval_{slug(found.reference)}_{name}")
    )
    file = out or beside
    write_result(file, result)
    print_result(result)
    if points:
        picture = file.with_suffix(".png")
        draw_curve(result["curve"], picture, f"{result['protocol']['split']}, text to video")
        print(f"curve: {picture}")
    print(f"result: {file}")


def with_data(recipe: dict[str, Any], data: str, overrides: "list[str] | tuple[str, ...]") -> dict[str, Any]:
    """A recipe's table pointed at other data: by the [data] table of a recipe, a file or one that comes with
    the package (whose places a benchmark's name alone does not tell), or by the name of a data set."""
    from animate.strict_toml import RecipeError, apply_overrides, read_toml
    from retrieval.recipe import named_recipes

    table = dict(recipe)
    own = recipe.get("data", {})
    cache = {"cache": own.get("cache", "")}
    if data.endswith(".toml"):
        found = read_toml(data)
        if "data" not in found:
            raise RecipeError(f"recipe {data!r}: has no table [data]")
        table["data"] = found["data"]
    elif data and data != own.get("name"):
        file = named_recipes().get(data)
        table["data"] = cache | ({"name": data} if file is None else read_toml(file)["data"])
    return apply_overrides(table, list(overrides))


def slug(reference: str) -> str:
    """A model's name as part of a file's."""
    return re.sub(r"[^\w.-]+", "-", Path(reference).name if Path(reference).exists() else reference).strip(
        "-"
    )


def print_result(result: dict[str, Any]) -> None:
    """A line for each direction, stage and rule, with the expected ranks."""
    protocol, numbers = result["protocol"], result["results"]
    print(
        f"{protocol['split']}: {protocol['num_captions']:,} captions, {protocol['num_videos']:,} videos, "
        f"hash {protocol['split_hash']}{' (official)' if protocol['split_is_official'] else ''}"
    )
    print(
        f"frames: {protocol['frames']}; tokens: {protocol['token_limit']}; {protocol['precision']} "
        f"on {protocol['device']}"
    )
    unread = {key: n for key, n in result["videos_by_status"].items() if key != "ok"}
    if unread:
        print(f"videos not wholly readable: {', '.join(f'{n} {key}' for key, n in unread.items())}")
    if protocol["selection_looked_at_test"]:
        print("NOTE: this checkpoint was selected by looking at the test part")
    print(f"{'':44}" + "".join(f"{measure:>8}" for measure in RESULT_COLUMNS))
    _lines("text to video", numbers["text_to_video"])
    rules = numbers["video_to_text"]
    for rule, stages in rules.items():
        _lines(f"video to text, {rule}", stages)
    for label, directions in result.get("post_processed", {}).items():
        _lines(f"{label}, text to video", {"coarse": directions["text_to_video"]})
        for rule, found in directions.get("video_to_text", {}).items():
            _lines(f"{label}, video to text, {rule}", {"coarse": found})
    oracle = numbers["oracle_recall"]
    print(
        f"oracle recall at K = {oracle['K']}: text to video {oracle['text_to_video']:.1f}, "
        f"video to text {oracle['video_to_text']:.1f}"
    )
    for point in result.get("curve", ()):
        print(
            f"K = {'all' if point['all'] else point['K']:>5}: R@1 {point['R@1']:5.1f}"
            + (f" (chance within K {point['chance_R@1']:.1f})" if "chance_R@1" in point else "")
            + ", "
            f"{point['ms_per_query']:.2f} ms and {point['pairs_per_query']:.0f} pairs a query"
        )


def _lines(title: str, stages: dict[str, Any]) -> None:
    print(title)
    for stage, rules in stages.items():
        row = rules["expected"]
        print(f"  {stage:<42}" + "".join(f"{row[measure]:8.1f}" for measure in RESULT_COLUMNS))
