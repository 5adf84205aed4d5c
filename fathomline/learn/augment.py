"""Turning stored views into the model's input: augmented for training, plain for everything else."""

import torch
from torch import Tensor
from torch.nn import functional

from fathomline.learn.config import TrainConfig


def to_tensor(views: Tensor) -> Tensor:
    """(rois, views, side, side, 3) uint8 -> (rois, views, 3, side, side) float32, 0 to 255."""
    return views.permute(0, 1, 4, 2, 3).float()


def plain(views: Tensor, size: int) -> Tensor:
    """Whole views resized to `size`. (rois, views, 3, side, side) float -> (rois, views, 3, size, size)."""
    rois, count, _, side, _ = views.shape
    if side == size:
        return views
    images = functional.interpolate(
        views.flatten(0, 1), size=(size, size), mode="bilinear", align_corners=False, antialias=True
    )
    return images.view(rois, count, 3, size, size)


def augmented(views: Tensor, config: TrainConfig, generator: torch.Generator) -> Tensor:
    """A random crop and random flips, one draw an ROI and the same for its views, resized to `config.image_size`.

    Args: views (rois, views, 3, side, side) float; a CPU generator, so that every device sees the same draws.
    Returns: (rois, views, 3, image_size, image_size) float.
    """
    rois, count = views.shape[:2]
    share = config.min_crop + (1 - config.min_crop) * torch.rand(rois, generator=generator)
    shift = (1 - share)[:, None] * (2 * torch.rand(rois, 2, generator=generator) - 1)
    flips = 1 - 2 * torch.randint(2, (rois, 2), generator=generator).float()
    flips[:, 0] = torch.where(torch.tensor(config.horizontal_flip), flips[:, 0], 1.0)
    flips[:, 1] = torch.where(torch.tensor(config.vertical_flip), flips[:, 1], 1.0)
    transform = torch.zeros(rois, 2, 3)
    transform[:, 0, 0], transform[:, 1, 1] = share * flips[:, 0], share * flips[:, 1]
    transform[:, :, 2] = shift
    transform = transform.to(views.device).repeat_interleave(count, dim=0)
    shape = [rois * count, 3, config.image_size, config.image_size]
    grid = functional.affine_grid(transform, shape, align_corners=False)
    images = functional.grid_sample(
        views.flatten(0, 1), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return images.view(rois, count, 3, config.image_size, config.image_size)
