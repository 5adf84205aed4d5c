from typing import Annotated, Literal

import pytest
from annotated_types import Interval
from dvc.utils.serialize import parse_yaml

from fathomline.config import load_params, load_section, section
from fathomline.errors import InputError


@section
class Oven:
    heat: Annotated[float, Interval(gt=0, le=300)]
    """Degrees Celsius."""
    mode: Literal["fan", "grill"]
    """Heating mode."""
    racks: list[int]
    """Rack positions in use."""
    bread: bool | str
    """Whether there is bread, or its kind."""
    minutes: dict[str, Annotated[float, Interval(ge=0)]]
    """Baking time by dish."""


def load(tmp_path, text: str) -> Oven:
    path = tmp_path / "params.yaml"
    path.write_text("oven:\n" + text)
    return load_section(path, "oven", Oven)


GOOD = "  heat: 1.0\n  mode: fan\n  racks: [0]\n  bread: true\n  minutes: {cake: 40, bun: 15}\n"


@pytest.mark.parametrize("written", ["1e-5", "1e-05", "1.0e-5", "0.00001"])
def test_floats_are_read_in_every_notation_that_dvc_writes(tmp_path, written):
    assert load(tmp_path, GOOD.replace("1.0", written)).heat == 1e-5


def test_an_integer_is_accepted_as_a_float(tmp_path):
    assert load(tmp_path, GOOD.replace("1.0", "2")).heat == 2.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("1.0", "fast"), "oven.heat is 'fast', expected a valid number"),
        (("1.0", "0"), "oven.heat is 0, expected greater than 0"),
        (("1.0", "301"), "oven.heat is 301, expected less than or equal to 300"),
        (("1.0", ".nan"), "oven.heat is nan, expected a finite number"),
        (("1.0", "true"), "oven.heat is True, expected a valid number"),
        (("fan", "steam"), "oven.mode is 'steam', expected 'fan' or 'grill'"),
        (("[0]", "[0, 1.5]"), "oven.racks is 1.5, expected a valid integer at [1]"),
        (("[0]", "0"), "oven.racks is 0, expected a valid list"),
        (("bun: 15", "bun: -1"), "oven.minutes is -1, expected greater than or equal to 0 at [bun]"),
        (("true", "3"), "oven.bread is 3, expected a valid boolean or a valid string"),
        (("heat", "haet"), "oven.haet is not a parameter; allowed in `oven` are heat, mode, racks, bread, minutes"),
        (("  mode: fan\n", ""), "oven.mode is missing and has no default"),
    ],
)
def test_an_invalid_value_is_reported_with_the_allowed_values(tmp_path, change, says):
    with pytest.raises(InputError) as raised:
        load(tmp_path, GOOD.replace(*change))
    lines = [line for line in str(raised.value).splitlines() if says in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"{tmp_path}/params.yaml: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- 1\n", "expected a mapping"),
        ("a: [\n", "not YAML"),
        ("a:\n\tb: 1\n", r"not YAML: .*; indent with spaces, not with tabs$"),
        (
            "a:\n  b: 1\n  c:2\n  d: 3\n",
            r"not YAML: .*; write each parameter as `key: value`, with a space after the colon$",
        ),
        ("a:\n  b:1\n  c: 2\n", r"not YAML: .*; write each parameter as `key: value`, with a space after the colon$"),
        ("other: 1\n", "section `oven` is missing"),
    ],
)
def test_a_file_that_is_not_a_params_file_is_named(tmp_path, text, says):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        load_section(path, "oven", Oven)


def test_a_missing_file_says_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match="make use"):
        load_section(tmp_path / "params.yaml", "oven", Oven)


@pytest.mark.parametrize(
    ("written", "value"),
    [("12:30", "12:30"), ("on", "on"), ("1e-5", 1e-5), ("010", 10.0), ("0x10", 16), ("true", True), ("-3", -3)],
)
def test_values_are_read_as_dvc_reads_them(tmp_path, written, value):
    path = tmp_path / "params.yaml"
    path.write_text(f"key: {written}\n")
    assert load_params(path)["key"] == parse_yaml(path.read_text(), path)["key"] == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2\n", 'found duplicate key "a"'),
        ("a: 2023-13-45\n", "not YAML: month must be in 1..12"),
        ("a: " + "[" * 3000, "not YAML"),
    ],
)
def test_an_unreadable_params_file_is_an_input_error(tmp_path, text, says):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        load_params(path)
