"""What a reader of annotations returns, before it is checked."""

from dataclasses import dataclass

from fathomline.dataset.box_format import BoxFormat
from fathomline.dataset.coco import JsonObject


@dataclass(frozen=True)
class Document:
    """Annotations in the form of a COCO JSON, as far as their file has them."""

    content: JsonObject
    """`images`, `annotations`, `categories` and `info` of a COCO JSON, of which the last two may be missing."""

    box_format: BoxFormat | None = None
    """The format that the file itself prescribes for its boxes; None if the user's parameter decides."""

    notes: tuple[str, ...] = ()
    """What was left out or read in an unusual way, one line each."""
