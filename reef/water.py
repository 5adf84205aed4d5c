"""The surroundings in a frame: water, seabed, lamplight, marine snow and the camera's noise."""

from functools import cache

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from reef.brush import Pixels
from reef.scene import HEIGHT, WIDTH

WATERS = (
    ((30, 96, 116), (6, 30, 48)),
    ((24, 78, 112), (5, 22, 46)),
    ((38, 104, 104), (8, 36, 42)),
    ((20, 60, 92), (3, 14, 32)),
)
"""Colours of water, as red, green and blue: lit by the lamps, and out of their reach."""

SANDS = ((150, 142, 120), (122, 126, 116), (164, 148, 118), (104, 112, 110))

GRAIN = 0.33
"""Standard deviation of the sensor's noise in grey levels."""


@cache
def _texture() -> Pixels:
    """Rough ground, (1024, 1024) float32 with mean 0, the same for every reef; each frame shows another part of it."""
    white = np.fft.rfft2(default_rng(20_250_101).normal(size=(1024, 1024)))
    down, right = np.fft.fftfreq(1024)[:, None], np.fft.rfftfreq(1024)[None, :]
    frequency = np.hypot(down, right)
    # Amplitudes that fall with frequency give detail at every scale, and the inverse Fourier transform wraps without
    # a seam. The finest detail is left out: it would be invisible, yet enlarge the PNG.
    ground = np.fft.irfft2(white / (frequency + 0.004) ** 1.2 * np.exp(-((frequency / 0.16) ** 2)))
    return (ground / ground.std()).astype(np.float32)


@cache
def _grain() -> NDArray[np.int16]:
    """Sensor noise, (512, 1024, 3) int16: larger than a frame, so each frame takes another part of it."""
    noise = default_rng(20_250_102).normal(0, GRAIN, (512, 1024, 3))
    return np.rint(noise).astype(np.int16)


def light(random: Generator) -> Pixels:
    """The lamps' light on each pixel, (HEIGHT, WIDTH, 1), 0 to 1: a wide pool off centre, with dark corners."""
    x = (np.arange(WIDTH, dtype=np.float32) / WIDTH - random.uniform(0.36, 0.64)) / random.uniform(0.5, 0.72)
    y = (np.arange(HEIGHT, dtype=np.float32) / HEIGHT - random.uniform(0.45, 0.7)) / random.uniform(0.55, 0.85)
    return np.outer(np.exp(-y * y), np.exp(-x * x))[..., None]


def water(random: Generator, pool: Pixels) -> tuple[Pixels, Pixels]:
    """Open water lit by `pool`, (HEIGHT, WIDTH, 3), 0 to 255, and its typical colour, (3,)."""
    near, far = (np.array(colour, dtype=np.float32) for colour in WATERS[int(random.integers(len(WATERS)))])
    brightness = np.float32(random.uniform(0.8, 1.2))
    depth = np.linspace(1.12, 0.88, HEIGHT, dtype=np.float32)[:, None, None]
    shares = np.concatenate([pool * depth, np.broadcast_to(depth, pool.shape)], axis=2)
    return shares @ (np.stack([near - far, far]) * brightness), (far * 0.45 + near * 0.55) * brightness


def lay_seabed(random: Generator, frame: Pixels, pool: Pixels, horizon: float) -> None:
    """Paint the seabed below row `horizon` into `frame`, coarse in front and fading into the water behind."""
    first = max(int(horizon), 0)
    rows = np.arange(first, HEIGHT, dtype=np.float32)
    nearness = (rows - horizon) / (HEIGHT - horizon)
    zoom = 1 / np.maximum(nearness, 0.03)
    offset = random.integers(0, 1024, 2)
    rows_of_texture = (offset[0] + 0.8 * (HEIGHT - horizon) * zoom).astype(np.int32) & 1023
    spread = (np.arange(WIDTH, dtype=np.float32) - WIDTH / 2)[None, :] * zoom[:, None]
    columns_of_texture = (offset[1] + spread).astype(np.int32) & 1023
    # Near the horizon the texture is finer than a pixel and would look like noise.
    rough = _texture()[rows_of_texture[:, None], columns_of_texture] * np.minimum(nearness * 1.5, 1)[:, None]
    sand = np.array(SANDS[int(random.integers(len(SANDS)))], dtype=np.float32) * np.float32(random.uniform(0.6, 0.95))
    lit = (0.24 + 0.9 * pool[first:]) * (1 + random.uniform(0.07, 0.16) * rough[..., None])
    clear = np.clip(nearness * random.uniform(1.2, 2.2), 0, 0.82)[:, None, None]
    frame[first:] *= 1 - clear
    frame[first:] += (lit * clear) @ (sand * np.array([0.72, 0.98, 0.98], dtype=np.float32))[None]


def snow(random: Generator, frame: Pixels, softness: float) -> None:
    """Add drifting particles to `frame`: many small ones, and a few large ones out of focus."""
    for _ in range(int(random.integers(30, 150))):
        radius = float(np.clip(random.gamma(1.6, 0.45) + softness, 0.6, 5))
        reach = int(np.ceil(radius * 2.2))
        x, y = int(random.integers(reach, WIDTH - reach)), int(random.integers(reach, HEIGHT - reach))
        flake = _flake(min(int(radius * 4), 20), reach) * np.float32(random.uniform(24, 120) / (0.6 + radius * 0.7))
        frame[y - reach : y + reach + 1, x - reach : x + reach + 1] += flake


@cache
def _flake(quarter_pixels: int, reach: int) -> Pixels:
    """A particle with a radius in quarter pixels, (2 * reach + 1, 2 * reach + 1, 3)."""
    axis = np.arange(-reach, reach + 1, dtype=np.float32)
    radius = quarter_pixels / 4
    ball = np.exp(-(axis[None, :] ** 2 + axis[:, None] ** 2) / (2 * (radius * 0.6) ** 2))
    return ball[..., None] * np.array([0.82, 1.0, 0.98], dtype=np.float32)


def expose(random: Generator, frame: Pixels) -> NDArray[np.uint8]:
    """Turn light into the camera's picture by adding sensor noise; (HEIGHT, WIDTH, 3) uint8."""
    top, left = int(random.integers(512 - HEIGHT)), int(random.integers(1024 - WIDTH))
    grain = _grain()[top : top + HEIGHT, left : left + WIDTH]
    return np.clip(frame.astype(np.int16) + grain, 0, 255).astype(np.uint8)
