"""fathomline: hierarchical classification of marine animals, at whatever rank the picture allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from fathomline.bundle.predictor import Predictor

__version__ = "0.1.0"


def load(path: str | PathLike[str]) -> Predictor:
    """Load a bundle, ready to predict on new pictures.

    Args: path of the folder.
    Raises fathomline.errors.InputError when it is no bundle, is damaged, or is of a newer format.
    """
    from fathomline.bundle.predictor import load_predictor  # torch takes seconds to import

    return load_predictor(path)
