"""What is said of components comes from their fields."""

import dataclasses

import pytest
from typer.testing import CliRunner

from animate.components import COMPONENTS, check
from animate.shots import overview, parameters
from animate.strict_toml import RecipeError
from cli.animate.main import app


def shown(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["shots", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_component_is_listed_with_a_sentence():
    assert [name for name, _ in overview()] == list(COMPONENTS)
    printed = shown()
    for name, sentence in overview():
        assert sentence.endswith(".") and f"{name} " in printed and sentence in printed


@pytest.mark.parametrize("name", COMPONENTS)
def test_what_is_said_to_be_allowed_is(name):
    fields = {field.name: field.metadata for field in dataclasses.fields(COMPONENTS[name])}
    said = {parameter.name: parameter for parameter in parameters(name)}
    assert list(said) == [field for field, known in fields.items() if "seed" not in known]
    for parameter in said.values():
        if parameter.unit:
            least, most = map(float, parameter.allowed.split(".."))
            check(COMPONENTS[name], {parameter.name: [least, most]})
            with pytest.raises(ValueError, match=parameter.name):
                check(COMPONENTS[name], {parameter.name: most + 1})
        else:
            check(COMPONENTS[name], {parameter.name: parameter.allowed.split(" | ")})


#: Parameters whose name is their unit.
UNITS = {"degrees", "seconds", "hertz", "stops"}


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_number_has_a_unit(name):
    for field in dataclasses.fields(COMPONENTS[name]):
        if "range" in field.metadata:
            assert field.metadata["unit"] or field.name in UNITS, field.name


def test_a_component_is_explained():
    printed = shown("dolly")
    assert "amount (share of the distance at rest)\n    drawn from [0.1, 0.35]; may be 0..0.9" in printed
    assert "direction\n    drawn from in | out\n" in printed


@pytest.mark.parametrize(("name", "message"), [("doly", "close: dolly"), ("vlog", "it is a preset")])
def test_what_is_no_component_is_refused(name, message):
    with pytest.raises(RecipeError, match=message):
        shown(name)
