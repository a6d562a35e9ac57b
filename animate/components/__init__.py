"""The shooting vocabulary: what a recipe may name and a shot is made of.

To add a component, write one class in the file of its kind, with the methods of a protocol of
`animate.components.capabilities`, and enter it below in the table of that protocol. A class that lacks one of
the methods is then a type error, and one that has any other public method fails a test.
"""

from collections.abc import Iterable, Mapping

from animate.components import framing, lens, motion, timing
from animate.components.capabilities import (
    Aims,
    Blurs,
    C,
    Component,
    Exposes,
    Moves,
    Retimes,
    SalientPoint,
)
from animate.components.parameters import check, draw
from animate.components.timeline import Timeline

_CAMERA_AND_LENS: Mapping[str, type[Moves]] = {
    "static": motion.Static,
    "pan": motion.Pan,
    "tilt": motion.Tilt,
    "roll": motion.Roll,
    "truck": motion.Truck,
    "pedestal": motion.Pedestal,
    "dolly": motion.Dolly,
    "arc": motion.Arc,
    "whip_pan": motion.WhipPan,
    "handheld": motion.Handheld,
    "zoom": lens.Zoom,
    "crash_zoom": lens.CrashZoom,
    "dolly_zoom": lens.DollyZoom,
}
_FRAMING: Mapping[str, type[Moves]] = {
    "shot_scale": framing.ShotScale,
    "interest": framing.Interest,
}

#: Components that move or turn the camera, or zoom.
MOVES: Mapping[str, type[Moves]] = {**_CAMERA_AND_LENS, **_FRAMING}

#: Those of `MOVES` that look at the still when the shot is drawn.
AIMS: Mapping[str, type[Aims]] = {"interest": framing.Interest}

#: Components that put the frame out of focus.
BLURS: Mapping[str, type[Blurs]] = {"focus_pull": lens.FocusPull}

#: Components that make the frame brighter or darker.
EXPOSES: Mapping[str, type[Exposes]] = {"exposure_drift": lens.ExposureDrift}

#: Components that change time, in the order in which they apply, whatever their order in a recipe.
RETIMES: Mapping[str, type[Retimes]] = {
    "jitter": timing.Jitter,
    "hold": timing.Hold,
    "ramp": timing.Ramp,
    "speed": timing.Speed,
    "temporal_crop": timing.TemporalCrop,
}

#: Every component by its name in recipes, in the order in which they are listed to users.
COMPONENTS: Mapping[str, type[Component]] = {
    **_CAMERA_AND_LENS,
    **BLURS,
    **EXPOSES,
    **_FRAMING,
    **RETIMES,
}

#: The name of each component in recipes and in a clip's JSON.
NAMES: Mapping[type, str] = {component: name for name, component in COMPONENTS.items()}

__all__ = [
    "AIMS",
    "BLURS",
    "COMPONENTS",
    "EXPOSES",
    "MOVES",
    "NAMES",
    "RETIMES",
    "Component",
    "SalientPoint",
    "Timeline",
    "check",
    "draw",
    "select",
]


def select(components: Iterable[Component], table: Mapping[str, type[C]]) -> list[C]:
    """Those of `components` that are entered in `table`, in their own order."""
    kinds = tuple(table.values())
    return [component for component in components if isinstance(component, kinds)]
