"""What the pages show that is read from the project when the site is built: commands, docstrings, results.

MkDocs calls `on_page_markdown` for each page; a line `<!-- name -->` of it is replaced by what `FILLS` has of
that name.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import click  # noqa: E402
import measured  # noqa: E402
import typer.main  # noqa: E402

import animate  # noqa: E402

#: What the reference has of `retrieval`, in its order: what the commands call, and what scores and ranks.
RETRIEVAL = (
    "retrieval.recipe.load_recipe",
    "retrieval.datasets.open_dataset",
    "retrieval.launch.launch",
    "retrieval.evaluate.evaluate",
    "retrieval.index.build_gallery",
    "retrieval.index.add_to_gallery",
    "retrieval.search.search",
    "retrieval.search.Hit",
    "retrieval.model.build_retriever",
    "retrieval.model.Features",
    "retrieval.score.coarse",
    "retrieval.score.fine",
    "retrieval.score.fuse",
    "retrieval.metrics.rank",
    "retrieval.metrics.summarise",
)


def commands() -> str:
    """Every command of both programs: what it does, its arguments and options, its examples."""
    from cli.animate.main import app as animate_app
    from cli.retrieval.main import app as retrieval_app

    sections = []
    for program, app in (("animate", animate_app), ("retrieval", retrieval_app)):
        group = typer.main.get_command(app)
        assert isinstance(group, click.Group) or hasattr(group, "commands")
        sections.append(f"## {program}\n\n{group.help}")
        shown = {name: command for name, command in group.commands.items() if not command.hidden}  # pyright: ignore[reportAttributeAccessIssue]
        sections += [_command(f"{program} {name}", command) for name, command in shown.items()]
    return "\n\n".join(sections)


def _command(name: str, command: Any) -> str:
    """The section of one command."""
    parameters = [one for one in command.params if not getattr(one, "hidden", False)]
    rows = [(f"`{_names(one)}`", one.help or "", _default(one)) for one in parameters]
    text = f"### {name}\n\n{_plain(command.help or '')}\n\n"
    text += measured.table(
        ("", "", "default"), [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    )
    examples = _plain(command.epilog or "")
    lines = [line.strip() for line in examples.splitlines() if line.strip().startswith(name.split()[0])]
    return text + ("\n```text\n" + "\n".join(lines) + "\n```" if lines else "")


def _names(parameter: Any) -> str:
    """How a parameter is given: `--out`, or SOURCE for an argument."""
    if parameter.param_type_name == "argument":
        return (parameter.metavar or parameter.name).upper()
    return ", ".join((*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:
    """Its default where that says something."""
    value = parameter.default
    if parameter.required:
        return "required"
    if value in (None, "", False, (), []) or callable(value) or "Sentinel" in type(value).__name__:
        return ""
    return f"`{value}`"


def _plain(text: str) -> str:
    """Help without click's mark for text that is not to be wrapped, and what looks like HTML kept as text."""
    return text.replace("\b\n", "").replace("\b", "").replace("<", "&lt;")


def _documented(names: Mapping[str, str]) -> str:
    """mkdocstrings' blocks: heading -> where the object is defined."""
    return "\n\n".join(f"::: {path}\n    options:\n      heading_level: 3" for path in names.values())


def _public() -> dict[str, str]:
    """Each public name of `animate` and where it is defined."""
    return {name: f"{getattr(animate, name).__module__}.{name}" for name in animate.__all__}


FILLS: Mapping[str, Callable[[], str]] = {
    "headline": measured.headline,
    "retrieval": measured.retrieval,
    "targets": measured.targets,
    "commands": commands,
    "animate": lambda: _documented(_public()),
    "retrieval-functions": lambda: _documented({path: path for path in RETRIEVAL}),
}


def filled(markdown: str) -> str:
    """A page with each of its marked lines replaced."""
    return re.sub(
        r"^<!-- ([a-z-]+) -->$",
        lambda mark: FILLS[mark[1]]() if mark[1] in FILLS else mark[0],
        markdown,
        flags=re.M,
    )


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs' event."""
    return filled(markdown)
