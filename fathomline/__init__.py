"""fathomline: hierarchical classification of marine animals, at whatever rank the picture allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fathomline.version import __version__

if TYPE_CHECKING:
    from os import PathLike

    from fathomline.predictor.predictor import Predictor

__all__ = ["__version__", "load"]


def load(path: str | PathLike[str]) -> Predictor:
    """Load the bundle in the folder `path`, ready to predict on new pictures.

    Raises fathomline.errors.InputError when the folder is not a bundle, is damaged, or has a newer format.
    """
    from fathomline.predictor.predictor import load_predictor  # torch takes seconds to import

    return load_predictor(path)
