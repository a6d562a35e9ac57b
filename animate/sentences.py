"""What the camera does as English sentences: "The camera slowly pushes in. Cut to a pan left."

They say what `animate.label` found true of a clip's shots, and no more. A caption draws its templates from
the generator it is given, so that text varies while its few words stay those of a film set. For one move:

    The camera slowly pans left.                In this shot, the camera slowly pans left.
    The camera makes a slow pan to the left.    Slow pan left.

All that is said is said in each of them, but for the pace of a whip pan or a crash zoom, which are quick by
their names, and a move that is a part of another's name (a zoom in beside a crash zoom in).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from animate.components.framing import SCALES
from animate.label import ShotWords
from animate.recipe import CaptionsRecipe


class _Phrases(NamedTuple):
    """The same thing as predicates of "the camera", and as nouns without an article."""

    verbs: tuple[str, ...]
    nouns: tuple[str, ...]


_SIDES, _HEIGHTS = ("left", "right"), ("up", "down")
_WAYS = (*_SIDES, *_HEIGHTS, *(f"{side} and {height}" for side in _SIDES for height in _HEIGHTS))
_SPINS = ("clockwise", "counterclockwise")

#: Words of a label, the ways that they can go, and what sentences say for them.
_MOVES: tuple[tuple[str, tuple[str, ...], _Phrases], ...] = (
    ("pan {way}", _SIDES, _Phrases(("pans {way}", "pans to the {way}"), ("pan {way}", "pan to the {way}"))),
    ("tilt {way}", _HEIGHTS, _Phrases(("tilts {way}", "tilts {way}ward"), ("tilt {way}", "{way}ward tilt"))),
    ("roll {way}", _SPINS, _Phrases(("rolls {way}", "rotates {way}"), ("roll {way}", "{way} roll"))),
    (
        "truck {way}",
        _SIDES,
        _Phrases(
            ("trucks {way}", "moves sideways to the {way}"),
            ("trucking move {way}", "sideways move to the {way}"),
        ),
    ),
    (
        "pedestal {way}",
        _HEIGHTS,
        _Phrases(("pedestals {way}", "moves {way}"), ("pedestal {way}", "move {way}")),
    ),
    ("push in", ("",), _Phrases(("pushes in", "dollies in", "moves closer"), ("push in", "dolly in"))),
    ("pull out", ("",), _Phrases(("pulls out", "dollies out", "moves back"), ("pull out", "dolly out"))),
    (
        "arc {way}",
        _SIDES,
        _Phrases(("arcs {way}", "moves in an arc to the {way}"), ("arc {way}", "arc to the {way}")),
    ),
    (
        "whip pan {way}",
        _SIDES,
        _Phrases(("whip pans {way}", "whip pans to the {way}"), ("whip pan {way}", "whip pan to the {way}")),
    ),
    ("zoom {way}", ("in", "out"), _Phrases(("zooms {way}",), ("zoom {way}",))),
    (
        "crash zoom {way}",
        ("in", "out"),
        _Phrases(("crash zooms {way}", "snap zooms {way}"), ("crash zoom {way}", "snap zoom {way}")),
    ),
    ("dolly zoom {way}", ("in", "out"), _Phrases(("dolly zooms {way}",), ("dolly zoom {way}",))),
    (
        "{way} the subject",
        ("towards", "away from"),
        _Phrases(
            ("moves {way} the subject", "goes {way} the subject"),
            ("move {way} the subject", "drift {way} the subject"),
        ),
    ),
    ("drift {way}", _WAYS, _Phrases(("drifts {way}", "moves {way}"), ("drift {way}", "move {way}"))),
    ("move in", ("",), _Phrases(("moves in", "moves closer"), ("move in",))),
    ("move out", ("",), _Phrases(("moves out", "moves back"), ("move out",))),
    ("turn {way}", _WAYS, _Phrases(("turns {way}", "swings {way}"), ("turn {way}", "swing {way}"))),
    ("turn {way}", _SPINS, _Phrases(("turns {way}", "rotates {way}"), ("turn {way}", "{way} turn"))),
    (
        "back and forth",
        ("",),
        _Phrases(("moves back and forth", "goes back and forth"), ("move back and forth",)),
    ),
)

#: A hand that shakes the camera and does nothing else; else the camera, or its first move, is "handheld".
_HAND = _Phrases(("shakes", "sways"), ("camera shake", "sway"))
#: A speed ramp of motion that has no other name.
_RAMP = _Phrases(("moves",), ("move",))

#: What a shot that does not move is said to do, and to be.
_STILL = _Phrases(("does not move", "stays still", "holds still"), ("static", "still", "fixed"))

#: By pace: adverbs for the verbs and adjectives for the nouns.
_PACE: Mapping[str, _Phrases] = {
    "slow": _Phrases(("slowly ", "gently "), ("slow ", "gentle ")),
    "fast": _Phrases(("quickly ", "rapidly "), ("fast ", "quick ")),
    "": _Phrases(("",), ("",)),
}

#: Of focus and light: what "the picture" does, and what it is.
_LIGHT: Mapping[str, _Phrases] = {
    "focus pull": _Phrases(
        ("becomes sharper", "gets sharper in a focus pull"),
        ("becoming sharper", "getting sharper in a focus pull"),
    ),
    "focus pull out": _Phrases(
        ("becomes more blurred", "gets blurred in a focus pull"),
        ("becoming more blurred", "getting blurred in a focus pull"),
    ),
    "out of focus": _Phrases(("is out of focus", "is blurred"), ("out of focus", "blurred")),
    "getting brighter": _Phrases(
        ("gets brighter", "becomes brighter"), ("getting brighter", "becoming brighter")
    ),
    "getting darker": _Phrases(("gets darker", "becomes darker"), ("getting darker", "becoming darker")),
}

#: Moves that lead towards something, or away from it.
_LEADING: Mapping[str, tuple[str, ...]] = {
    "towards the subject": ("push in", "zoom in", "move in"),
    "away from the subject": ("pull out", "zoom out", "move out"),
}

#: How the first sentence begins, …
_CLAUSES = ("{clause}", "in this video, {clause}")
_NOUNS = ("the video shows {noun}",)
_NOUNS_OF_MOVES = (*_NOUNS, "the camera makes {noun}")
#: … and how those of the shots behind a transition do.
_NEXT_CLAUSES = ("then, after {a_transition}, {clause}",)
_NEXT_NOUNS = ("{transition} to {noun}", "then {a_transition} to {noun}")


def camera_caption(shots: Sequence[ShotWords], transitions: Sequence[str], rng: np.random.Generator) -> str:
    """What the camera does in a clip: a sentence for each of its shots, in order.

    `transitions` are the kinds of what stands between each shot and the next: cut, dissolve or fade.
    """
    sentences = [_opening(shots[0], rng)]
    sentences += [_after(kind, shot, rng) for kind, shot in zip(transitions, shots[1:], strict=True)]
    return " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)


def as_sentence(caption: str) -> str:
    """A caption with a full stop, unless it ends in one or the like."""
    return caption if caption[-1] in ".!?…。" else f"{caption}."


def stored_caption(caption: str, camera_caption: str, recipe: CaptionsRecipe) -> str:
    """What a clip has as its `caption` and in its txt, given its still's first and its camera's."""
    return f"{as_sentence(caption)} {camera_caption}" if recipe.camera == "appended" else caption


def _opening(shot: ShotWords, rng: np.random.Generator) -> str:
    nouns = _NOUNS_OF_MOVES if _named(shot) else _NOUNS
    template = _pick((*_CLAUSES, *nouns, "{bare}"), rng)
    return _filled(template, shot, rng)


def _after(kind: str, shot: ShotWords, rng: np.random.Generator) -> str:
    template = _pick((*_NEXT_CLAUSES, *_NEXT_NOUNS), rng)
    return _filled(template, shot, rng, kind)


def _filled(template: str, shot: ShotWords, rng: np.random.Generator, transition: str = "") -> str:
    if "{clause}" in template:
        filling = {"clause": _clause(shot, rng)}
    elif "{noun}" in template:
        filling = {"noun": _noun(shot, rng, article=True)}
    else:
        filling = {"bare": _noun(shot, rng, article=False)}
    return template.format(transition=transition, a_transition=f"a {transition}", **filling)


def _clause(shot: ShotWords, rng: np.random.Generator) -> str:
    """ "the handheld camera slowly pans left in a medium shot while the picture gets darker"."""
    named, scale, light = _named(shot), _scale_of(shot), _lit(shot)
    subject = "the handheld camera" if "handheld" in shot.moves else "the camera"
    if shot.moves:
        phrases = _phrases(named, shot)
        does = _pick(_paces(shot).verbs, rng) + _listed([_pick(phrase.verbs, rng) for phrase in phrases])
    else:
        does = _pick(_STILL.verbs, rng)
    what = [_pick(phrase.verbs, rng) for phrase in light]
    return f"{subject} {_inside(does, scale)}{_ramped(shot)}" + (
        f" while the picture {_listed(what)}" if what else ""
    )


def _noun(shot: ShotWords, rng: np.random.Generator, *, article: bool) -> str:
    """ "a slow handheld pan left and a roll clockwise in a medium shot, the picture getting darker"."""
    named, scale, light = _named(shot), _scale_of(shot), _lit(shot)
    if shot.moves:
        nouns = [_pick(phrase.nouns, rng) for phrase in _phrases(named, shot)]
        hand = "handheld " if "handheld" in shot.moves else ""
        nouns[0] = _pick(_paces(shot).nouns, rng) + hand + nouns[0]
    else:
        nouns = [f"{_pick(_STILL.nouns, rng)} {scale or 'shot'}"]
    what = [_pick(phrase.nouns, rng) for phrase in light]
    listed = _listed([_article(noun) for noun in nouns] if article else nouns)
    return f"{_inside(listed, scale if shot.moves else '')}{_ramped(shot)}" + (
        f", the picture {_listed(what)}" if what else ""
    )


def _inside(said: str, scale: str) -> str:
    """ "pans left in a medium shot", and "zooms in, in a medium shot"."""
    comma = "," if said.endswith(" in") else ""
    return f"{said}{comma} in {_article(scale)}" if scale else said


def _named(shot: ShotWords) -> list[str]:
    """The moves that are said with words of their own, without those that are a part of another."""
    moves = [move for move in shot.moves if move not in ("handheld", "speed ramp")]
    return [move for move in moves if not any(_says(other, move) for other in moves if other != move)]


def _says(move: str, other: str) -> bool:
    """Whether a move says another along with itself: "crash zoom in" and "wide to medium" a "zoom in"."""
    return move.endswith(f" {other}") or (move in _CHANGES and other == f"zoom {_CHANGES[move]}")


def _phrases(named: Sequence[str], shot: ShotWords) -> list[_Phrases]:
    """What is said for each of these moves: "push in" and "towards the subject" as one."""
    if not named:
        return [_RAMP] if "handheld" not in shot.moves else [_HAND]
    phrases = {move: _PHRASES[move] for move in named}
    for goal, leading in _LEADING.items():
        leads = next((move for move in named if move in leading), None)
        if goal in phrases and leads is not None:
            del phrases[goal]
            verbs, nouns = phrases[leads]
            phrases[leads] = _Phrases(
                tuple(f"{verb} {goal}" for verb in verbs), tuple(f"{noun} {goal}" for noun in nouns)
            )
    return list(phrases.values())


def _paces(shot: ShotWords) -> _Phrases:
    quick = any(move.startswith(("whip", "crash")) for move in shot.moves)
    return _PACE["" if quick else shot.pace]


def _ramped(shot: ShotWords) -> str:
    return " with a speed ramp" if "speed ramp" in shot.moves else ""


def _scale_of(shot: ShotWords) -> str:
    """ "medium shot" or "close-up", where it is one throughout; else empty."""
    return next((_SCALE_NAMES[look] for look in shot.looks if look in _SCALE_NAMES), "")


def _lit(shot: ShotWords) -> list[_Phrases]:
    return [_LIGHT[look] for look in shot.looks if look in _LIGHT]


def _listed(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _pick(options: Sequence[str], rng: np.random.Generator) -> str:
    return options[int(rng.random() * len(options))]


def _all_phrases() -> dict[str, _Phrases]:
    """Every move that a label can name, to what is said for it."""
    named: dict[str, _Phrases] = {}
    for words, ways, phrases in _MOVES:
        for way in ways:
            verbs, nouns = (tuple(text.format(way=way) for text in texts) for texts in phrases)
            named[words.format(way=way)] = _Phrases(verbs, nouns)
    for words, way in _CHANGES.items():
        first, last = (_article(_SCALE_NAMES[f"{scale} shot"]) for scale in words.split(" to "))
        change = f"from {first} to {last}"
        named[words] = _Phrases(
            (f"zooms {way} {change}", f"goes {change}"), (f"zoom {way} {change}", f"change {change}")
        )
    return named


def _spoken(scale: str) -> str:
    return scale.replace("_", " ")


#: A shot scale of a label, to what sentences call it.
_SCALE_NAMES: Mapping[str, str] = {
    f"{_spoken(scale)} shot": "close-up" if scale == "close_up" else f"{_spoken(scale)} shot"
    for scale in SCALES
}
#: A change of scale, to the way of the zoom.
_CHANGES: Mapping[str, str] = {
    f"{_spoken(first)} to {_spoken(last)}": "in" if SCALES[last] > SCALES[first] else "out"
    for first in SCALES
    for last in SCALES
    if first != last
}
_PHRASES: Mapping[str, _Phrases] = _all_phrases()
