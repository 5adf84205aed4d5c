"""Draw a scene back to front: water, seabed, stones and organisms; then encode it as PNG."""

import numpy as np
from PIL import Image, ImageFilter

from reef.anatomy import moved
from reef.brush import Pixels, draw
from reef.png import encode
from reef.scene import HEIGHT, SOFTNESS, WIDTH, Body, Scene, stream
from reef.water import expose, lay_seabed, light, snow, water

MARGIN = 5
"""Pixels around a body's box that leave room for its blur."""

ABSORPTION = np.array([0.55, 0.16, 0.15], dtype=np.float32)
"""Absorption of red, green and blue over the longest distance; water absorbs red most."""

VEIL = 0.34
"""Fraction of a body's light that the water replaces with its own over the longest distance."""


def render(scene: Scene, seed: int, subset: str, image_id: int) -> bytes:
    """Draw the scene as a PNG of WIDTH x HEIGHT pixels."""
    random = stream(seed, subset, image_id, 2)
    pool = light(random)
    frame, haze = water(random, pool)
    if scene.horizon < HEIGHT:
        lay_seabed(random, frame, pool, scene.horizon)
    lamps = 0.62 + 0.56 * pool
    organisms = sorted(
        (individual.body for individual in scene.individuals), key=lambda body: body.box[1] + body.box[3]
    )
    for body in (*scene.stones, *organisms):
        _paint(frame, body, lamps, haze)
    snow(random, frame, SOFTNESS[subset])
    return encode(expose(random, frame))


def _paint(frame: Pixels, body: Body, lamps: Pixels, haze: Pixels) -> None:
    """Blend a body into `frame`, lit by `lamps` (HEIGHT, WIDTH, 1) and tinted by `haze`, the colour of the water."""
    left, top, width, height = body.box
    left, top = max(left - MARGIN, 0), max(top - MARGIN, 0)
    right, bottom = min(left + width + 2 * MARGIN, WIDTH), min(top + height + 2 * MARGIN, HEIGHT)
    here = np.s_[top:bottom, left:right]
    if body.grounded:
        _shadow(frame, body)
    tile = _blurred(draw(moved(body.parts, np.eye(2), (-left, -top)), right - left, bottom - top), body.blur)
    cover = tile[..., 3:] / 255
    veil = VEIL * body.distance
    frame[here] *= 1 - cover
    frame[here] += tile[..., :3] * lamps[here] * (np.exp(-body.distance * ABSORPTION) * (1 - veil))
    frame[here] += cover * (haze * veil)


def _blurred(tile: Pixels, blur: float) -> Pixels:
    """The tile out of focus, with colours premultiplied by alpha."""
    picture = Image.fromarray(tile.astype(np.uint8), "RGBA").convert("RGBa")
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(blur)), dtype=np.float32)


def _shadow(frame: Pixels, body: Body) -> None:
    """Darken the seabed around the foot of a body."""
    left, top, width, height = body.box
    x = np.arange(max(left - width // 4, 0), min(left + width + width // 4, WIDTH), dtype=np.float32)
    depth = max(height // 5, 4)
    foot = top + height - depth // 3
    y = np.arange(max(foot - 2 * depth, 0), min(foot + 2 * depth, HEIGHT), dtype=np.float32)
    across = ((x - left - width / 2) / (width * 0.42)) ** 2
    along = ((y - foot) / (depth * 0.8)) ** 2
    dark = 0.42 * np.exp(-across[None, :] - along[:, None])
    frame[int(y[0]) : int(y[-1]) + 1, int(x[0]) : int(x[-1]) + 1] *= 1 - dark[..., None]
