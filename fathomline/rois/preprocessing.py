"""How an ROI becomes pixels, in the crop stage and for every new picture."""

from typing import Annotated, Literal

from annotated_types import Interval, MinLen

from fathomline.config import section

View = Annotated[float, Interval(ge=0.1, le=100)] | Literal["frame"]
"""What a view shows: 1.0 is the box, 3.0 three times the box, `frame` the whole frame."""

Size = Annotated[int, Interval(ge=16, le=1024)]
"""Side of a stored view, in pixels."""

Padding = Literal["edge", "mean"]
"""What a view shows beyond the frame: the frame's nearest pixel, or its mean colour."""


@section
class Preprocessing:
    views: Annotated[tuple[View, ...], MinLen(1)]
    """What each view shows, in the order of the pixels."""

    size: Size

    square: bool
    """Extend the shorter side of a view, which keeps proportions (true), or stretch the view (false)."""

    padding: Padding
