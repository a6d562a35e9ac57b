"""Camera captions: grammatical for whatever a shot does, and every word of theirs true of what is seen.

They are read back here with a grammar of their own, into words that the independent measures of `test_label`
judge.
"""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from animate.camera import View
from animate.components import COMPONENTS, draw
from animate.data import Take, take_rng
from animate.edit import draw_edit
from animate.fit import StillTooSmall
from animate.label import ShotWords, words_of
from animate.recipe import CaptionsRecipe, VideoRecipe, preset_names, read_preset
from animate.sentences import camera_caption, stored_caption
from tests.animate.test_label import SUBJECT, Seen, check_looks, check_words, recipes, views

TRANSITIONS = ("cut", "dissolve", "fade")
SIDE, HEIGHT, SPIN, SCALE = (
    "(left|right)",
    "(up|down)",
    "((?:counter)?clockwise)",
    "(?:an? )(wide|medium|close-up)(?: shot)?",
)
WAY = r"((?:left|right)\+(?:up|down)|left|right|up|down)"

#: What an item of a sentence means, in words of the label.
MEANINGS = (
    (f"pans?(?: to the)? {SIDE}", "pan {}"),
    (f"tilts? {HEIGHT}(?:ward)?", "tilt {}"),
    (f"{HEIGHT}ward tilt", "tilt {}"),
    (f"rolls? {SPIN}", "roll {}"),
    (f"{SPIN} roll", "roll {}"),
    (f"(?:rotates|turns?) {SPIN}", "turn {}"),
    (f"{SPIN} turn", "turn {}"),
    (f"truck(?:s|ing move) {SIDE}", "truck {}"),
    (f"(?:moves sideways|sideways move) to the {SIDE}", "truck {}"),
    (f"pedestals? {HEIGHT}", "pedestal {}"),
    (f"(?:moves?|drifts?) {WAY}", "drift {}"),
    (f"(?:turns?|swings?) {WAY}", "turn {}"),
    (r"push(?:es)? in|doll(?:y|ies) in", "push in"),
    (r"pulls? out|doll(?:y|ies) out", "pull out"),
    (r"moves closer|moves? in", "move in"),
    (r"moves? back|moves? out", "move out"),
    (f"arcs? {SIDE}", "arc {}"),
    (f"(?:moves in an )?arc to the {SIDE}", "arc {}"),
    (f"whip pans?(?: to the)? {SIDE}", "whip pan {}"),
    (r"zooms? (in|out)", "zoom {}"),
    (r"(?:crash|snap) zooms? (in|out)", "crash zoom {}"),
    (r"dolly zooms? (in|out)", "dolly zoom {}"),
    (r"(?:moves?|goes|drift) (towards|away from) the subject", "{} the subject"),
    (r"(?:moves?|goes) back\+forth", "back and forth"),
    (f"(?:goes|change) from {SCALE} to {SCALE}", "{} to {}"),
    (f"zooms? (in|out) from {SCALE} to {SCALE}", "zoom {}; {} to {}"),
    (r"shakes|sways|camera shake|sway", "handheld"),
)
LIGHT = {
    "becom(?:es|ing) sharper|get(?:s|ting) sharper in a focus pull": "focus pull",
    "becom(?:es|ing) more blurred|get(?:s|ting) blurred in a focus pull": "focus pull out",
    "(?:is )?(?:out of focus|blurred)": "out of focus",
    "(?:gets|becomes|getting|becoming) brighter": "getting brighter",
    "(?:gets|becomes|getting|becoming) darker": "getting darker",
}
BEGINNING = re.compile(
    r"(?:(?:in this video, |then, after an? (?P<after>\w+), )?the (?:handheld )?camera (?:makes )?|"
    r"the video shows |then an? (?P<then>\w+) to |(?P<to>cut|dissolve|fade) to )?"
)
PACES = {"slow": "slowly|gently|slow|gentle", "fast": "quickly|rapidly|fast|quick"}


class Read:
    """A sentence read back: `transition` before it, `pace`, `moves` and `looks` in words of the label."""

    def __init__(self, sentence: str):
        assert re.fullmatch(r"[A-Z][a-z ,-]*[a-z]\.", sentence), sentence
        assert not re.search(
            r"  |\band(?:[.,]| and)| ,|,,|\ba [aeiou]|\ban [^aeiou]|\b(\w+) \1\b", sentence
        ), sentence
        text = sentence[0].lower() + sentence[1:-1]
        beginning = BEGINNING.match(text)
        assert beginning is not None
        self.transition = next(filter(None, beginning.group("after", "then", "to")), "")
        text = text[beginning.end() :]
        by_hand = "handheld" in beginning[0]
        text, _, light = re.sub(r"(?: while|,) the picture ", "|", text).partition("|")
        self.looks = [
            next(look for words, look in LIGHT.items() if re.fullmatch(words, item))
            for item in light.split(" and ")
            if item
        ]
        text, ramps = re.subn(r" with a speed ramp$", "", text)
        self.static = False
        if still := re.fullmatch(r"(?:an? )?(?:static|still|fixed) (close-up|(?:wide |medium )?shot)", text):
            self.static, text = True, f" in a {still[1]}" if still[1] != "shot" else ""
        if framed := re.search(r",? in a (close-up|wide shot|medium shot)$", text):
            self.looks.insert(0, framed[1].replace("close-up", "close up shot"))
            text = text[: framed.start()]
        if text in ("does not move", "stays still", "holds still"):
            self.static, text = True, ""
        text = re.sub(r"\b(left|right) and (up|down)\b", r"\1+\2", text).replace(
            "back and forth", "back+forth"
        )
        self.pace, self.moves = "", list[str]()
        for number, item in enumerate(re.split(r", | and ", text) if text else ()):
            item = re.sub(r"^an? ", "", item)
            for pace, words in PACES.items():
                item, found = re.subn(f"^(?:{words}) ", "", item)
                if found:
                    assert number == 0, sentence
                    self.pace = pace
            item, hands = re.subn("^handheld ", "", item)
            by_hand = by_hand or bool(hands)
            if ramps and item in ("moves", "move"):
                continue
            self.moves += self._meant(item, sentence)
        self.moves += ["speed ramp"] * ramps
        if by_hand and "handheld" not in self.moves:
            self.moves.append("handheld")
        assert self.static == (not self.moves), sentence

    @staticmethod
    def _meant(item: str, sentence: str) -> list[str]:
        for words, meaning in MEANINGS:
            if found := re.fullmatch(words, item):
                ways = [way.replace("+", " and ").replace("close-up", "close up") for way in found.groups()]
                return meaning.format(*ways).split("; ")
        goal = re.fullmatch(r"(.*) (towards|away from) the subject", item)
        assert goal, f"what is {item!r} in {sentence!r}?"
        return [*Read._meant(goal[1], sentence), f"{goal[2]} the subject"]


#: Words of a label that sentences need not tell apart.
SAME = (
    (r"^(truck|pedestal|drift)", "go"),
    (r"^(push|move) in", "nearer"),
    (r"^(pull|move) out", "further"),
    (r"^(roll|turn) (?=\w*clockwise)", "turn "),
)


def sense(moves) -> set[str]:
    """What moves come to: one word for what means the same, and none that another says along with itself."""
    plain = set()
    for move in moves:
        for words, one in SAME:
            move = re.sub(words, one, move)
        plain.add(move)
    scales = ["wide", "medium", "close up"]
    for move in list(plain):
        first, to, last = move.partition(" to ")
        if to:
            plain.discard("zoom in" if scales.index(last) > scales.index(first) else "zoom out")
        if move.startswith(("crash ", "whip ", "dolly zoom")):
            plain.discard(move.partition(" ")[2])
    return plain


def read(caption: str) -> list[Read]:
    return [Read(sentence) for sentence in re.findall(r"[^.]+\.", caption.replace(". ", "."))]


def check(caption: str, words: ShotWords, sentence: Read, seen: Seen) -> None:
    """All that the sentence says is seen, and all that the label says is in the sentence."""
    assert sentence.static == (seen.furthest < 0.01), caption
    if not sentence.static:
        check_words(" and ".join(sentence.moves), seen)
        assert sentence.pace in (words.pace, ""), caption
        quick = any(move.startswith(("whip", "crash")) for move in words.moves)
        assert sentence.pace == ("" if quick else words.pace), caption
        assert sentence.pace != "slow" or seen.speed < 0.12 + 1e-6, caption
        assert sentence.pace != "fast" or seen.speed > 1 - 1e-6, caption
    check_looks(sentence.looks, seen, caption)
    assert sense(sentence.moves) == sense(words.moves), (caption, words)
    assert sorted(sentence.looks) == sorted(words.looks), (caption, words)


def check_clip(recipe, video: VideoRecipe, view: View, seed: int) -> str:
    rng = take_rng(seed, "label", Take(source_key="a", index=0))
    stills = recipe.edit.stills
    try:
        edit, layers = draw_edit(recipe, video, [view] * stills, rng, [lambda: SUBJECT] * stills)
    except StillTooSmall:
        return ""
    words = words_of(edit, layers, [view] * stills, video.fps)
    kinds = [transition.kind for transition in edit.transitions]
    caption = camera_caption(words, kinds, rng)
    sentences = read(caption)
    assert [sentence.transition for sentence in sentences] == ["", *kinds]
    for said, sentence, layer in zip(words, sentences, layers, strict=True):
        check(caption, said, sentence, Seen(layer, view, video.fps))
    return caption


@settings(max_examples=400, deadline=None)
@given(
    recipe=recipes(), view=views, seed=st.integers(0, 2**32), num_frames=st.sampled_from([1, 2, 8, 12, 24])
)
def test_every_word_about_random_compositions_is_borne_out(recipe, view, seed, num_frames):
    check_clip(recipe, VideoRecipe(size=view.frame_size, num_frames=num_frames), view, seed)


@pytest.mark.parametrize("preset", preset_names())
def test_every_word_about_presets_is_borne_out_and_the_words_are_few(preset):
    view = View(still_size=(1200, 900), frame_size=(224, 224))
    captions = [check_clip(read_preset(preset), VideoRecipe(), view, seed) for seed in range(60)]
    assert len(set(captions)) >= 3, "text varies"
    assert len({word for caption in captions for word in re.findall(r"[\w-]+", caption.lower())}) < 90


def claimable() -> list[str]:
    """Every move that a component can claim, and every plain word."""
    words = set()
    rng = np.random.default_rng(0)
    for component in COMPONENTS.values():
        for _ in range(100):
            for claim in draw(component, {}, rng).claims():
                words |= {claim.words, claim.otherwise} if claim.needs or claim.point else set()
    sides, heights = ("left", "right"), ("up", "down")
    ways = [*sides, *heights, *(f"{a} and {b}" for a, b in itertools.product(sides, heights))]
    plain = [f"{verb} {way}" for verb in ("drift", "turn") for way in ways]
    plain += ["turn clockwise", "turn counterclockwise", "move in", "move out", "back and forth"]
    return sorted({*words, *plain} - {""})


LOOKS = (
    (),
    ("medium shot",),
    ("close up shot", "focus pull", "getting darker"),
    ("wide shot", "out of focus", "getting brighter"),
    ("focus pull out",),
)


@pytest.mark.parametrize("move", claimable())
def test_every_move_has_at_least_three_texts_each_of_which_says_it(move):
    for pace, looks in itertools.product(("", "slow", "fast"), LOOKS):
        if " to " in move and any(look.endswith("shot") for look in looks):
            continue  # one component says either
        words = ShotWords(pace=pace, moves=(move,), looks=looks)
        texts = {camera_caption([words], [], np.random.default_rng(seed)) for seed in range(60)}
        assert len(texts) >= 3
        for text in texts:
            [sentence] = read(text)
            assert sense(sentence.moves) == sense([move])
            assert sorted(sentence.looks) == sorted(looks)


@given(
    moves=st.lists(st.sampled_from(claimable()), max_size=5, unique=True),
    looks=st.sampled_from(LOOKS),
    pace=st.sampled_from(["", "slow", "fast"]),
    kind=st.sampled_from(TRANSITIONS),
    seed=st.integers(0, 2**32),
)
def test_any_moves_together_are_sentences(moves, looks, pace, kind, seed):
    """Also those that no shot does together."""
    words = ShotWords(pace=pace if moves else "", moves=tuple(moves), looks=looks)
    caption = camera_caption([words, words], [kind], np.random.default_rng(seed))
    first, second = read(caption)
    assert (first.transition, second.transition) == ("", kind)
    assert first.looks == second.looks == list(looks)


@pytest.mark.parametrize(
    ("words", "some"),
    [
        ({"pace": "", "moves": (), "looks": ()}, {"The camera does not move.", "Static shot."}),
        (
            {"pace": "slow", "moves": ("push in", "towards the subject"), "looks": ()},
            {"The camera slowly pushes in towards the subject.", "Slow dolly in towards the subject."},
        ),
        (
            {"pace": "fast", "moves": ("crash zoom in", "zoom in", "handheld"), "looks": ("close up shot",)},
            {"The handheld camera crash zooms in, in a close-up.", "Handheld snap zoom in, in a close-up."},
        ),
        (
            {"pace": "", "moves": ("handheld",), "looks": ("getting darker",)},
            {"The handheld camera shakes while the picture gets darker."},
        ),
    ],
)
def test_what_sentences_look_like(words, some):
    captions = {camera_caption([ShotWords(**words)], [], np.random.default_rng(seed)) for seed in range(400)}
    assert some <= captions


def test_shots_stand_in_order_behind_their_transitions():
    shots = [ShotWords(pace="", moves=(move,), looks=()) for move in ("push in", "pan left", "arc right")]
    captions = {camera_caption(shots, ["cut", "fade"], np.random.default_rng(seed)) for seed in range(3000)}
    assert "The camera pushes in. Cut to a pan left. Then a fade to an arc right." in captions
    assert "Dolly in. Then, after a cut, the camera pans left. Fade to an arc to the right." in captions


@pytest.mark.parametrize(
    ("caption", "camera", "stored"),
    [
        ("A dog", "appended", "A dog. The camera pans left."),
        ("A dog!", "appended", "A dog! The camera pans left."),
        ("A dog", "beside", "A dog"),
    ],
)
def test_where_the_sentence_stands(caption, camera, stored):
    assert stored_caption(caption, "The camera pans left.", CaptionsRecipe(camera=camera)) == stored
