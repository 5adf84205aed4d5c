from dataclasses import replace

import pytest
import torch

from fathomline.learn.augment import augmented, plain, to_tensor


@pytest.fixture
def views() -> torch.Tensor:
    """(64, 2, 3, 16, 16): brightness grows to the right and, in the second channel, downwards."""
    ramp = torch.arange(16.0).expand(16, 16)
    return torch.stack([ramp, ramp.T, torch.zeros(16, 16)]).expand(64, 2, 3, 16, 16)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_stored_views_become_channels_first_floats():
    stored = torch.arange(2 * 1 * 4 * 4 * 3, dtype=torch.uint8).view(2, 1, 4, 4, 3)
    tensor = to_tensor(stored)
    assert tensor.shape == (2, 1, 3, 4, 4)
    assert tensor[1, 0, 2, 3, 1] == stored[1, 0, 3, 1, 2]


def test_without_augmentation_the_view_comes_back(views, config):
    still = replace(config, min_crop=1.0, horizontal_flip=False, vertical_flip=False)
    assert torch.allclose(augmented(views, still, generator()), views, atol=1e-4)
    assert torch.equal(plain(views, 16), views)


def test_each_flip_mirrors_about_half_of_the_rois_along_its_own_axis(views, config):
    flipped = augmented(views, replace(config, min_crop=1.0, vertical_flip=False), generator())
    to_the_left = flipped[:, 0, 0, 8, 0] > flipped[:, 0, 0, 8, 15]
    assert 20 < to_the_left.sum() < 44
    assert torch.allclose(flipped[:, :, 1], views[:, :, 1], atol=1e-4)


def test_views_of_one_roi_are_turned_alike(views, config):
    images = augmented(views, config, generator())
    assert torch.equal(images[:, 0], images[:, 1])


def test_a_crop_keeps_at_least_the_share_asked_for(views, config):
    cropped = augmented(views, replace(config, min_crop=0.5, horizontal_flip=False, vertical_flip=False), generator())
    width = cropped[:, 0, 0].amax(dim=(1, 2)) - cropped[:, 0, 0].amin(dim=(1, 2))
    assert width.min() >= 15 * 0.5 - 1.0
    assert width.max() <= 15.0
    assert width.std() > 1.0


def test_a_plain_view_is_the_whole_view_made_smaller(views):
    small = plain(views, 8)
    assert small.shape[-2:] == (8, 8)
    assert small.mean().item() == pytest.approx(views.mean().item(), rel=1e-3)
