"""Augmentations of single pictures: rotation, colour, blur, erasing.

Low resolution is in fathomline/model/degrade.py, as validation needs it too.

Pictures are (rois, views, 3, side, side) float, 0 to 255; all views of an ROI change alike. Generators are on the CPU,
so that the draws do not depend on the device.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from fathomline.model.transforms import to_device

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma (ITU-R BT.601)."""

LARGEST_GAP = 0.2
"""Largest share of a picture that is erased."""


def rotated(images: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Rotate each ROI around its centre by up to `degrees` either way; uncovered corners repeat the nearest pixel."""
    rois, views = images.shape[:2]
    angles = torch.deg2rad(degrees * (2 * torch.rand(rois, generator=generator) - 1))
    cosine, sine, zero = angles.cos(), angles.sin(), torch.zeros(rois)
    turns = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).view(rois, 2, 3)
    flat = images.flatten(0, 1)
    turns = to_device(turns.repeat_interleave(views, dim=0), images.device)
    grid = functional.affine_grid(turns, list(flat.shape), align_corners=False)
    turned = functional.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return turned.view_as(images)


def recoloured(images: Tensor, amount: float, generator: torch.Generator) -> Tensor:
    """Scale saturation, contrast and brightness of each ROI, each by a factor from U(1 − amount, 1 + amount)."""
    factors = 1 + amount * (2 * torch.rand(len(images), 3, 1, 1, 1, 1, generator=generator) - 1)
    saturation, contrast, brightness = to_device(factors, images.device).unbind(dim=1)
    weights = to_device(torch.tensor(GREY), images.device).view(1, 1, 3, 1, 1)
    grey = (images * weights).sum(dim=2, keepdim=True)
    images = grey + saturation * (images - grey)
    middle = grey.mean(dim=(1, 3, 4), keepdim=True)
    return (brightness * (middle + contrast * (images - middle))).clamp(0, 255)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur with a standard deviation of `sigma` pixels, above 0; the border repeats the nearest pixel."""
    reach = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    flat = images.flatten(0, 2).unsqueeze(1)
    across = functional.conv2d(functional.pad(flat, (reach, reach, 0, 0), mode="replicate"), kernel.view(1, 1, 1, -1))
    both = functional.conv2d(functional.pad(across, (0, 0, reach, reach), mode="replicate"), kernel.view(1, 1, -1, 1))
    return both.view_as(images)


def erased(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """In about `share` of the ROIs, fill a rectangle of up to `LARGEST_GAP` of the picture with its mean colour."""
    rois, side = len(images), images.shape[-1]
    area = LARGEST_GAP * torch.rand(rois, generator=generator)
    aspect = torch.exp(math.log(3) * (2 * torch.rand(rois, generator=generator) - 1))
    size = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=1).clamp(max=1.0)
    corner = (1 - size) * torch.rand(rois, 2, generator=generator)
    size[torch.rand(rois, generator=generator) >= share] = 0.0
    places = (torch.arange(side) + 0.5) / side
    inside = (places >= corner[..., None]) & (places < (corner + size)[..., None])
    gap = to_device((inside[:, 0, :, None] & inside[:, 1, None, :])[:, None, None], images.device)
    return torch.where(gap, images.mean(dim=(3, 4), keepdim=True), images)
