from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fathomline.config import with_values
from fathomline.model.backbone import build
from fathomline.model.classifier import Classifier
from fathomline.model.degrade import degraded, degraded_scale, view_spans
from fathomline.model.transforms import full_views
from fathomline.rois.crops import Crops
from fathomline.train.config import TrainConfig
from fathomline.train.design import design
from fathomline.train.distributed import SINGLE_PROCESS
from fathomline.train.features import _key, frozen_inputs
from fathomline.train.inputs import FeatureInputs, PixelInputs
from tests.colored_crops import Breakdown, flip_a_bit, with_one_other_pixel
from tests.crops import with_views


def computed(crops: Crops, config: TrainConfig, folder: Path | None, weights: int = 0) -> FeatureInputs:
    """Features of a backbone with random weights from the seed `weights`."""
    torch.manual_seed(weights)
    classifier = build(design(config, views=crops.pixels.shape[1], classes=3))
    scale = None if config.validation.degraded_size is None else degraded_scale(crops, config.validation.degraded_size)
    pixels = PixelInputs(crops.pixels, view_spans(crops), scale, config, torch.device("cpu"))
    return frozen_inputs(classifier, crops, pixels, folder, SINGLE_PROCESS)


def same(first: FeatureInputs, second: FeatureInputs) -> bool:
    return torch.equal(first.plain, second.plain) and torch.equal(first.copies, second.copies)


def test_features_are_the_backbone_output_for_plain_and_degraded_views(two_views, frozen):
    config = with_values(frozen, validation={"degraded_size": 5.0})
    inputs = computed(two_views, config, None)
    torch.manual_seed(0)
    classifier = build(design(config, views=2, classes=3)).eval()
    views = full_views(two_views.pixels, np.arange(120), 16, torch.device("cpu"))
    with torch.no_grad():
        assert torch.allclose(inputs.plain, classifier.features(views), atol=1e-5)
        coarse = degraded(views, view_spans(two_views) * degraded_scale(two_views, 5.0))
        assert torch.allclose(inputs.degraded, classifier.features(coarse), atol=1e-5)
    assert not torch.allclose(inputs.degraded, inputs.plain, atol=1e-3)


def test_features_are_computed_once_and_then_read(crops, frozen, meter, tmp_path):
    config = with_values(frozen, frozen_copies=2, validation={"degraded_size": 5.0})
    first = computed(crops, config, tmp_path)
    assert meter.rois == 120 * (2 + 2)
    second = computed(crops, config, tmp_path)
    assert meter.rois == 120 * (2 + 2)
    assert same(first, second)
    assert torch.equal(first.degraded, second.degraded)
    assert same(first, computed(crops, config, None)), "the same without a folder"


OTHER_FEATURES = {
    "image_size": 20,
    "frozen_copies": 2,
    "augment.min_crop": 0.5,
    "augment.horizontal_flip": False,
    "augment.vertical_flip": False,
    "augment.quarter_turns": True,
    "augment.rotation": 10.0,
    "augment.color_jitter": 0.2,
    "augment.blur": 0.5,
    "augment.degradation": 0.5,
    "augment.erasing": 0.5,
    "validation.degraded_size": 10.0,
    "seed": 1,
    "normalization": "imagenet",
    "backbone": "test_vit",
    "backbone_options": {"act_layer": "gelu"},  # changes no weights
}


def test_features_are_recomputed_when_a_parameter_that_affects_them_changes(crops, frozen, meter, tmp_path):
    config = replace(frozen, frozen_copies=1)
    for number, (name, value) in enumerate(OTHER_FEATURES.items()):
        computed(crops, config, tmp_path)
        seen = meter.rois
        computed(crops, with_values(config, **{name: value}), tmp_path)
        assert meter.rois >= seen + 120, name
        assert len(list(tmp_path.iterdir())) == number + 2, name


def test_features_depend_on_weights_pixels_boxes_and_views(crops, frozen, meter, tmp_path):
    config = with_values(frozen, validation={"degraded_size": 10.0})
    pixels = crops.pixels.copy()
    pixels[7, 0, 0, 0, 0] += 1
    wider = crops.annotations.assign(w=crops.annotations["w"] + 1)
    worlds = [
        (crops, 0),
        (crops, 1),
        (replace(crops, pixels=pixels), 0),
        (replace(crops, annotations=wider), 0),
        (with_views(crops, "frame"), 0),
    ]
    for number, (world, weights) in enumerate(worlds, start=1):
        computed(world, config, tmp_path, weights)
        assert meter.rois == 240 * number


def test_another_backbone_with_the_same_weights_has_other_features(crops, frozen, meter, tmp_path):
    first, second = (replace(frozen, backbone=name) for name in ("mobilenetv3_small_075", "tf_mobilenetv3_small_075"))
    assert not torch.equal(computed(crops, first, tmp_path).plain, computed(crops, second, tmp_path).plain)
    assert meter.rois == 240


@pytest.mark.parametrize(
    "changes",
    [
        {"lr": 1e-4},
        {"epochs": 7},
        {"batch_size": 8},
        {"augment.mixup": 0.2},
        {"loss.expected_distance": 0.0},
    ],
)
def test_a_parameter_that_changes_only_the_head_reuses_the_features(crops, frozen, meter, tmp_path, changes):
    before = computed(crops, frozen, tmp_path)
    assert same(computed(crops, with_values(frozen, **changes), tmp_path), before)
    assert meter.rois == 120


@pytest.fixture
def chunks_of_40(monkeypatch) -> None:
    """120 ROIs make three files."""
    monkeypatch.setattr("fathomline.train.features.CHUNK", 40)


@pytest.mark.usefixtures("chunks_of_40")
@pytest.mark.parametrize("damage", [Path.unlink, flip_a_bit])
def test_only_a_missing_or_damaged_file_is_recomputed(crops, frozen, meter, tmp_path, damage):
    config = replace(frozen, frozen_copies=1)
    complete = computed(crops, config, tmp_path)
    files = sorted(tmp_path.glob("*/*.safetensors"))
    assert [file.name for file in files] == ["00000000.safetensors", "00000040.safetensors", "00000080.safetensors"]
    contents = [file.read_bytes() for file in files]
    damage(files[1])
    assert same(computed(crops, config, tmp_path), complete)
    assert meter.rois == (120 + 40) * 2
    assert [file.read_bytes() for file in files] == contents


@pytest.mark.usefixtures("chunks_of_40")
def test_a_damaged_file_is_reported_and_a_missing_one_is_not(crops, frozen, tmp_path, capsys):
    computed(crops, frozen, tmp_path)
    files = sorted(tmp_path.glob("*/*.safetensors"))
    flip_a_bit(files[1])
    files[2].unlink()
    computed(crops, frozen, tmp_path)
    warned = " ".join(capsys.readouterr().err.split())
    assert warned.startswith(f"warning: features: {files[1]} is damaged (its checksum is")
    assert warned.endswith("; computing them again")
    assert warned.count("warning") == 1
    computed(crops, frozen, tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("roi", [1, 2, 500])
def test_one_changed_pixel_gives_another_key(thousand, frozen, roi):
    classifier = build(design(frozen, views=1, classes=3))
    assert _key(classifier, thousand, frozen) != _key(classifier, with_one_other_pixel(thousand, roi), frozen)


@pytest.mark.parametrize("count", [1, 7, 200])
def test_copies_do_not_depend_on_the_batch_size(crops, frozen, count, monkeypatch):
    config = with_values(frozen, frozen_copies=2, validation={"degraded_size": 5.0}, augment={"degradation": 0.5})
    expected = computed(crops, config, None)
    monkeypatch.setattr("fathomline.train.features.batch_size", lambda *_: count)
    other = computed(crops, config, None)
    assert torch.allclose(other.plain, expected.plain, atol=1e-5)
    assert torch.allclose(other.degraded, expected.degraded, atol=1e-5)
    assert torch.allclose(other.copies, expected.copies, atol=1e-5)


@pytest.mark.usefixtures("chunks_of_40")
def test_an_interruption_loses_only_the_unfinished_file(crops, frozen, meter, tmp_path):
    config = replace(frozen, frozen_copies=1)
    undisturbed = computed(crops, config, None)
    meter.rois, meter.allowed = 0, 100
    with pytest.raises(Breakdown):
        computed(crops, config, tmp_path)
    assert len(list(tmp_path.glob("*/*"))) == 1, "only finished files are there"
    meter.rois, meter.allowed = 0, float("inf")
    assert same(computed(crops, config, tmp_path), undisturbed)
    assert meter.rois == (120 - 40) * 2


@pytest.fixture
def numbered(crops) -> Crops:
    """ROI n has a red level of 2n everywhere, and green grows from left to right."""
    pixels = np.zeros((120, 1, 20, 20, 3), dtype=np.uint8)
    pixels[..., 0] = 2 * np.arange(120)[:, None, None, None]
    pixels[..., 1] = 10 * np.arange(20)
    return replace(crops, pixels=pixels)


def readable_features(classifier: Classifier, views: torch.Tensor) -> torch.Tensor:
    """The red level, and the difference in green between the right side and the left."""
    red, green = views[:, :, 0].float(), views[:, :, 1].float()
    return torch.stack([red.mean(dim=(2, 3)), green[..., -1].mean(dim=2) - green[..., 0].mean(dim=2)], dim=-1)


@pytest.mark.usefixtures("chunks_of_40")
def test_copies_are_augmented_at_random_and_belong_to_their_roi(numbered, frozen, monkeypatch):
    monkeypatch.setattr(Classifier, "features", readable_features)
    inputs = computed(numbered, with_values(frozen, frozen_copies=6, augment={"min_crop": 0.5}), None)
    assert inputs.copies.shape == (120, 6, 1, 2)
    level, slope = inputs.copies[:, :, 0].unbind(dim=-1)
    assert torch.equal(inputs.plain[:, 0, 0], 2.0 * torch.arange(120))
    assert torch.equal(level, inputs.plain[:, :1, 0].expand(120, 6))
    assert 0.4 < (slope < 0).float().mean() < 0.6, "about half are mirrored"
    assert slope.abs().unique().numel() == 11, "cropped to 10, 11 … 20 px"
    assert (slope.std(dim=1) > 0).all(), "the copies of an ROI differ"


@pytest.mark.usefixtures("chunks_of_40")
def test_neighbouring_rois_share_a_crop_size_in_few_copies(numbered, frozen, monkeypatch):
    monkeypatch.setattr(Classifier, "features", readable_features)
    inputs = computed(
        numbered, with_values(frozen, frozen_copies=20, augment={"min_crop": 0.5, "horizontal_flip": False}), None
    )
    slope = inputs.copies[:32, :, 0, 1]  # one seed group, in eight sub-batches of one crop size each
    alike = (slope[:-1] == slope[1:]).float().mean().item()
    assert alike < 0.4, "3 of 31 others are in the same sub-batch; some sub-batches draw the same size"


def test_a_batch_draws_one_copy_of_each_row():
    roi, copy = torch.meshgrid(torch.arange(50.0), torch.arange(4.0), indexing="ij")
    inputs = FeatureInputs(torch.zeros(50, 1, 2), None, torch.stack([roi, copy], dim=-1).unsqueeze(2))
    rows = np.array([40, 3, 17, 3] * 10)
    drawn = [inputs.batch(rows, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert drawn[0][:, 0, 0].tolist() == rows.tolist()
    assert set(drawn[0][:, 0, 1].tolist()) == {0.0, 1.0, 2.0, 3.0}
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_without_copies_a_batch_has_the_plain_features():
    inputs = FeatureInputs(torch.rand(5, 1, 2), None, torch.zeros(5, 0, 1, 2))
    assert torch.equal(inputs.batch(np.array([4, 1]), torch.Generator()), inputs.plain[[4, 1]])


@pytest.mark.parametrize("copies", [0, 1])
def test_mixing_a_batch_in_place_does_not_change_the_features(crops, rows, frozen, copies):
    inputs = computed(crops, replace(frozen, frozen_copies=copies), None)
    before = FeatureInputs(inputs.plain.clone(), None, inputs.copies.clone())
    inputs.batch(rows[0], torch.Generator().manual_seed(0)).zero_()  # timm mixes in place
    assert same(inputs, before)
