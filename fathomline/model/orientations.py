"""The eight orientations of a square picture, by name. No torch: evaluate chooses among them, too."""

from typing import NamedTuple


class Orientation(NamedTuple):
    """How a picture is laid: transposed or not, then flipped top to bottom and left to right or not."""

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
"""By the names that Pillow gives them; rotations are counter-clockwise. Their order is the order on disk."""

ORIENTATION_SETS: dict[str, tuple[str, ...]] = {
    "none": ("identity",),
    "mirror": ("identity", "flip_left_right"),
    "flips": ("identity", "flip_left_right", "flip_top_bottom", "rotate_180"),
    "rotations": ("identity", "rotate_180", "rotate_90", "rotate_270"),
    "turns": tuple(ORIENTATIONS),
}
"""Sets that predictions can be averaged over, the smallest first. Each is closed under composition: it is a symmetry
that the pictures may have."""
