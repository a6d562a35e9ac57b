"""`animate shots`: what a shot list may name."""

from typing import Annotated

import typer


def shots(
    name: Annotated[str, typer.Argument(help="A component to explain; without it, all are listed.")] = "",
) -> None:
    """List the components of shots and the presets, or explain a component: parameters, units and ranges."""
    from animate.recipe import preset_names
    from animate.shots import about, overview, parameters

    if not name:
        for component, sentence in overview():
            print(f"{component:<15} {sentence}")
        print(f"\npresets: {', '.join(preset_names())}")
        return
    print(about(name))
    for parameter in parameters(name):
        unit = f" ({parameter.unit})" if parameter.unit else ""
        allowed = f"; may be {parameter.allowed}" if parameter.allowed != parameter.default else ""
        print(f"\n{parameter.name}{unit}\n    drawn from {parameter.default}{allowed}")
