from dataclasses import asdict, fields

import pytest
import torch

from fathomline.learn.history import Epoch
from fathomline.learn.resume import ResumePoint, load_point, save_point


@pytest.fixture
def point(tmp_path) -> ResumePoint:
    return ResumePoint(tmp_path / "abc.safetensors")


def test_a_state_is_read_as_it_was_written(point):
    state = {"moments": {0: torch.arange(3.0), 1: None}, "epochs": [1, 2.5, "three", None], "average": None, "on": True}
    save_point(state, point.path)
    read = load_point(point.path)
    assert torch.equal(read["moments"].pop(0), torch.arange(3.0))
    assert read == state | {"moments": {1: None}}


def test_figures_that_an_epoch_lacks_are_still_lacking_after_an_interruption(point):
    figures = {field.name: number / 3 for number, field in enumerate(fields(Epoch))}
    lacking = dict.fromkeys(("validation_mhd_degraded", "lora_gradient_norm", "lora_gradient_max"))
    epochs = [Epoch(**figures), Epoch(**(figures | lacking))]
    save_point({"history": [asdict(epoch) for epoch in epochs], "weights": torch.zeros(1)}, point.path)
    assert [Epoch(**epoch) for epoch in load_point(point.path)["history"]] == epochs


def test_a_training_keeps_its_name_until_its_end(point):
    name = point.identity
    assert ResumePoint(point.path).identity == name, "another process asks"
    assert len(name) == 12
    save_point({"weights": torch.zeros(1)}, point.path)
    point.remove()
    assert list(point.path.parent.iterdir()) == []
    assert point.identity != name


def test_two_trainings_have_two_names(point):
    assert point.identity != ResumePoint(point.path.with_name("def.safetensors")).identity
