"""Any image file -> the RGB that a viewer shows, or a reason why not."""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fathomline.errors import Unusable

EXTENSIONS = {
    "PNG": "png",
    "JPEG": "jpg",
    "WEBP": "webp",
    "TIFF": "tif",
    "GIF": "gif",
    "BMP": "bmp",
}
"""The formats that are read. Others stay closed: some of Pillow's readers start other programs."""

STEREO_JPEG = "MPO"
"""What Pillow calls a JPEG that holds further pictures behind the first."""

MOST_PIXELS = 89_478_485
"""Larger images are taken for decompression bombs: a quarter of a GiB as RGB; Pillow's own threshold."""

MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Pillow's readers let through when a file is malformed: nearly everything."""

ORIENTATION = 0x0112

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a stored picture upright, by its EXIF orientation."""

STORED_AGAIN = {turn: turn for turn in UPRIGHT.values()} | {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}
"""What takes each turn back."""

TIFF_BITS, TIFF_PHOTOMETRIC = 258, 262
TIFF_WHITE_IS_ZERO = 0

# Pillow warns of malformed metadata, which no pixel depends on, and of bombs, which `decode` refuses.
warnings.filterwarnings("ignore", module="PIL")


@dataclass(frozen=True)
class Frame:
    """A decoded image."""

    pixels: Image.Image
    """RGB, as stored: not yet turned upright."""

    turn: Image.Transpose | None
    """What makes `pixels`, or a cut from it, upright; None when it is."""

    extension: str
    """Of the format that the bytes really have, without a dot."""


def decode(body: bytes) -> Frame:
    """Decode an image file completely; of an animation, the first picture.

    Grey, palette, bilevel, CMYK and 16-bit images become RGB; transparent pixels show white, as on a page.
    Raises Unusable when the bytes are no image, are cut short, or would unpack to more than MOST_PIXELS.
    """
    if not body:
        raise Unusable("zero bytes")
    try:
        with Image.open(io.BytesIO(body), formats=list(EXTENSIONS)) as image:
            return Frame(*_decoded(image), _extension(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(f"more than {MOST_PIXELS} pixels: taken for a decompression bomb") from None
    except Image.UnidentifiedImageError:
        raise Unusable(f"not an image: begins with {body[:24]!r}") from None
    except MALFORMED as error:
        raise Unusable(f"broken image: {_one_line(error)}") from None


def decode_opened(image: Image.Image) -> Frame:
    """What `decode` gives of the file that Pillow has opened as `image`, which stays as it is."""
    try:
        pixels, turn = _decoded(image)
        return Frame(pixels, turn, EXTENSIONS.get(image.format, ""))
    except MALFORMED as error:
        raise Unusable(f"broken image: {_one_line(error)}") from None


def _decoded(image: Image.Image) -> tuple[Image.Image, Image.Transpose | None]:
    """RGB as stored, and what makes it upright."""
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise Unusable(_too_large(width, height))
    turn = UPRIGHT.get(_orientation(image))
    image.load()
    pixels = _rgb(image)
    if turn is not None and image.format == "TIFF":
        # Of all formats, Pillow turns this one upright by itself.
        pixels = pixels.transpose(STORED_AGAIN[turn])
    if pixels is image:
        pixels = image.copy()
    pixels.info = {}  # colour profiles and the like would go on into every cut
    return pixels, turn


def in_box_grid(frame: Frame, described: tuple[int, int] | None) -> tuple[Image.Image, Image.Transpose | None]:
    """The picture in the pixel grid that boxes refer to, and what makes a cut from it upright (None: nothing).

    `described` is the (width, height) that the JSON gives. When it is the size of the stored pixels, whoever drew
    the boxes ignored the EXIF orientation, and boxes refer to the stored grid; otherwise, and when the JSON gives
    none, they refer to the upright picture. A half turn or a mirrored picture has the same size either way and counts
    as stored.
    """
    if frame.turn is None or described == frame.pixels.size:
        return frame.pixels, frame.turn
    return frame.pixels.transpose(frame.turn), None


def _extension(image: Image.Image) -> str:
    return EXTENSIONS["JPEG" if image.format == STEREO_JPEG else image.format]


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.mode in ("I", "F"):
        raise Unusable(f"32-bit pixels (mode {image.mode}): which value is white is not defined")
    if image.has_transparency_data:
        page = Image.new("RGBA", image.size, "white")
        page.alpha_composite(image.convert("RGBA"))
        return page.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    """(height, width) uint8, the upper bits of a grey picture of up to 16 bits; what is transparent is white."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    grey = (values >> (max(tags.get(TIFF_BITS, (16,))) - 8)).astype(np.uint8)
    if tags.get(TIFF_PHOTOMETRIC) == TIFF_WHITE_IS_ZERO:
        grey = 255 - grey
    return np.where(values == image.info.get("transparency", -1), np.uint8(255), grey)


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ORIENTATION)
    except MALFORMED:  # a malformed EXIF block says nothing, and the pixels are whole
        return None


def _too_large(width: int, height: int) -> str:
    return f"{width}x{height} are more than {MOST_PIXELS} pixels: taken for a decompression bomb"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
