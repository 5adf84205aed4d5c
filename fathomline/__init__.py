"""fathomline: hierarchical classification of marine animals, at whatever rank the picture allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fathomline.version import __version__

if TYPE_CHECKING:
    from os import PathLike

    from fathomline.predictor.choice import Choice
    from fathomline.predictor.engine import EngineName
    from fathomline.predictor.predictor import Predictor

__all__ = ["Choice", "__version__", "load"]


def load(path: str | PathLike[str], engine: EngineName = "auto") -> Predictor:
    """Load a bundle, ready to predict on new pictures.

    Args:
        path: a folder, a .zip of it, hf://owner/name[@revision], or an ONNX file that `fathomline export` wrote.
        engine: what runs the models: `torch`, `onnx` (onnxruntime, on the CPU), or `auto`: torch if it is installed and
            can use a GPU, otherwise onnx if the bundle has an ONNX file, otherwise torch.

    >>> import fathomline
    >>> model = fathomline.load("bundle")
    >>> answers = model.predict(["frame.png"], boxes=[[(2, 3, 12, 9), (20, 10, 10, 12)]])
    >>> [answer.lineage["kingdom"] for answer in answers]
    ['Animalia', 'Animalia']
    >>> answers.to_pandas()[["image", "x", "y", "w", "h"]].values.tolist()
    [[0, 2, 3, 12, 9], [0, 20, 10, 10, 12]]
    >>> model.predict(["frame.png"], choice=fathomline.Choice(within="Redsponge"))[0].name
    'Redsponge'

    Raises fathomline.errors.InputError when there is no bundle, when it is damaged or has a newer format, and when the
    engine is not installed.
    """
    from fathomline.predictor.load import load_predictor  # pandas and the engines take long to import

    return load_predictor(path, engine)


def __getattr__(name: str) -> Any:
    """Import `Choice` when it is used: pandas takes long to import."""
    if name == "Choice":
        from fathomline.predictor.choice import Choice

        return Choice
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
