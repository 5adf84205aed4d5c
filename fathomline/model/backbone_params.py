"""What can be told of the parameters of a backbone without PyTorch."""

from collections.abc import Iterable
from pathlib import Path

from fathomline.errors import InputError, listing

RESERVED = (
    "num_classes",
    "in_chans",
    "pretrained",
    "features_only",
    "global_pool",
    "checkpoint_path",
    "drop_path_rate",
)
"""timm options that have their own parameter, that fathomline sets, or that would load an unchecked file."""


def refuse_reserved_options(options: Iterable[str]) -> None:
    """Raise InputError for `train.backbone_options` that fathomline sets."""
    reserved = [key for key in options if key in RESERVED or key.startswith("pretrained_cfg")]
    if reserved:
        raise InputError(f"train.backbone_options has {listing(reserved)}, which fathomline sets itself; remove it")


def check_weights_file(path: str) -> None:
    """Raise InputError unless `train.pretrained` names a .safetensors file."""
    if not Path(path).is_file():
        raise InputError(f"train.pretrained is {path!r}: no such file; set it to true for the model hub's weights")
    if Path(path).suffix != ".safetensors":
        raise InputError(f"train.pretrained is {path!r}; expected a .safetensors file, as other formats can run code")
