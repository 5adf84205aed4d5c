"""From params to a classifier of timm backbones, with pretrained or random weights."""

import difflib
import logging
from pathlib import Path

import timm
import torch
from safetensors import SafetensorError
from timm.models import PretrainedCfg
from torch import nn

from fathomline.errors import InputError, listing
from fathomline.model.classifier import Classifier
from fathomline.model.model_json import Architecture

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


def pretrained_config(backbone: str) -> PretrainedCfg:
    """What timm says of a backbone; InputError when it does not have it."""
    try:
        defaults = timm.get_pretrained_cfg(backbone)
    except RuntimeError:
        defaults = None
    if defaults is None or not timm.is_model(backbone):
        close = difflib.get_close_matches(backbone, timm.list_models(), n=5)
        hint = f", for example {', '.join(close)}" if close else ""
        raise InputError(f"train.backbone is {backbone!r}; expected a model of timm{hint}")
    return defaults


RESERVED = (
    "num_classes",
    "in_chans",
    "pretrained",
    "features_only",
    "global_pool",
    "checkpoint_path",
    "drop_path_rate",
)
"""Options of timm that have a parameter of their own, that this module settles, or that would load a file unchecked."""


def build(architecture: Architecture, pretrained: bool | str = False, drop_path: float = 0.0) -> Classifier:
    """A classifier with pretrained or random weights.

    Args: pretrained as `train.pretrained`: true for the model hub's weights, false for none, or a file's path;
        drop_path as `train.drop_path`, which changes training only.
    Raises InputError when the weights cannot be had or are another backbone's, or the backbone takes neither the
    options nor the image size nor a drop path.
    """
    options = dict(architecture.backbone_options)
    reserved = [key for key in options if key in RESERVED or key.startswith("pretrained_cfg")]
    if reserved:
        raise InputError(f"train.backbone_options has {listing(reserved)}, which fathomline sets itself; leave it out")
    if drop_path:
        options["drop_path_rate"] = drop_path
    if pretrained_config(architecture.backbone).fixed_input_size:
        options.setdefault("img_size", architecture.image_size)
    if isinstance(pretrained, str):
        _check_weights_file(pretrained)
        options["pretrained_cfg_overlay"] = {"file": pretrained}
    count = architecture.views if architecture.separate_backbones else 1
    backbones = [_create(architecture, bool(pretrained), options) for _ in range(count)]
    return Classifier(backbones, _count_features(backbones[0], architecture), architecture)


def save_memory(classifier: Classifier, name: str) -> None:
    """Switch gradient checkpointing on; InputError for a backbone, called `name`, that has none."""
    try:
        for backbone in classifier.backbones:
            backbone.set_grad_checkpointing(True)
    except TIMM_ERRORS as error:
        raise InputError(
            f"train.gradient_checkpointing: {name} has none ({_first_line(error)}); set it to false, and raise "
            "train.accumulation to save memory"
        ) from error


def set_training(classifier: Classifier) -> None:
    """Training mode, but for frozen batch norms, whose running statistics would drift away from their weights."""
    classifier.train()
    for layer in classifier.modules():
        weights = list(layer.parameters(recurse=False))
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and weights:
            layer.train(any(weight.requires_grad for weight in weights))


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
    # A hub that cannot be reached is reported once, by the error below, and not at each retry.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        with _MisfitKeys() as misfit:
            backbone = timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except TIMM_ERRORS as error:
        cause = _first_line(error)
        if "drop_path_rate" in cause and "drop_path_rate" in options:
            raise InputError(
                f"train.drop_path is {options['drop_path_rate']}, which {name} does not take: it has no stochastic "
                "depth; set it to 0"
            ) from error
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
