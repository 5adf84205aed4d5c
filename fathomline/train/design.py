"""From the `train` section of params to the architecture of a classifier."""

from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

from fathomline.model.backbone import pretrained_config
from fathomline.model.model_json import Architecture
from fathomline.train.config import TrainConfig


def design(config: TrainConfig, views: int, classes: int) -> Architecture:
    """The architecture that `config` describes; InputError for a backbone that timm does not have."""
    defaults = pretrained_config(config.backbone)
    mean, std = {
        "backbone": (defaults.mean, defaults.std),
        "imagenet": (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
        "half": ((0.5,) * 3, (0.5,) * 3),
    }[config.normalization]
    (mean_red, mean_green, mean_blue), (std_red, std_green, std_blue) = mean, std
    return Architecture(
        backbone=config.backbone,
        backbone_options=dict(config.backbone_options),
        image_size=config.image_size,
        views=views,
        fusion=config.fusion,
        separate_backbones=config.separate_backbones,
        classes=classes,
        mean=(mean_red, mean_green, mean_blue),
        std=(std_red, std_green, std_blue),
    )
