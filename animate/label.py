"""The camera label of a clip: what is seen in it, in words.

`animate.apparent` measures a finished shot. `described` lets those words stand that a component claims and
the measure bears out (`animate.components.claims`), adds plain words for motion that nobody claims, and says
"static" where there is none. `describe` joins the shots of a clip.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from animate.apparent import Motion, measure
from animate.camera import View
from animate.components.claims import DRIFT, Claim, Measure
from animate.components.framing import scale_of
from animate.edit import Edit, Layer
from animate.shot import Shot

#: Frame widths a second: a shot whose corners stay below the one is slow, one above the other fast.
SLOW, FAST = 0.12, 1.0

#: Stops by which the picture must become brighter or darker to be said.
STOPS = 0.2

#: Standard deviation of a blur, in frame widths, that is seen: 0.7 pixels of 224.
BLUR = 0.003

#: How a transition reads in a label.
_JOINTS: Mapping[str, str] = {"cut": "cut to", "dissolve": "dissolve to", "fade": "fade to"}

#: Words for motion that no component claims: measure, from which size it is said, how much of it a hand that
#: shakes by one frame width may do unsaid, and the words for more than 0 and for less.
_PLAIN: tuple[tuple[Measure, float, float, str, str], ...] = (
    ("right", 0.05, 3, "drift right", "drift left"),
    ("up", 0.05, 3, "drift up", "drift down"),
    ("closer", 0.05, 3, "move in", "move out"),
    ("clockwise", 2.0, 100, "turn clockwise", "turn counterclockwise"),
    ("swing_right", 0.06, 2, "turn right", "turn left"),
    ("swing_up", 0.06, 2, "turn up", "turn down"),
    ("shake", 0.02, 0, "back and forth", "back and forth"),
)

#: Of the two ways of a drift, the lesser is said if it has this share of the greater.
_ASIDE = 0.1

#: A shot moves on the whole if its last frame has gone this share of the furthest way that any has gone.
_NET = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotWords:
    """What is true of one shot, in the words of the label.

    `pace` is "slow", "fast" or neither (empty). `moves` says what moves, in the order of the shot's
    components and then what nobody claimed ("push in", "handheld", "drift left and up"); a static shot has
    none. `looks` is framing and light ("medium shot", "getting darker").
    """

    pace: str
    moves: tuple[str, ...]
    looks: tuple[str, ...]

    def __str__(self) -> str:
        """ "fast whip pan right and handheld, medium shot, getting darker"."""
        moves = " ".join(filter(None, (self.pace, " and ".join(self.moves)))) or "static"
        return ", ".join([moves, *self.looks])


def describe(edit: Edit, layers: Sequence[Layer], views: Sequence[View], fps: float) -> str:
    """The camera label of a clip: "slow push in and handheld, cut to pan left"."""
    return label_of(edit, words_of(edit, layers, views, fps))


def label_of(edit: Edit, words: Sequence[ShotWords]) -> str:
    """The camera label of a clip, given what is true of each of its shots."""
    joints = ["", *(f", {_JOINTS[transition.kind]} " for transition in edit.transitions)]
    return "".join(f"{joint}{shot}" for joint, shot in zip(joints, words, strict=True))


def words_in(label: str) -> list[str]:
    """The words of a label, each once: of "slow pan left and handheld, wide shot, cut to drift right and up"
    "pan left", "handheld", "wide shot", "drift right" and "drift up"."""
    words: dict[str, None] = {}
    for phrase in re.split(rf", (?:{'|'.join(_JOINTS.values())}) |, ", label):
        verb = ""
        for word in re.split(" and (?!forth)", phrase.removeprefix("slow ").removeprefix("fast ")):
            word = f"{verb} {word}" if word in ("up", "down") and verb else word
            verb = word.partition(" ")[0]
            words[word] = None
    return [word for word in words if word]


def words_of(edit: Edit, layers: Sequence[Layer], views: Sequence[View], fps: float) -> tuple[ShotWords, ...]:
    """What is seen in each shot of a clip."""
    [words] = words_together([(edit, layers, views)], fps)
    return words


def words_together(
    clips: Sequence[tuple[Edit, Sequence[Layer], Sequence[View]]], fps: float
) -> list[tuple[ShotWords, ...]]:
    """`words_of` of each clip."""
    if not clips:
        return []
    shown = [(layer, views[layer.still]) for _, layers, views in clips for layer in layers]
    motions = iter(measure([layer for layer, _ in shown], [view for _, view in shown], fps))
    return [tuple(described(shot, next(motions)) for shot in edit.shots) for edit, _, _ in clips]


def described(shot: Shot, motion: Motion) -> ShotWords:
    """What is seen in a shot: the claims of its components that are borne out, and what nobody claims."""
    kept = [(words, claim) for claim in _claims(shot) if (words := borne_out(claim, shot.amplitude, motion))]
    looks = [words for words, claim in kept if not _of_motion(claim)]
    pace, moves = "", list[str]()
    if not motion.static:
        claimed = [(words, claim) for words, claim in kept if _of_motion(claim)]
        said = list(dict.fromkeys(words for words, _ in claimed))
        moves = said + unclaimed([claim for _, claim in claimed], motion)
        pace = "slow" if motion.speed < SLOW else "fast" if motion.speed > FAST else ""
    return ShotWords(pace=pace, moves=tuple(moves), looks=(*looks, *_light(motion)))


def borne_out(claim: Claim, amplitude: float, motion: Motion) -> str:
    """The words of a claim that are true of what was measured; empty where none are."""
    for measured, least in claim.needs:
        if getattr(motion, measured) * math.copysign(1, least) < abs(least):
            return ""
    if claim.needs and claim.size * amplitude < abs(claim.needs[0][1]):
        return ""
    if any(abs(getattr(motion, measured)) > most for measured, most in claim.at_most):
        return ""
    if claim.point is not None and motion.nearer(claim.point) * claim.approach < DRIFT:
        return ""
    if any(getattr(motion, measured) < least for measured, least in claim.quick):
        return claim.otherwise
    if claim.framing is not None and tuple(map(scale_of, motion.scales)) != claim.framing:
        return claim.otherwise
    return claim.words


def unclaimed(claims: Sequence[Claim], motion: Motion) -> list[str]:
    """Plain words for what moves beyond what `claims` say; never none where they are none."""
    told: set[Measure] = {measured for claim in claims for measured, _ in claim.needs}
    if any(claim.point for claim in claims):
        told |= {"right", "up"}
    if "steeper" in told:
        told |= {"swing_right", "swing_up"}
    shake = motion.shake if "shake" in told else 0.0
    words, most, foremost = [], 0.0, ""
    for measured, least, by_hand, more, less in _PLAIN:
        value = getattr(motion, measured)
        size = abs(value)
        word = more if value > 0 else less
        if measured != "shake" and size / least > most and not _aside(measured, motion):
            most, foremost = size / least, word
        if measured not in told and size >= max(least, by_hand * shake) and not _aside(measured, motion):
            words.append(word)
    if words or claims:
        return _joined(words)
    return [foremost if motion.net > _NET * motion.furthest else "back and forth"]


def _joined(words: list[str]) -> list[str]:
    """Ways of one kind in one phrase: "drift left" and "drift up" as "drift left and up"."""
    joined: list[str] = []
    for word in words:
        verb, _, way = word.partition(" ")
        if way in ("up", "down") and joined and joined[-1] in (f"{verb} left", f"{verb} right"):
            joined[-1] += f" and {way}"
        else:
            joined.append(word)
    return joined


def _claims(shot: Shot) -> list[Claim]:
    return [claim for component in shot.components for claim in component.claims()]


def _of_motion(claim: Claim) -> bool:
    """Whether the claim is of something that moves; "medium shot" is not."""
    return bool(claim.needs) or claim.point is not None


def _aside(measured: Measure, motion: Motion) -> bool:
    """Whether a drift is next to nothing beside the drift the other way."""
    right, up = abs(motion.right), abs(motion.up)
    return (measured == "right" and right < _ASIDE * up) or (measured == "up" and up < _ASIDE * right)


def _light(motion: Motion) -> list[str]:
    """What focus and exposure do, where it can be seen."""
    words = []
    if abs(motion.blur) >= BLUR:
        words.append("focus pull" if motion.blur < 0 else "focus pull out")
    elif motion.least_blur >= BLUR:
        words.append("out of focus")
    if abs(motion.stops) >= STOPS:
        words.append("getting brighter" if motion.stops > 0 else "getting darker")
    return words
