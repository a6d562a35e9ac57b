"""Recipes: strict, complete in their digest, and blind to where they run."""

import dataclasses
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from animate.recipe import BuildRecipe, SourceRecipe, preset_names, read_preset, read_recipe
from animate.strict_toml import (
    RecipeError,
    apply_overrides,
    differences,
    digest,
    from_table,
    read_toml,
    to_table,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    size: int | tuple[int, int] = 3
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str = "x"
    rate: float = 0.5
    on: bool = False
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    maybe: int | None = None
    table: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        if self.rate < 0:
            raise ValueError(f"rate = {self.rate}: must be at least 0")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"nme": "y"},
            "'nme' in the top level (did you mean 'name'?); known keys there: inner, many, maybe, name",
        ),
        (
            {"inner": {"sise": 1}},
            "'sise' in [inner] (did you mean 'size'?); known keys there: kind, size",
        ),
        ({"many": [{}, {"x": 1}]}, "unknown key 'x' in [many[1]]"),
        ({"name": 3}, "name = 3: must be text"),
        ({"on": 1}, "on = 1: must be true or false"),
        ({"rate": True}, "rate = true: must be a number"),
        ({"rate": float("nan")}, "not NaN"),
        ({"rate": -1}, "rate = -1.0: must be at least 0"),
        ({"inner": {"kind": "c"}}, 'inner.kind = "c": must be one of a, b'),
        ({"inner": {"size": [1]}}, "inner.size = [1]: must have 2 values"),
        ({"inner": 3}, "inner: expected a table"),
        ({"maybe": "no"}, "maybe"),
        ({"table": {"k": "v"}}, "table.k"),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_names_it(table, message):
    with pytest.raises(RecipeError) as error:
        from_table(Outer, table)
    assert message in str(error.value)


def test_tables_and_recipes_are_two_spellings_of_one_thing():
    outer = Outer(rate=2.0, inner=Inner(size=(4, 5)), many=(Inner(kind="b"),), maybe=7, table={"k": 1.5})
    assert from_table(Outer, to_table(outer)) == outer


def test_a_whole_number_is_a_number():
    assert from_table(Outer, {"rate": 2}).rate == 2.0


def test_a_digest_changes_with_every_field_and_with_nothing_else():
    digests = {digest(Outer())}
    for change in ({"name": "y"}, {"rate": 1.0}, {"on": True}, {"inner": Inner(size=4)}, {"maybe": 0}):
        digests.add(digest(dataclasses.replace(Outer(), **change)))
    assert len(digests) == 6
    assert digest(Outer()) == digest(from_table(Outer, {}))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_text_that_is_not_toml_is_taken_as_it_stands(text):
    table = apply_overrides({}, [f"name={text}"])
    assert table["name"] == text.strip() or not isinstance(table["name"], str) or text.strip()[0] in "\"'"


def test_overrides_reach_into_tables_and_leave_the_original_alone():
    table = {"inner": {"size": 3}}
    changed = apply_overrides(table, ["inner.kind=b", "inner.size=[1, 2]", "rate=0.25"])
    assert from_table(Outer, changed) == Outer(rate=0.25, inner=Inner(size=(1, 2), kind="b"))
    assert table == {"inner": {"size": 3}}
    for bad in ("rate", "=3", "inner.size.deep=3"):
        with pytest.raises(RecipeError, match="override"):
            apply_overrides(table, [bad])


def test_differences_name_the_key_and_both_values():
    old, new = to_table(Outer()), to_table(Outer(rate=1.0, inner=Inner(size=4), maybe=1))
    assert differences(old, new) == ["inner.size: 3 -> 4", "maybe: not set -> 1", "rate: 0.5 -> 1.0"]


def test_a_file_that_is_missing_or_not_toml_is_named(tmp_path):
    with pytest.raises(RecipeError, match="no such file"):
        read_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("a = = 1")
    with pytest.raises(RecipeError, match=r"bad\.toml.*not valid TOML"):
        read_toml(tmp_path / "bad.toml")
    with pytest.raises(RecipeError, match="folder"):
        read_toml(tmp_path)


def test_the_digest_of_a_build_does_not_depend_on_where_the_corpus_lies():
    here = BuildRecipe(source=SourceRecipe(name="folder", path="/here"))
    there = BuildRecipe(source=SourceRecipe(name="folder", path="/there"))
    assert here.digest() == there.digest()
    assert here.content() == there.content()
    assert here.digest() != BuildRecipe(source=SourceRecipe(name="table", path="/here")).digest()


def test_a_preset_is_part_of_the_content_shot_by_shot():
    recipe = read_recipe(None, ["shot.preset=documentary"])
    assert recipe.shot == read_preset("documentary")
    assert recipe.content()["shot"]["shots"][0]["components"]
    assert recipe.digest() != BuildRecipe().digest()


def test_keys_beside_a_preset_change_only_themselves():
    plain = read_preset("documentary")
    recipe = read_recipe(None, ["shot.preset=documentary", "shot.edit.shots=[1, 1]", "shot.max_speed=50"])
    assert recipe.shot.edit == dataclasses.replace(plain.edit, shots=(1, 1))
    assert recipe.shot.max_speed == 50
    assert recipe.shot.shots == plain.shots


def test_the_named_presets_are_there():
    wanted = {"push_in", "handheld_follow", "documentary", "vlog", "webvid_like", "paper_zoom", "static"}
    assert wanted <= set(preset_names())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("video.size=225", "even"),
        ("video.size=[224]", "2 values"),
        ("video.fps=many", "number"),
        ("video.num_frames=0", "1..100000"),
        ("video.crf=99", "0..51"),
        ("video.format=webm", "mp4, frames, virtual"),
        ("takes=0", "at least 1"),
        ("shards.clips_per_shard=0", "at least 1"),
        ("source.min_side=0", "at least 1"),
        ("source.background=[0, 0, 256]", "0..255"),
        ("captions.camera=after", "none, beside, appended"),
    ],
)
def test_impossible_values_are_refused_when_read(override, message):
    with pytest.raises(RecipeError) as error:
        read_recipe(None, [override])
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("24", 24),
        ("24.0", 24),
        ("12.5", 12.5),
        ('"30000/1001"', 30000 / 1001),
        ("30000/1001", 30000 / 1001),
        ("29.97", 30000 / 1001),
        ("23.976", 24000 / 1001),
        ("59.94", 60000 / 1001),
        ("29.9", 29.9),
        ('"50/2"', 25),
    ],
)
def test_frames_a_second_may_be_a_fraction(written, meant):
    fps = read_recipe(None, [f"video.fps={written}"]).video.fps
    assert (fps, type(fps)) == (meant, type(meant))


@pytest.mark.parametrize("written", ["1/0", "1/2/3", "-3/2", "0/1", "0.5", "241", "nan", "inf", "true"])
def test_what_is_no_rate_is_refused(written):
    with pytest.raises(RecipeError, match="fps"):
        read_recipe(None, [f"video.fps={written}"])


def test_a_montage_cannot_be_virtual():
    with pytest.raises(RecipeError, match=r"virtual.*stills"):
        read_recipe(None, ["video.format=virtual", "shot.preset=montage"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "seed = 1\n[video]\nfps = 4\nsise = 64\n",
            "r.toml, line 4: unknown key 'sise' in [video] (did you mean 'size'?)",
        ),
        ("takse = 2\n", "r.toml, line 1: unknown key 'takse' in the top level (did you mean 'takes'?)"),
        ("seed = 1\nvideo.sise = 64\n", "line 2: unknown key 'sise' in [video]"),
        ("[source.filter]\nnsfw = []\n", "line 1: unknown key 'filter' in [source] (did you mean 'filters'"),
        (
            '[[shot.shots]]\nname = "a"\ncomponents.pan = {}\nwieght = 2\n',
            "line 4: unknown key 'wieght' in [shot.shots[0]] (did you mean 'weight'?)",
        ),
        ("\nfps = 8\n", "line 2: unknown key 'fps' in the top level (did you mean the one in [video]?"),
        ("[video]\ntakes = 2\n", "unknown key 'takes' in [video] (did you mean the one in the top level?)"),
        ("[shot]\nlimit = 2\n", "unknown key 'limit' in [shot] (did you mean the one in [source]?)"),
        ("[source]\nlimit = -1\n", "[source] limit = -1: must be at least 0"),
        ('[[shot.shots]]\nname = "a"\ncomponents.pam = {}\n', "'pam' (did you mean 'pan'?)"),
        (
            '[[shot.shots]]\nname = "a"\ncomponents.pan = { degres = 3 }\n',
            "'degres' (did you mean 'degrees'?)",
        ),
    ],
)  # fmt: skip
def test_a_typo_is_found_in_its_table_and_its_line(tmp_path, text, said):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(RecipeError) as error:
        read_recipe(tmp_path / "r.toml")
    assert said in str(error.value)


def test_a_typo_of_an_override_has_no_line(tmp_path):
    (tmp_path / "r.toml").write_text("[video]\nsize = 64\n")
    with pytest.raises(RecipeError) as error:
        read_recipe(tmp_path / "r.toml", ["video.sise=3"])
    assert str(error.value).startswith("unknown key 'sise' in [video] (did you mean 'size'?)")


def test_what_differs_is_shown_but_for_digests():
    one, other = {"files": 2, "names": "ab" * 16}, {"files": 3, "names": "cd" * 16}
    assert differences(one, other) == ["files: 2 -> 3", "names: is another"]
