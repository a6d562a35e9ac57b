"""`retrieval train RECIPE`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from retrieval.train import StepReport


def train(
    recipe: Annotated[Path, typer.Argument(help="A TOML file that says what to train, or demo, msrvtt, ….")],
    out: Annotated[Path | None, typer.Option(help="Run folder; default runs/NAME of the recipe.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="A recipe key, as table.key=value.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Above 1: Ray Train workers.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint.")] = False,
) -> None:
    """Train a retriever; prints the folder of the selected checkpoint."""
    from retrieval.ahead import check_device, check_trained_on
    from retrieval.recipe import load_recipe
    from retrieval.reference import check_model
    from retrieval.runs import check_run

    check_device(device)
    resolved = load_recipe(recipe, set_ or ())
    folder = out or Path("runs") / resolved.name
    check_run(folder, resolved, resume=resume)
    check_model(resolved.model)

    from retrieval.datasets import open_dataset

    check_trained_on(open_dataset(resolved.data), resolved)

    from retrieval.launch import launch

    with _progress() as bar:
        selected = launch(
            resolved, out=folder, workers=workers, device=device, resume=resume, on_step=_shown_on(bar)
        )
    print(selected)


def _progress() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _shown_on(bar: "Progress") -> "Callable[[StepReport], None]":
    task = bar.add_task("starting", total=None)

    def show(report: "StepReport") -> None:
        text = f"epoch {report.epoch + 1}, loss {report.loss:.3f}, {report.clips_per_second:.0f} clips/s"
        bar.update(task, completed=report.step, total=report.total_steps, description=text)

    return show
