"""The shooting vocabulary: what a recipe may name and a shot is made of.

`COMPONENTS` is the one table. To add a component, write one class in the file of its kind and enter it here.

A component is a frozen dataclass. Its fields are parameters (`parameters.number`, `parameters.choice`)
with a default range, and hard limits; a recipe narrows or moves the range, a shot holds one drawn value of
each. It has one or more of these methods, most of them functions of the shot's own `Timeline`:

    poses(time, view) -> Float64 "t 7"   where the camera is (columns and units: `animate.camera`); poses add
    blur(time) -> Float64 "t"            radius (sigma) of spatial blur in frame widths; variances add
    exposure(time) -> Float64 "t"        exposure in stops; they add
    retime(clock) -> Clock               which part of the shot's timeline the clip shows, and how fast
    aim(salient_point) -> component      looks at the still once, when the shot is drawn

and `words() -> str`, its part of the camera label ("" says nothing).
"""

from collections.abc import Mapping
from typing import Any

from animate.components import framing, lens, motion, timing
from animate.components.parameters import check, draw
from animate.components.timeline import Timeline

Component = Any

COMPONENTS: Mapping[str, type] = {
    # camera motion
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
    # lens
    "zoom": lens.Zoom,
    "crash_zoom": lens.CrashZoom,
    "dolly_zoom": lens.DollyZoom,
    "focus_pull": lens.FocusPull,
    "exposure_drift": lens.ExposureDrift,
    # framing
    "shot_scale": framing.ShotScale,
    "interest": framing.Interest,
    # time, in the order in which they apply
    "jitter": timing.Jitter,
    "hold": timing.Hold,
    "ramp": timing.Ramp,
    "speed": timing.Speed,
    "temporal_crop": timing.TemporalCrop,
}

NAMES: Mapping[type, str] = {component: name for name, component in COMPONENTS.items()}

__all__ = ["COMPONENTS", "NAMES", "Component", "Timeline", "check", "draw"]
