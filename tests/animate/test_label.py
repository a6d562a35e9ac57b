"""Every word of a camera label against the homographies, measured here with nothing of `animate.label`.

The measures are the plainest there are: pixels of corners and middles, one frame after the other.
"""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.apparent import measure
from animate.camera import View
from animate.components import COMPONENTS
from animate.components.framing import SCALES
from animate.data import Take, take_rng
from animate.edit import Layer, draw_edit
from animate.fit import StillTooSmall
from animate.label import describe, words_in
from animate.recipe import EditRecipe, ShotKind, ShotRecipe, VideoRecipe, preset_names, read_preset

PHOTO = View(still_size=(500, 375), frame_size=(224, 224))
CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))
JOINT = r", (cut|dissolve|fade) to "
#: Where the eye goes in these stills.
SUBJECT = (0.62, 0.41)


class Seen:
    """What a layer shows, in frame widths, by pixels of the still and of the frame."""

    def __init__(self, layer: Layer, view: View, fps: int):
        self.homographies, self.layer, self.fps = layer.homographies, layer, fps
        self.still, self.frame = np.array(view.still_size), np.array(view.frame_size)

    def on_still(self, t: int, x: float, y: float) -> np.ndarray:
        """A place of frame t in pixels of the still."""
        point = self.homographies[t] @ [x, y, 1]
        return point[:2] / point[2] * self.still

    def in_frame(self, t: int, place: np.ndarray) -> np.ndarray:
        """Where frame t shows a pixel of the still, in frame widths."""
        point = np.linalg.solve(self.homographies[t], [*(place / self.still), 1])
        return point[:2] / point[2] * self.frame / self.frame[0]

    def moved(self, before: int, after: int) -> float:
        """How far what is at a corner of one frame lies from there in another, at most."""
        return max(
            float(
                np.linalg.norm(
                    self.in_frame(after, self.on_still(before, x, y))
                    - self.in_frame(before, self.on_still(before, x, y))
                )
            )
            for x, y in CORNERS
        )

    @property
    def furthest(self) -> float:
        return max(self.moved(0, t) for t in range(len(self.homographies)))

    @property
    def speed(self) -> float:
        steps = [self.moved(t - 1, t) for t in range(1, len(self.homographies))]
        return max(steps, default=0.0) * self.fps

    def axes(self, t: int) -> np.ndarray:
        """Columns: pixels of the still for one frame width to the right and down, at the middle."""
        h = 1e-5
        across = (self.on_still(t, 0.5 + h, 0.5) - self.on_still(t, 0.5 - h, 0.5)) / (2 * h)
        down = (self.on_still(t, 0.5, 0.5 + h) - self.on_still(t, 0.5, 0.5 - h)) / (2 * h)
        return np.stack([across, down * self.frame[0] / self.frame[1]], axis=1)

    @property
    def drift(self) -> np.ndarray:
        """Of the middle over the still, right and down, in frame widths half way between first and last."""
        between = (self.axes(0) + self.axes(-1)) / 2
        return np.linalg.solve(between, self.on_still(-1, 0.5, 0.5) - self.on_still(0, 0.5, 0.5))

    def size(self, t: int) -> float:
        return 1 / np.sqrt(np.linalg.det(self.axes(t)))

    @property
    def growth(self) -> float:
        return self.size(-1) / self.size(0)

    @property
    def turn(self) -> float:
        """Degrees clockwise, by the directions of the frame's own axes on the still."""
        angles = [
            np.angle(complex(*a[:, 0]) + complex(a[1, 1], -a[0, 1])) for a in (self.axes(0), self.axes(-1))
        ]
        return float(np.degrees((angles[1] - angles[0] + np.pi) % (2 * np.pi) - np.pi))

    def lean(self, t: int) -> np.ndarray:
        """How much longer a line of the still is at the right (lower) edge of a frame than at the left."""
        inverse = np.linalg.inv(self.homographies[t])
        width = 1 / self.frame
        depths = [
            1 / (inverse[2] @ [*(self.on_still(t, x, y) / self.still), 1])
            for x, y in ((0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1), (0.5, 0.5))
        ]
        left, right, top, bottom, middle = depths
        return np.array([(right - left) / middle, (bottom - top) / middle * width[1] / width[0]])

    @property
    def comes_back(self) -> float:
        """The furthest that the middle goes against its own way, left and right or up and down."""
        between = (self.axes(0) + self.axes(-1)) / 2
        way = np.array(
            [np.linalg.solve(between, self.on_still(t, 0.5, 0.5)) for t in range(len(self.homographies))]
        )
        back = 0.0
        for values in way.T:
            onward = values if values[-1] >= values[0] else -values
            back = max(back, max(onward[i] - onward[j] for j in range(len(onward)) for i in range(j + 1)))
        return float(back)

    def distance(self, t: int) -> float:
        """From the middle of frame t to the subject, in pixels of the still."""
        return float(np.linalg.norm(self.on_still(t, 0.5, 0.5) - np.array(SUBJECT) * self.still))

    @property
    def frame_width(self) -> float:
        """On the still, in pixels, half way between first and last."""
        return float(np.sqrt(np.linalg.det((self.axes(0) + self.axes(-1)) / 2)))

    def magnification(self, t: int) -> float:
        """How many times as large as in the widest view."""
        return self.size(t) * self.frame[0] * float(min(self.still / self.frame))


def check_shot(label: str, seen: Seen) -> None:
    """Each word of the label of one shot is true."""
    moves, *looks = label.split(", ")
    if seen.furthest < 0.01:
        assert moves == "static", (label, seen.furthest)
    else:
        assert moves != "static", (label, seen.furthest)
        check_moves(moves, seen)
    check_looks(looks, seen, label)


def check_looks(looks: list[str], seen: Seen, label: str) -> None:
    stops = float(seen.layer.stops[-1] - seen.layer.stops[0])
    blur = float(seen.layer.blur[-1] - seen.layer.blur[0])
    assert ("getting brighter" in looks) == (stops >= 0.2), label
    assert ("getting darker" in looks) == (stops <= -0.2), label
    assert ("focus pull" in looks) == (blur <= -0.003), label
    assert ("focus pull out" in looks) == (blur >= 0.003), label
    for look in looks:
        if look.endswith(" shot"):
            for t in (0, -1):
                assert_scale(look.removesuffix(" shot"), seen.magnification(t), label)
        elif look == "out of focus":
            assert min(seen.layer.blur[0], seen.layer.blur[-1]) >= 0.003
        else:
            assert look in ("getting brighter", "getting darker", "focus pull", "focus pull out"), label


def assert_scale(name: str, magnification: float, label: str) -> None:
    """Nearer to the range of this shot scale than to that of any other."""
    ends = SCALES[name.replace(" ", "_")]
    gaps = {
        other: max(low / magnification, magnification / high, 1.0) for other, (low, high) in SCALES.items()
    }
    assert gaps[name.replace(" ", "_")] <= min(gaps.values()) * 1.001, (label, magnification, ends)


def check_moves(moves: str, seen: Seen) -> None:
    pace, _, rest = moves.partition(" ")
    assert (pace == "slow") == (seen.speed < 0.12 - 1e-9) or abs(seen.speed - 0.12) < 1e-6, (
        moves,
        seen.speed,
    )
    assert (pace == "fast") == (seen.speed > 1.0 + 1e-9) or abs(seen.speed - 1) < 1e-6, (moves, seen.speed)
    check_words(rest if pace in ("slow", "fast") else moves, seen)


def check_words(rest: str, seen: Seen) -> None:
    """Each word of motion is true; the pace has been looked at."""
    moves = rest
    rest = re.sub(r"(drift|turn) (left|right) and (up|down)", r"\1 \2 and \1 \3", rest)
    (right, down), growth, turn = seen.drift, seen.growth, seen.turn
    (lean_right, lean_down), (lean_right_0, lean_down_0) = seen.lean(-1), seen.lean(0)
    for word in rest.split(" and "):
        context = (moves, word, right, down, growth, turn)
        verb, _, way = word.rpartition(" ")
        # A plain word that stands alone for want of a clearer one is true, if of little.
        alone = (rest == word and verb in ("drift", "move", "turn")) or rest == "back and forth"
        least = 1e-4 if alone else 0.018
        if verb in ("pan", "truck", "tilt", "pedestal", "drift", "whip pan"):
            gone = {"left": -right, "right": right, "up": -down, "down": down}[way]
            assert gone > least, context
            if verb == "pan" or verb == "whip pan":
                # What the camera turns to lies further away, so a line there is shorter.
                assert (lean_right_0 - lean_right) * (1 if way == "right" else -1) > 0, context
            if verb == "whip pan":
                assert seen.speed > 0.5, context
        elif word in ("push in", "zoom in", "crash zoom in", "move in"):
            assert growth > 1 + least, context
        elif word in ("pull out", "zoom out", "crash zoom out", "move out"):
            assert growth < 1 - least, context
        elif verb in ("roll", "turn") and way.endswith("clockwise"):
            assert turn * (-1 if way.startswith("counter") else 1) > (0.01 if alone else 0.9), context
        elif verb in ("arc", "turn"):
            horizontal, vertical = lean_right_0 - lean_right, lean_down - lean_down_0
            looks = {"left": -horizontal, "right": horizontal, "up": vertical, "down": -vertical}[way]
            assert (-looks if verb == "arc" else looks) > (0 if alone else 0.018), context
        elif verb == "dolly zoom":
            stronger = np.hypot(lean_right, lean_down) - np.hypot(lean_right_0, lean_down_0)
            assert stronger * (1 if way == "in" else -1) > 0.018, context
            assert abs(np.log(growth)) < 0.11, context
        elif word == "handheld":
            assert seen.comes_back > 0.0045, context
        elif word in ("back", "forth"):
            returns = seen.furthest > 1.5 * seen.moved(0, len(seen.homographies) - 1)
            assert seen.comes_back > 0.018 or (alone and returns), context
        elif word in ("towards the subject", "away from the subject"):
            nearer = (seen.distance(0) - seen.distance(-1)) / seen.frame_width
            assert nearer * (1 if word.startswith("towards") else -1) > 0.015, context
        elif " to " in word:
            first, last = word.split(" to ")
            assert_scale(first, seen.magnification(0), moves)
            assert_scale(last, seen.magnification(-1), moves)
            order = [name.replace("_", " ") for name in SCALES]
            assert (growth > 1) == (order.index(last) > order.index(first)), context
        elif word == "speed ramp":
            steps = [seen.moved(t - 1, t) for t in range(1, len(seen.homographies))]
            half = (len(steps) + 1) // 2
            ratio = sum(steps[:half]) / max(sum(steps[-half:]), 1e-9)
            assert max(ratio, 1 / max(ratio, 1e-9)) > 1.4, context
        else:
            raise AssertionError(f"an unknown word: {word!r} in {moves!r}")


def check_clip(recipe: ShotRecipe, video: VideoRecipe, view: View, seed: int) -> str:
    rng = take_rng(seed, "label", Take(source_key="a", index=0))
    try:
        edit, layers = draw_edit(recipe, video, [view], rng, [lambda: SUBJECT])
    except StillTooSmall:
        return ""
    label = describe(edit, layers, [view], video.fps)
    pieces = re.split(JOINT, label)
    assert len(pieces[::2]) == len(edit.shots)
    assert pieces[1::2] == [transition.kind for transition in edit.transitions]
    for piece, layer in zip(pieces[::2], layers, strict=True):
        check_shot(piece, Seen(layer, view, video.fps))
    return label


views = st.builds(
    lambda still, frame: View(still_size=still, frame_size=frame),
    st.sampled_from([(500, 375), (1200, 1800), (3000, 2000), (900, 900), (1600, 600)]),
    st.sampled_from([(224, 224), (320, 180), (180, 320)]),
)


@st.composite
def recipes(draw):
    """Random compositions over wild ranges, crops and speeds, with bounds that scale many of them down."""
    names = draw(st.lists(st.sampled_from(sorted(COMPONENTS)), min_size=1, max_size=5, unique=True))
    components = {}
    for name in names:
        wild = {}
        for field in dataclasses.fields(COMPONENTS[name]):
            if "limits" in field.metadata and draw(st.booleans()):
                low, high = field.metadata["limits"]
                ends = sorted(draw(st.tuples(st.floats(low, high), st.floats(low, high))))
                wild[field.name] = [min(end, 40.0) if field.name == "degrees" else end for end in ends]
        components[name] = wild
    return ShotRecipe(
        shots=(ShotKind(name="random", components=components),),
        min_view_area=draw(st.sampled_from([0.0, 0.2, 0.6])),
        min_union_area=draw(st.sampled_from([0.0, 0.6, 0.9])),
        max_speed=draw(st.sampled_from([5.0, 60.0, 600.0])),
        max_magnification=draw(st.sampled_from([1.0, 2.0, 4.0, 8.0])),
        edit=EditRecipe(shots=(1, 2), transitions=("cut", "dissolve", "fade")),
    )


@settings(max_examples=400, deadline=None)
@given(
    recipe=recipes(), view=views, seed=st.integers(0, 2**32), num_frames=st.sampled_from([1, 2, 8, 12, 24])
)
def test_every_word_of_random_compositions_is_borne_out(recipe, view, seed, num_frames):
    check_clip(recipe, VideoRecipe(size=view.frame_size, num_frames=num_frames), view, seed)


@pytest.mark.parametrize("name", [*preset_names(), *COMPONENTS])
@pytest.mark.parametrize("frame", [(224, 224), (320, 180), (180, 320)])
def test_every_word_of_presets_and_single_components_is_borne_out(name, frame):
    if name in COMPONENTS:
        kinds = (ShotKind(name=name, components={name: {}}),)
        if name in ("jitter", "hold", "ramp", "speed", "temporal_crop"):
            kinds = (ShotKind(name=name, components={"truck": {}, name: {}}),)
        recipe = ShotRecipe(shots=kinds)
    else:
        recipe = read_preset(name)
        recipe = dataclasses.replace(recipe, edit=dataclasses.replace(recipe.edit, stills=1))
    view = View(still_size=(1200, 900), frame_size=frame)
    for seed in range(25):
        check_clip(recipe, VideoRecipe(size=frame), view, seed)


def label_of(video: VideoRecipe | None = None, seed: int = 0, **components) -> str:
    recipe = ShotRecipe(
        shots=(ShotKind(name="one", components=components),), min_union_area=0.0, min_view_area=0.1
    )
    return check_clip(recipe, video or VideoRecipe(), PHOTO, seed)


LINEAR = {"ease": "linear"}


@pytest.mark.parametrize(
    ("components", "label"),
    [
        ({"pan": {"degrees": 0, "direction": "left"}}, "static"),
        ({"pan": {"degrees": 10, "direction": "left", **LINEAR}}, "pan left"),
        ({"dolly": {"amount": 0.05, "direction": "in", **LINEAR}}, "slow push in"),
        ({"exposure_drift": {"stops": 1, "direction": "darker"}}, "static, getting darker"),
        ({"exposure_drift": {"stops": 0.1}}, "static"),
        ({"focus_pull": {"percent": 1, "direction": "in"}}, "static, focus pull"),
        ({"zoom": {"ratio": 1.004}}, "static"),
        (
            {"whip_pan": {"direction": "right", "degrees": 20, "at": 0.5, "seconds": 0.3}},
            "fast whip pan right",
        ),
        # A whip pan of which a crop leaves nothing, and one that is slowed down to a pan.
        (
            {
                "whip_pan": {"direction": "right", "at": 0.9, "seconds": 0.2},
                "temporal_crop": {"length": 0.3, "position": 0},
            },
            "static",
        ),
        (
            {"whip_pan": {"direction": "right", "degrees": 20, "at": 0.5, "seconds": 2}},
            "pan right",
        ),
        # One undoes the other, and more.
        (
            {
                "truck": {"amount": 0.1, "direction": "right", **LINEAR},
                "pan": {"degrees": 15, "direction": "left", **LINEAR},
            },
            "pan left",
        ),
        (
            {
                "truck": {"amount": 0.3, "direction": "right", **LINEAR},
                "pan": {"degrees": 0, "direction": "right"},
            },
            "truck right",
        ),
        (
            {"shot_scale": {"first": "medium", "last": "same", "ease": "linear"}},
            "static, medium shot",
        ),
        (
            {
                "shot_scale": {
                    "first": "medium",
                    "last": "wide",
                    "first_within": 0.5,
                    "last_within": 0.5,
                    **LINEAR,
                }
            },
            "medium to wide",
        ),
        ({"interest": {"point": "random", "x": 0.7, "y": 0.5, "direction": "to"}}, "drift right"),
        ({"interest": {"point": "saliency", "direction": "to", **LINEAR}}, "towards the subject"),
        # A walk the other way undoes it.
        (
            {
                "interest": {"point": "saliency", "direction": "to", **LINEAR},
                "truck": {"amount": 0.6, "direction": "left", **LINEAR},
            },
            "truck left and drift up",
        ),
        ({"arc": {"degrees": 20, "direction": "right", **LINEAR}}, "arc right"),
        ({"dolly_zoom": {"ratio": 3, "degrees": 25, "direction": "out", **LINEAR}}, "dolly zoom out"),
        ({"crash_zoom": {"ratio": 2, "direction": "in", "at": 0.5, "seconds": 0.3}}, "fast crash zoom in"),
        ({"crash_zoom": {"ratio": 1.3, "direction": "in", "at": 0.5, "seconds": 3}}, "zoom in"),
        ({"pedestal": {"amount": 0.2, "direction": "down", **LINEAR}}, "pedestal down"),
        ({"tilt": {"degrees": 10, "direction": "up", **LINEAR}}, "tilt up"),
        ({"roll": {"degrees": 6, "direction": "counterclockwise", **LINEAR}}, "slow roll counterclockwise"),
        ({"arc": {"degrees": 20, "direction": "left", **LINEAR}}, "arc left"),
        ({"speed": {"factor": 0.1}, "truck": {"amount": 0.05, **LINEAR}}, "static"),
    ],
)
def test_the_label_says_what_is_seen(components, label):
    words = label_of(**components).removeprefix("slow " if not label.startswith("slow") else "")
    assert words == label


def test_a_dissolve_is_said_and_each_shot_has_its_own_words():
    recipe = ShotRecipe(
        shots=(ShotKind(name="in", components={"dolly": {"amount": 0.2, "direction": "in", **LINEAR}}),),
        edit=EditRecipe(shots=(2, 2), transitions=("dissolve",)),
    )
    label = check_clip(recipe, VideoRecipe(num_frames=24), PHOTO, 0)
    assert re.fullmatch(r"(slow )?push in, dissolve to (slow )?push in", label)


@pytest.mark.parametrize("preset", preset_names())
def test_locked_off_is_locked_off(preset):
    for kind in read_preset(preset).shots:
        if "static" not in kind.components:
            continue
        recipe = ShotRecipe(shots=(kind,))
        for seed in range(30):
            rng = take_rng(seed, "locked", Take(source_key="a", index=0))
            _, layers = draw_edit(recipe, VideoRecipe(), [PHOTO], rng, [lambda: SUBJECT])
            assert (layers[0].homographies == layers[0].homographies[0]).all(), f"{preset}: {kind.name}"


def test_the_measure_of_a_known_shot():
    """A truck by 0.2 frame widths with the view at 0.5 of the widest: 0.4 widths of that view."""
    homographies = np.array(
        [[[0.375, 0, 0.2 + 0.15 * t / 3], [0, 0.5, 0.25], [0, 0, 1]] for t in range(4)], dtype=float
    )
    zeros = np.zeros(4)
    layer = Layer(
        still=0,
        first=0,
        homographies=homographies,
        exposures=homographies,
        exposures_per_frame=np.ones(4, int),
        weight=zeros + 1,
        blur=zeros,
        stops=zeros,
    )
    shorter = dataclasses.replace(
        layer, **{name: getattr(layer, name)[:1] for name in ("homographies", "weight", "blur", "stops")}
    )
    motion, still = measure([layer, shorter], [PHOTO, PHOTO], 4)
    assert [motion] == measure([layer], [PHOTO], 4)
    assert [still] == measure([shorter], [PHOTO], 4)
    assert still.static and still.speed == pytest.approx(0, abs=1e-9)
    assert motion.right == pytest.approx(0.4)
    assert motion.furthest == pytest.approx(0.4)
    assert (motion.speed, motion.drift_speed) == pytest.approx((0.4 / 3 * 4, 0.4 / 3 * 4))
    assert motion.scales == pytest.approx((2, 2))
    assert motion.nearer((1.0, 0.5)) == pytest.approx(0.4)
    for name in ("up", "closer", "clockwise", "swing_right", "swing_up", "steeper", "shake", "zoom_speed"):
        assert getattr(motion, name) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("static", ["static"]),
        ("slow push in and handheld", ["push in", "handheld"]),
        (
            "fast whip pan left and drift right and up, wide to medium, cut to static, medium shot",
            ["whip pan left", "drift right", "drift up", "wide to medium", "static", "medium shot"],
        ),
        ("pan left, dissolve to pan left, getting darker", ["pan left", "getting darker"]),
        ("slow back and forth and turn left and down", ["back and forth", "turn left", "turn down"]),
        ("", []),
    ],
)
def test_the_words_of_a_label(label, words):
    assert words_in(label) == words


def test_the_words_of_a_label_are_those_that_it_was_made_of():
    for name in preset_names():
        label = label_of_preset(name)
        words = words_in(label)
        assert words and all(word in label or word.rpartition(" ")[2] in label for word in words)
        assert not any(" and " in word and word != "back and forth" for word in words)
        assert not any(
            word.startswith(("slow ", "fast ", "cut to", "fade to", "dissolve to")) for word in words
        )


def label_of_preset(name: str) -> str:
    video = VideoRecipe()
    shot, rng = read_preset(name), take_rng(3, "words", Take(source_key=name, index=0))
    views = [PHOTO] * shot.edit.stills
    edit, layers = draw_edit(shot, video, views, rng, [lambda: SUBJECT] * shot.edit.stills)
    return describe(edit, layers, views, video.fps)
