"""Views of an ROI -> logits: one or several backbones, the fusion of their features, and a linear head."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fathomline.model.model_json import Architecture

LARGEST_HEAD_COUNT = 8
"""Maximum number of attention heads between views; the largest divisor of the features up to it is used."""


class Classifier(nn.Module):
    """Normalises views, runs them through their backbone, and classifies their fused features."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbones: Sequence[nn.Module], features: int, architecture: Architecture) -> None:
        """Args: backbones, one for all views or one for each; features, the number of outputs of each backbone."""
        super().__init__()
        self.backbones = nn.ModuleList(backbones)
        attends = architecture.fusion == "attention" and architecture.views > 1
        self.fusion = AttentionFusion(features, architecture.views) if attends else nn.Flatten()
        self.head = nn.Linear(features if attends else features * architecture.views, architecture.classes)
        scale = 255.0
        self.register_buffer("mean", torch.tensor(architecture.mean).view(3, 1, 1) * scale, persistent=False)
        self.register_buffer("std", torch.tensor(architecture.std).view(3, 1, 1) * scale, persistent=False)

    def forward(self, views: Tensor) -> Tensor:
        """Logits, (rois, classes) float.

        Args: views, (rois, views, 3, side, side) uint8 or float, 0 to 255; or their (rois, views, features), as
            returned by `features`.
        """
        features = views if views.dim() == 3 else self.features(views)
        return self.head(self.fusion(features))

    def features(self, views: Tensor) -> Tensor:
        """(rois, views, 3, side, side) uint8 or float, 0 to 255 -> (rois, views, features)."""
        images = (views.float() - self.mean) / self.std
        if len(self.backbones) == 1:
            return _run(self.backbones[0], images.flatten(0, 1)).unflatten(0, views.shape[:2])
        each = [_run(backbone, images[:, view]) for view, backbone in enumerate(self.backbones)]
        return torch.stack(each, dim=1)


def _run(backbone: nn.Module, images: Tensor) -> Tensor:
    features: Tensor = backbone(images.contiguous(memory_format=torch.channels_last))
    return features


class AttentionFusion(nn.Module):
    """(rois, views, features) -> (rois, features): the mean over views that have attended to each other.

    One pre-norm transformer layer. A learned embedding per view lets it tell the box from the frame around it.
    """

    def __init__(self, features: int, views: int) -> None:
        super().__init__()
        heads = next(count for count in range(LARGEST_HEAD_COUNT, 0, -1) if features % count == 0)
        self.embedding = nn.Parameter(torch.zeros(views, features))
        nn.init.trunc_normal_(self.embedding, std=0.02)
        self.layer = nn.TransformerEncoderLayer(
            features, heads, dim_feedforward=features, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layer(features + self.embedding).mean(dim=1)
