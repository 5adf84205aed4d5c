"""A timm backbone with one linear head over the features of its views."""

import difflib
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn

from fathomline.errors import InputError, listing
from fathomline.learn.config import TrainConfig

TIMM_ERRORS = (
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    KeyError,
    ValueError,
    AttributeError,
    AssertionError,
    IndexError,
)
"""What timm raises for options, sizes and weights that do not fit: it checks few of them, and trips over the rest."""


@dataclass(frozen=True)
class Architecture:
    """Everything that rebuilds a classifier, weights aside."""

    backbone: str
    backbone_options: dict[str, str | int | float | bool]
    image_size: int
    views: int
    classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def as_json(self) -> dict:
        return asdict(self)


class Classifier(nn.Module):
    """Normalises views, runs them through one shared backbone, and classifies their concatenated features."""

    def __init__(self, backbone: nn.Module, features: int, architecture: Architecture) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(features * architecture.views, architecture.classes)
        scale = 255.0
        self.register_buffer("mean", torch.tensor(architecture.mean).view(3, 1, 1) * scale, persistent=False)
        self.register_buffer("std", torch.tensor(architecture.std).view(3, 1, 1) * scale, persistent=False)

    def forward(self, views: Tensor) -> Tensor:
        """(rois, views, 3, side, side) uint8 or float, 0 to 255 -> (rois, classes) logits."""
        images = (views.flatten(0, 1).float() - self.mean) / self.std
        features = self.backbone(images.contiguous(memory_format=torch.channels_last))
        return self.head(features.reshape(len(views), -1))


def design(config: TrainConfig, views: int, classes: int) -> Architecture:
    """The architecture that `config` asks for; InputError for a backbone that timm does not have."""
    try:
        defaults = timm.get_pretrained_cfg(config.backbone)
    except RuntimeError:
        defaults = None
    if defaults is None or not timm.is_model(config.backbone):
        close = difflib.get_close_matches(config.backbone, timm.list_models(), n=5)
        hint = f", for example {', '.join(close)}" if close else ""
        raise InputError(f"train.backbone is {config.backbone!r}; expected a model of timm{hint}")
    mean, std = {
        "backbone": (defaults.mean, defaults.std),
        "imagenet": (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD),
        "half": ((0.5,) * 3, (0.5,) * 3),
    }[config.normalization]
    return Architecture(
        config.backbone, dict(config.backbone_options), config.image_size, views, classes, tuple(mean), tuple(std)
    )


RESERVED = ("num_classes", "in_chans", "pretrained", "features_only", "global_pool", "checkpoint_path")
"""Options of timm that this module settles itself, or that would load a file unchecked."""


def build(architecture: Architecture, pretrained: bool | str = False) -> Classifier:
    """A classifier with pretrained or random weights.

    Args: pretrained as `train.pretrained`: true for the model hub's weights, false for none, or a file's path.
    Raises InputError when the weights cannot be had or are another backbone's, or the backbone takes neither the
    options nor the image size.
    """
    options = dict(architecture.backbone_options)
    reserved = [key for key in options if key in RESERVED or key.startswith("pretrained_cfg")]
    if reserved:
        raise InputError(f"train.backbone_options has {listing(reserved)}, which fathomline sets itself; leave it out")
    if timm.get_pretrained_cfg(architecture.backbone).fixed_input_size:
        options.setdefault("img_size", architecture.image_size)
    if isinstance(pretrained, str):
        _check_weights_file(pretrained)
        options["pretrained_cfg_overlay"] = {"file": pretrained}
    backbone = _create(architecture, bool(pretrained), options)
    return Classifier(backbone, _count_features(backbone, architecture), architecture)


def _count_features(backbone: nn.Module, architecture: Architecture) -> int:
    side = architecture.image_size
    try:
        with torch.no_grad():
            return backbone.eval()(torch.zeros(1, 3, side, side)).shape[-1]
    except TIMM_ERRORS as error:
        raise InputError(
            f"train.backbone: {architecture.backbone} with train.backbone_options {architecture.backbone_options} does "
            f"not take images of train.image_size {side}: {_first_line(error)}"
        ) from error


def _check_weights_file(path: str) -> None:
    if not Path(path).is_file():
        raise InputError(f"train.pretrained is {path!r}, and there is no such file; true asks the model hub")
    if Path(path).suffix != ".safetensors":
        raise InputError(f"train.pretrained is {path!r}; expected a .safetensors file: loading others runs code")


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


class _MisfitKeys(logging.Handler):
    """Hears from timm which weights a file lacks or has too many: it says so in its log only, and goes on with what
    fits."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith(("Missing keys (", "Unexpected keys (")):
            self.found += record.getMessage().split("(", 1)[1].split(")", 1)[0].split(", ")

    def __enter__(self) -> "_MisfitKeys":
        self._logger = logging.getLogger("timm.models._builder")
        self._level, self._propagates = self._logger.level, self._logger.propagate
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._level)
        self._logger.propagate = self._propagates


def _create(architecture: Architecture, pretrained: bool, options: dict) -> nn.Module:
    name = architecture.backbone
    weights = options.get("pretrained_cfg_overlay", {}).get("file", "the model hub's weights")
    # A hub that cannot be reached is told once, by the error below, and not at each of its retries.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        with _MisfitKeys() as misfit:
            backbone = timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except TIMM_ERRORS as error:
        cause = _first_line(error)
        if not pretrained:
            raise InputError(
                f"train.backbone_options: {name} does not take them, or not with train.image_size "
                f"{architecture.image_size}: {cause}"
            ) from error
        # Raises in its turn when the options are at fault, and not the weights.
        _create(architecture, False, options)
        raise InputError(
            f"train.pretrained: {weights} could not be loaded into {name}: {cause}; give the path of a weights file "
            "of this backbone, connect to the network for the hub, or set it to false"
        ) from error
    # The hub's weights are the backbone's own; what they have beyond it is a head of another kind.
    if misfit.found and "pretrained_cfg_overlay" in options:
        raise InputError(
            f"train.pretrained: {weights} could not be loaded into {name}: {len(misfit.found)} weights are in one and "
            f"not in the other ({listing(misfit.found, 3)}); give a weights file of this backbone"
        )
    return backbone


def add_adapters(classifier: Classifier, config: TrainConfig) -> None:
    """Freeze the backbone and put LoRA adapters (Hu et al., ICLR 2022) on each of its linear layers, in place.

    Raises InputError for a backbone without linear layers.
    """
    # 6 s of imports that only this branch needs
    from peft import LoraConfig, get_peft_model

    linear = [name for name, layer in classifier.backbone.named_modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise InputError("train.lora: the backbone has no linear layer to adapt; choose a transformer, or lora: false")
    adapters = LoraConfig(
        r=config.lora_r, lora_alpha=config.lora_alpha, lora_dropout=config.lora_dropout, target_modules=linear
    )
    classifier.backbone = get_peft_model(classifier.backbone, adapters)


def set_training(classifier: Classifier) -> None:
    """Training mode, but for frozen batch norms, whose running statistics would drift away from their weights."""
    classifier.train()
    for layer in classifier.modules():
        weights = list(layer.parameters(recurse=False))
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and weights:
            layer.train(any(weight.requires_grad for weight in weights))


def merge_adapters(classifier: Classifier) -> None:
    """Fold the adapters into the weights they adapt, in place, so that inference needs no peft."""
    if hasattr(classifier.backbone, "merge_and_unload"):
        classifier.backbone = classifier.backbone.merge_and_unload()
