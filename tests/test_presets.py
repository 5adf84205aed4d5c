"""Presets, and the params.yaml that each produces."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fathomline.config import load_params, load_section
from fathomline.errors import InputError
from fathomline.train.config import TrainConfig
from stages.params import SECTIONS, params_text

ROOT = Path(__file__).parent.parent
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))


def flat(values: dict, above: str = "") -> dict[str, object]:
    """Flatten nested values to dotted keys."""
    found: dict[str, object] = {}
    for key, value in values.items():
        found |= flat(value, f"{above}{key}.") if isinstance(value, dict) and value else {above + key: value}
    return found


def test_params_yaml_has_the_defaults():
    assert (ROOT / "params.yaml").read_text() == params_text()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_gives_a_complete_and_valid_params_file(preset, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(params_text(preset))
    for name, cls in SECTIONS.items():
        assert load_section(path, name, cls)
    written, base = flat(load_params(path)), flat(load_params(ROOT / "params.yaml"))
    assert set(written) == set(base)
    assert {key: value for key, value in written.items() if value != base[key]} == {
        key: value for key, value in flat(load_params(preset)).items() if value != base[key]
    }


@pytest.mark.parametrize("preset", [path for path in PRESETS if path.stem != "reef"], ids=lambda path: path.stem)
def test_a_preset_contains_only_changed_values(preset):
    base = flat(load_params(ROOT / "params.yaml"))
    assert [key for key, value in flat(load_params(preset)).items() if value == base[key]] == []
    assert preset.read_text().startswith("# ")


def test_dvc_and_the_stages_read_the_same_values_from_params_yaml():
    text = (ROOT / "params.yaml").read_text()
    assert "&" not in text.replace("W&B", ""), "DVC does not preserve anchors"
    assert yaml.safe_load(text)["train"]["lr"] == load_section(ROOT / "params.yaml", "train", TrainConfig).lr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trian: {lr: 1.0}", "no such section: trian; the sections are source, download"),
        (
            "train: {optimizer: {nmae: sgd}}",
            "train.optimizer.nmae is not a parameter; allowed in `train.optimizer` ",
        ),
        ("train: {augment: {blur: 2.0}}", "train.augment.blur is 2.0, expected less than or equal to 1"),
        ("train: {loss: 3}", "train.loss is 3, expected keys with values"),
    ],
)
def test_a_mistake_in_a_preset_is_reported(tmp_path, text, says):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        params_text(path)
    assert f"{path}: {says}" in str(raised.value)


def test_an_invalid_preset_leaves_params_yaml_unchanged(tmp_path):
    (tmp_path / "params.yaml").write_text("mine")
    (tmp_path / "bad.yaml").write_text("train: {lr: fast}")
    command = [sys.executable, "-m", "stages.params", "bad.yaml"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, (tmp_path / "params.yaml").read_text()) == (1, "mine")
    assert done.stderr == "error: bad.yaml: train.lr is 'fast', expected a valid number\n"


def test_values_that_look_like_others_are_read_back_as_they_were(tmp_path):
    preset = tmp_path / "mine.yaml"
    preset.write_text('bundle: {name: "1e5"}\ntrain: {backbone_options: {"a: b": "on", "# x": "0o17", "1e5": 2}}\n')
    (tmp_path / "params.yaml").write_text(params_text(preset))
    assert load_section(tmp_path / "params.yaml", "bundle", SECTIONS["bundle"]).name == "1e5"
    options = load_section(tmp_path / "params.yaml", "train", TrainConfig).backbone_options
    assert options == {"a: b": "on", "# x": "0o17", "1e5": 2}


def test_the_comment_of_a_parameter_names_its_choices():
    lines = params_text().splitlines()
    assert "concat | attention" in lines[lines.index("  fusion: concat") - 1]
