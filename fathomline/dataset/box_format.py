"""The formats in which programs write boxes."""

from typing import Literal

BoxFormat = Literal["xywh", "xyxy", "xywh_normalized", "cxcywh_normalized"]
"""xywh: left, top, width, height in pixels, as in COCO. xyxy: left, top, right, bottom in pixels. xywh_normalized: xywh
as fractions of the frame's width and height. cxcywh_normalized: centre, width and height as such fractions, as in
YOLO."""
