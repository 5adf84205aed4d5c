"""The eight orientations of a square picture, by name. The evaluate stage uses them without torch."""

from typing import NamedTuple


class Orientation(NamedTuple):
    """A transpose, then a vertical flip (top to bottom), then a horizontal flip (left to right); each is optional."""

    transposed: bool
    flipped_vertically: bool
    flipped_horizontally: bool


ORIENTATIONS: dict[str, Orientation] = {
    "identity": Orientation(False, False, False),
    "flip_left_right": Orientation(False, False, True),
    "flip_top_bottom": Orientation(False, True, False),
    "rotate_180": Orientation(False, True, True),
    "transpose": Orientation(True, False, False),
    "rotate_90": Orientation(True, True, False),
    "rotate_270": Orientation(True, False, True),
    "transverse": Orientation(True, True, True),
}
"""By Pillow's names; rotations are counter-clockwise. Logits on disk are in this order."""

ORIENTATION_SETS: dict[str, tuple[str, ...]] = {
    "none": ("identity",),
    "mirror": ("identity", "flip_left_right"),
    "flips": ("identity", "flip_left_right", "flip_top_bottom", "rotate_180"),
    "rotations": ("identity", "rotate_180", "rotate_90", "rotate_270"),
    "turns": tuple(ORIENTATIONS),
}
"""Sets of orientations to average predictions over, smallest first. Each is closed under composition: a group of
symmetries that the pictures may have."""
