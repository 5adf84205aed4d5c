"""fathomline: hierarchical classification of marine animals, at whatever rank the picture allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fathomline.version import __version__

if TYPE_CHECKING:
    from os import PathLike

    from fathomline.predictor.engine import EngineName
    from fathomline.predictor.predictor import Predictor

__all__ = ["__version__", "load"]


def load(path: str | PathLike[str], engine: EngineName = "auto") -> Predictor:
    """Load a bundle, ready to predict on new pictures.

    Args:
        path: a folder, a .zip of it, hf://owner/name[@revision], or an ONNX file that `fathomline export` wrote.
        engine: what runs the models: `torch`, `onnx` (onnxruntime, on the CPU), or `auto`: torch if it is installed and
            can use a GPU, otherwise onnx if the bundle has an ONNX file, otherwise torch.

    Raises fathomline.errors.InputError when there is no bundle, when it is damaged or has a newer format, and when the
    engine is not installed.
    """
    from fathomline.predictor.load import load_predictor  # pandas and the engines take long to import

    return load_predictor(path, engine)
