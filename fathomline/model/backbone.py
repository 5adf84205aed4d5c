"""Build a classifier on timm backbones, with pretrained or random weights."""

import difflib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from timm.models import PretrainedCfg
from torch import nn

from fathomline.errors import InputError, listing
from fathomline.model.backbone_params import check_weights_file, refuse_reserved_options
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
"""What timm raises for unsuitable options, sizes and weights: it checks few of them and fails on the rest."""


def pretrained_config(backbone: str) -> PretrainedCfg:
    """timm's configuration of a backbone; InputError if timm has no such backbone."""
    try:
        defaults = timm.get_pretrained_cfg(backbone)
    except RuntimeError:
        defaults = None
    if defaults is None or not timm.is_model(backbone):
        close = difflib.get_close_matches(backbone, timm.list_models(), n=5)
        hint = f", for example {', '.join(close)}" if close else ""
        raise InputError(f"train.backbone is {backbone!r}; expected a timm model{hint}")
    return defaults


def build(architecture: Architecture, pretrained: bool | str = False, drop_path: float = 0.0) -> Classifier:
    """A classifier with pretrained or random weights.

    Args:
        pretrained: as `train.pretrained`: True for the model hub's weights, False for random ones, or a file's path.
        drop_path: as `train.drop_path`, in [0, 1); it affects training only.
    Raises InputError if the weights cannot be loaded or belong to another backbone, or if the backbone does not support
    the options, the image size or a drop path.
    """
    options: dict[str, Any] = dict(architecture.backbone_options)
    refuse_reserved_options(options)
    if drop_path:
        options["drop_path_rate"] = drop_path
    if pretrained_config(architecture.backbone).fixed_input_size:
        options.setdefault("img_size", architecture.image_size)
    if isinstance(pretrained, str):
        check_weights_file(pretrained)
        options["pretrained_cfg_overlay"] = {"file": pretrained}
    count = architecture.views if architecture.separate_backbones else 1
    backbones = [_create(architecture, bool(pretrained), options) for _ in range(count)]
    return Classifier(backbones, _count_features(backbones[0], architecture), architecture)


def save_memory(classifier: Classifier, name: str) -> None:
    """Enable gradient checkpointing; InputError if the backbone, timm's `name`, does not support it."""
    backbone: Any  # to the type checker, a method of timm's models is a tensor or a module
    try:
        for backbone in classifier.backbones:
            backbone.set_grad_checkpointing(True)
    except TIMM_ERRORS as error:
        raise InputError(
            f"train.gradient_checkpointing: {name} does not support it ({_first_line(error)}); set it to false, and "
            "raise train.accumulation to save memory"
        ) from error


def set_training(classifier: Classifier) -> None:
    """Set training mode, except for frozen batch norms, whose running statistics must keep matching their weights."""
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
            f"not accept images of train.image_size {side}: {_first_line(error)}"
        ) from error


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


@contextmanager
def _mismatched_weights() -> Iterator[list[str]]:
    """Collect the names of the weights that a model loaded by timm has and the file lacks, or the reverse.

    They are read from timm's log, because timm loads the weights that match and reports the others nowhere else. The
    names in the file cannot be compared beforehand: for some backbones, timm converts them.
    """
    names: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith(("Missing keys (", "Unexpected keys (")):
            names.extend(message.split("(", 1)[1].split(")", 1)[0].split(", "))
        return False

    logger = logging.getLogger("timm.models._builder")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addFilter(collect)
    try:
        yield names
    finally:
        logger.removeFilter(collect)
        logger.setLevel(level)


def _create(architecture: Architecture, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    name = architecture.backbone
    weights = options.get("pretrained_cfg_overlay", {}).get("file", "the model hub's weights")
    # An unreachable hub is reported once, by the error below, rather than at each retry.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        with _mismatched_weights() as mismatched:
            backbone = timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except TIMM_ERRORS as error:
        cause = _first_line(error)
        if "drop_path_rate" in cause and "drop_path_rate" in options:
            raise InputError(
                f"train.drop_path is {options['drop_path_rate']}, but {name} has no stochastic depth; set it to 0"
            ) from error
        if not pretrained:
            raise InputError(
                f"train.backbone_options: {name} does not accept them, or not with train.image_size "
                f"{architecture.image_size}: {cause}"
            ) from error
        # This raises if the options are at fault rather than the weights.
        _create(architecture, False, options)
        raise InputError(
            f"train.pretrained: {weights} could not be loaded into {name}: {cause}; set it to the path of a weights "
            "file of this backbone, connect to the network for the hub's weights, or set it to false"
        ) from error
    # The hub's weights belong to the backbone; any surplus is the head that they were trained with.
    if mismatched and "pretrained_cfg_overlay" in options:
        raise InputError(
            f"train.pretrained: {weights} could not be loaded into {name}: {len(mismatched)} weight(s) are in only one "
            f"of the two ({listing(mismatched, 3)}); set it to the path of a weights file of this backbone"
        )
    return backbone
