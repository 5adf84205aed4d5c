import numpy as np
import pytest
import torch

from fathomline.config import with_values
from fathomline.model.transforms import full_views
from fathomline.train.augment import augmented

CPU = torch.device("cpu")
ROWS = np.arange(64)
SPANS = np.full((64, 2), 16.0)
"""Pixels of the frame along each view: equal to those stored."""


@pytest.fixture
def pixels() -> np.ndarray:
    """(64, 2, 16, 16, 3): red grows by 10 per pixel to the right, green downwards, and blue by 1 per ROI."""
    ramp = np.broadcast_to(np.arange(0, 160, 10, dtype=np.uint8), (16, 16))
    view = np.stack([ramp, ramp.T, np.zeros((16, 16), dtype=np.uint8)], axis=-1)
    pixels = np.tile(view, (64, 2, 1, 1, 1))
    pixels[..., 2] = np.arange(64)[:, None, None, None]
    return pixels


def drawn(pixels, config, rows: np.ndarray = ROWS, seed: int = 0) -> torch.Tensor:
    return augmented(pixels, rows, SPANS, config, torch.Generator().manual_seed(seed), CPU).float()


def test_without_augmentation_views_are_only_transposed_to_channels_first(pixels, config):
    still = with_values(config, augment={"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False})
    images = drawn(pixels, still)
    assert images.shape == (64, 2, 3, 16, 16)
    assert (images.numpy() == pixels.transpose(0, 1, 4, 2, 3)).all()
    assert torch.equal(full_views(pixels, ROWS, 16, CPU).float(), images)


def test_rows_keep_the_requested_order(pixels, config):
    rows = np.array([5, 60, 5, 1, 33, 2, 7])
    for images in (drawn(pixels, config, rows), full_views(pixels, rows, 16, CPU)):
        assert images[:, 0, 2, 8, 8].tolist() == rows.tolist()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_batch_may_have_fewer_rois_than_sub_batches(pixels, config, count):
    assert len(drawn(pixels, config, ROWS[:count])) == count


def test_each_flip_mirrors_half_of_the_rois_along_one_axis(pixels, config):
    images = drawn(pixels, with_values(config, augment={"min_crop": 1.0, "vertical_flip": False}))
    leftward = images[:, 0, 0, 8, 0] > images[:, 0, 0, 8, 15]
    assert leftward.sum() == 32
    assert (images[:, :, 1].numpy() == pixels[..., 1]).all()
    images = drawn(pixels, with_values(config, augment={"min_crop": 1.0, "horizontal_flip": False}))
    upward = images[:, 0, 1, 0, 8] > images[:, 0, 1, 15, 8]
    assert upward.sum() == 32
    assert (images[:, :, 0].numpy() == pixels[..., 0]).all()


def orientations_of(images: torch.Tensor) -> list[str]:
    """The corner that shows the stored top left pixel, dark in red and green, and whether the axes are swapped."""
    found = []
    for red, green in images[:, 0, :2]:
        swapped = abs(red[0, 0] - red[0, -1]) <= 10
        across, down = (green, red) if swapped else (red, green)
        row = "top" if down[0, 0] < down[-1, 0] else "bottom"
        column = "left" if across[0, 0] < across[0, -1] else "right"
        found.append(f"{row} {column} {'swapped' if swapped else 'straight'}")
    return found


def test_quarter_turns_alone_give_the_four_rotations(pixels, config):
    turned = with_values(
        config, augment={"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False, "quarter_turns": True}
    )
    kinds = set(orientations_of(drawn(pixels, turned)))
    assert kinds == {"top left straight", "bottom right straight", "top right swapped", "bottom left swapped"}


@pytest.mark.parametrize("flips", [(True, True), (True, False), (False, True)])
def test_quarter_turns_with_a_flip_give_all_eight_orientations(pixels, config, flips):
    turned = with_values(
        config, augment={"min_crop": 1.0, "horizontal_flip": flips[0], "vertical_flip": flips[1], "quarter_turns": True}
    )
    kinds = orientations_of(drawn(pixels, turned))
    assert sorted(kinds.count(kind) for kind in set(kinds)) == [8] * 8


@pytest.fixture
def rough(pixels) -> np.ndarray:
    """Noise, the same in both views of an ROI: any blur or degradation changes it."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 1, 16, 16, 3), dtype=np.uint8)
    return np.repeat(noise, 2, axis=1)


def test_small_batches_cycle_through_all_orientations(pixels, config):
    turned = with_values(
        config, augment={"min_crop": 1.0, "horizontal_flip": True, "vertical_flip": True, "quarter_turns": True}
    )
    generator = torch.Generator().manual_seed(0)
    images = [augmented(pixels, ROWS[:2], SPANS, turned, generator, CPU).float() for _ in range(200)]
    kinds = orientations_of(torch.cat(images))
    assert len(set(kinds)) == 8
    assert min(kinds.count(kind) for kind in set(kinds)) > 25


CHANGES = {
    "augment.rotation": 30.0,
    "augment.color_jitter": 0.4,
    "augment.blur": 1.0,
    "augment.degradation": 1.0,
    "augment.erasing": 1.0,
}


@pytest.mark.parametrize(("name", "value"), CHANGES.items())
def test_each_augmentation_changes_all_views_of_an_roi_alike(rough, config, name, value):
    still = with_values(config, augment={"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False})
    before, after = drawn(rough, still), drawn(rough, with_values(still, **{name: value}))
    changed = (before - after).abs().amax(dim=(1, 2, 3, 4)) > 1
    assert changed.float().mean() > 0.7
    assert torch.allclose(after[:, 0], after[:, 1], atol=1e-3)
    assert after.min() >= -1e-3
    assert after.max() <= 255


@pytest.mark.parametrize("name", ["augment.blur", "augment.degradation", "augment.erasing"])
def test_only_the_given_share_of_the_rois_is_changed(rough, config, name):
    still = with_values(config, augment={"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False})
    changed = [
        (drawn(rough, still) - drawn(rough, with_values(still, **{name: 0.5}), seed=seed)).abs().amax(dim=(1, 2, 3, 4))
        > 1
        for seed in range(12)
    ]
    assert 0.3 < torch.cat(changed).float().mean() < 0.7


def test_both_flips_give_four_orientations_equally_often(pixels, config):
    images = drawn(pixels, with_values(config, augment={"min_crop": 1.0}))
    leftward = images[:, 0, 0, 8, 0] > images[:, 0, 0, 8, 15]
    upward = images[:, 0, 1, 0, 8] > images[:, 0, 1, 15, 8]
    kinds = torch.bincount(2 * leftward.int() + upward.int())
    assert kinds.tolist() == [16] * 4


def test_all_views_of_an_roi_get_the_same_crop_and_orientation(pixels, config):
    images = drawn(pixels, with_values(config, augment={"min_crop": 0.5}))
    assert torch.equal(images[:, 0], images[:, 1])


def test_a_crop_keeps_at_least_the_given_share_and_may_be_anywhere(pixels, config):
    cropping = with_values(config, augment={"min_crop": 0.5, "horizontal_flip": False, "vertical_flip": False})
    images = torch.cat([drawn(pixels, cropping, seed=seed) for seed in range(20)])
    red = images[:, 0, 0]
    width = (red.amax(dim=(1, 2)) - red.amin(dim=(1, 2))) / 10 + 1
    assert 8 <= width.min() < 9
    assert 15 < width.max() <= 16
    left, top = red.amin(dim=(1, 2)) / 10, images[:, 0, 1].amin(dim=(1, 2)) / 10
    assert (left.min(), top.min()) == (0, 0)
    assert left.max() > 6
    assert top.max() > 6
    assert abs(np.corrcoef(left[width < 12], top[width < 12])[0, 1]) < 0.3, "drawn independently"


def test_the_crop_depends_on_the_seed(pixels, config):
    assert torch.equal(drawn(pixels, config), drawn(pixels, config))
    assert not torch.equal(drawn(pixels, config), drawn(pixels, config, seed=1))


def test_downscaling_averages_pixels(pixels):
    fine = np.zeros((1, 1, 16, 16, 3), dtype=np.uint8)
    fine[:, :, ::4] = 200  # every fourth row: sampling would show all of these rows or none
    small = full_views(fine, np.array([0]), 4, CPU).float()
    assert small.mean().item() == pytest.approx(50, abs=4)
    assert small.amax() < 80
