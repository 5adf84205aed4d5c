import pytest
import torch

from fathomline.train.augment_ops import LARGEST_GAP, blurred, erased, recoloured, rotated


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(rois: int = 8, side: int = 32) -> torch.Tensor:
    return 255 * torch.rand(rois, 2, 3, side, side, generator=generator(9))


def detail(images: torch.Tensor) -> float:
    return (images[..., 1:] - images[..., :-1]).abs().mean().item()


def test_rotation_keeps_the_centre_and_turns_either_way_by_up_to_the_given_angle():
    images = torch.zeros(64, 1, 3, 33, 33)
    images[..., 16, 16:] = 255.0  # a line from the centre to the right
    turned = rotated(images, 45.0, generator())
    assert (turned[..., 16, 16] > 100).all()
    rows, columns = torch.meshgrid(torch.arange(33.0) - 16, torch.arange(33.0) - 16, indexing="ij")
    weight = turned[:, 0, 0].clone()
    angles = torch.rad2deg(torch.atan2((weight * rows).sum(dim=(1, 2)), (weight * columns).sum(dim=(1, 2))))
    assert angles.abs().max() <= 46
    assert angles.min() < -30
    assert angles.max() > 30


def test_a_rotation_by_zero_degrees_changes_nothing():
    images = noise()
    assert torch.allclose(rotated(images, 0.0, generator()), images, atol=1e-2)


def test_brightness_changes_by_at_most_the_given_share():
    grey = torch.full((200, 1, 3, 4, 4), 100.0)
    brightness = recoloured(grey, 0.3, generator())[:, 0, 0, 0, 0]
    assert 70 <= brightness.min() < 75
    assert 125 < brightness.max() <= 130
    assert torch.equal(recoloured(noise(), 0.0, generator()).round(), noise().round())


def test_saturation_and_contrast_change_as_well():
    images = noise(64)
    changed = recoloured(images, 0.5, generator())
    spread = changed.std(dim=(1, 2, 3, 4)) / changed.mean(dim=(1, 2, 3, 4))
    assert spread.std() > 0.03, "contrast differs, not only brightness"
    colourful = (changed.amax(dim=2) - changed.amin(dim=2)).mean(dim=(1, 2, 3)) / changed.std(dim=(1, 2, 3, 4))
    assert colourful.std() > 0.03


def test_a_blur_removes_detail_but_keeps_the_mean_and_flat_areas():
    images = noise()
    soft, softer = blurred(images, 0.5), blurred(images, 2.0)
    assert detail(images) > detail(soft) > detail(softer)
    assert softer.mean().item() == pytest.approx(images.mean().item(), rel=0.02)
    flat = torch.full((2, 1, 3, 16, 16), 80.0)
    assert torch.allclose(blurred(flat, 1.5), flat, atol=1e-3)


def test_a_point_is_blurred_to_the_given_standard_deviation():
    images = torch.zeros(1, 1, 3, 33, 33)
    images[..., 16, 16] = 1.0
    across = blurred(images, 2.0)[0, 0, 0].sum(dim=0)
    offsets = torch.arange(33.0) - 16
    assert (across * offsets**2).sum().sqrt().item() == pytest.approx(2.0, rel=0.05)


def test_erasing_fills_a_rectangle_of_limited_size_with_the_mean_colour():
    images = noise(100)
    gone = erased(images, 1.0, generator())
    changed = (gone != images).any(dim=2)
    shares = changed.float().mean(dim=(1, 2, 3))
    assert shares.max() <= LARGEST_GAP + 0.05
    assert shares.mean().item() == pytest.approx(LARGEST_GAP / 2, abs=0.03)
    row = int(shares.argmax())
    hole = changed[row, 0]
    top, left = hole.any(dim=1).nonzero()[0], hole.any(dim=0).nonzero()[0]
    height, width = hole.any(dim=1).sum(), hole.any(dim=0).sum()
    assert hole.sum() == height * width, "a rectangle"
    mean = images[row, 0, 0].mean().item()
    assert gone[row, 0, 0, top, left].item() == pytest.approx(mean, rel=1e-4)


def test_a_share_of_zero_erases_nothing():
    assert torch.equal(erased(noise(), 0.0, generator()), noise())
