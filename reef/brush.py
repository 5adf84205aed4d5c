"""Turn parts into pixels: draw them enlarged, shrink them to smooth their edges, and shade them as surfaces."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from reef.anatomy import Part

Pixels = NDArray[np.float32]

LIGHT = np.array([-0.28, -0.58, 0.77], dtype=np.float32)
"""Unit vector towards the vehicle's lamps: above, slightly left of and behind the camera."""

CONTOUR_PIXELS = 1.6
"""Distance between the steps of a drawn relief, small enough for blurring to smooth them out."""

MAX_CONTOURS = 24


def enlargement(width: int, height: int) -> int:
    """How many times larger to draw a tile: more for small tiles, where edges are more visible."""
    longest = max(width, height)
    return 4 if longest < 90 else 3 if longest < 200 else 2


def draw(parts: list[Part], width: int, height: int) -> Pixels:
    """Draw and shade parts, given in pixels of the tile.

    Returns RGBA, (height, width, 4) float32, 0 to 255, not premultiplied.
    """
    times = enlargement(width, height)
    size = (width * times, height * times)
    colour, alpha, relief = Image.new("RGB", size), Image.new("L", size), Image.new("L", size)
    pens = ImageDraw.Draw(colour, "RGBA"), ImageDraw.Draw(alpha), ImageDraw.Draw(relief)
    for part in parts:
        _fill(part, times, *pens)
    colour.putalpha(alpha)
    flat = np.asarray(colour.reduce(times), dtype=np.float32)
    rounded = relief.filter(ImageFilter.BoxBlur(times * 0.7)).reduce(times)
    return _shade(flat, np.asarray(rounded, dtype=np.float32) / np.float32(255))


def _fill(
    part: Part, times: int, colour: ImageDraw.ImageDraw, alpha: ImageDraw.ImageDraw, relief: ImageDraw.ImageDraw
) -> None:
    """Draw one part, enlarged, on all three layers; the relief rises in steps from the rim to the ridge."""
    outline, ridge = part.outline * times, part.ridge * times
    corners = outline.ravel().tolist()
    fill = tuple(int(channel) for channel in part.colour)
    if part.mark:
        colour.polygon(corners, fill=(*fill, int(255 * part.alpha)))
        return
    colour.polygon(corners, fill=(*fill, 255))
    alpha.polygon(corners, fill=int(255 * part.alpha))
    rise = float(np.abs(outline - ridge).max()) / (CONTOUR_PIXELS * times)
    contours = 1 if rise < 0.4 else min(max(int(rise), 2), MAX_CONTOURS)
    for step in range(contours):
        inwards = (step + 0.5) / contours
        surface = 1 - part.roundness * (1 - np.sqrt(1 - (1 - inwards) ** 2))
        inner = (outline + (ridge - outline) * (step / contours)).ravel().tolist() if step else corners
        relief.polygon(inner, fill=int(255 * surface))


def _shade(flat: Pixels, relief: Pixels) -> Pixels:
    """Light a flat picture (h, w, 4) by its relief (h, w): how much the surface faces the camera, 0 to 1."""
    down, right = np.gradient(relief)
    steep = np.sqrt(np.maximum(1 - relief * relief, 0)) / np.maximum(np.hypot(down, right), 1e-4)
    lit = relief * LIGHT[2] - steep * (right * LIGHT[0] + down * LIGHT[1])
    shine = np.clip(lit, 0, 1) ** 14 * 34
    strength = 0.5 + 0.7 * np.clip(lit, 0, 1)
    shaded = flat.copy()
    shaded[..., :3] = np.minimum(flat[..., :3] * strength[..., None] + shine[..., None], 255)
    # Thin tissue is denser when seen edge-on; this gives glassy bodies their bright rims.
    shaded[..., 3] = np.minimum(flat[..., 3] * (1 + 0.55 * (1 - relief)), 255)
    return shaded
