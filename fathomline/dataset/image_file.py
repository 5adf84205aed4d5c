"""Decode an image file to the RGB that a viewer shows, or say why it cannot be decoded."""

import io
import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fathomline.errors import Unusable

EXTENSIONS = {
    "PNG": "png",
    "JPEG": "jpg",
    "WEBP": "webp",
    "TIFF": "tif",
    "GIF": "gif",
    "BMP": "bmp",
}
"""The accepted formats, by Pillow's name. Others are refused because some of Pillow's readers start other programs."""

MULTI_PICTURE_JPEG = "MPO"
"""Pillow's name for a JPEG file that contains more than one picture."""

MAX_PIXELS = 89_478_485
"""Larger images are refused as decompression bombs: a quarter of a GiB as RGB, the threshold that Pillow uses."""

MAX_SCANS = 100
"""JPEGs with more are refused, as libtiff does. Each scan goes over all pixels again and may take only 100 bytes of the
file, so that a file of some MB can take an hour to decode. Encoders write about 10."""

JPEG_START = b"\xff\xd8"
JPEG_SEGMENT = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")
"""Start of a segment: any marker but those inside the data of a scan."""
JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"

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
"""What Pillow's readers raise for malformed files: nearly everything."""

EXIF_ORIENTATION = 0x0112
FIRST_SIDEWAYS = 5
"""The EXIF orientations from this one on exchange width and height."""

TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation -> the transpose that turns the stored picture upright."""

TO_STORED = {transpose: transpose for transpose in TO_UPRIGHT.values()} | {
    Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270,
    Image.Transpose.ROTATE_270: Image.Transpose.ROTATE_90,
}
"""The inverse of each transpose in TO_UPRIGHT."""

TIFF_BITS, TIFF_PHOTOMETRIC = 258, 262
TIFF_WHITE_IS_ZERO = 0

# Pillow warns of malformed metadata, which does not affect pixels, and of bombs, which `decode_image` refuses.
warnings.filterwarnings("ignore", module="PIL")


@dataclass(frozen=True)
class Frame:
    """A decoded image."""

    pixels: Image.Image
    """RGB, as stored in the file: not yet upright."""

    to_upright: Image.Transpose | None
    """The transpose that turns `pixels`, or a crop of it, upright; None if it is upright already."""

    extension: str
    """The usual extension of the file's actual format, without a dot."""


def decode_image(body: bytes) -> Frame:
    """Decode the whole of an image file; of an animation, only the first picture.

    Greyscale, palette, bilevel, CMYK and 16-bit images become RGB; transparency is blended with white.
    Raises Unusable if the bytes are not an image, are truncated, or would decode to more than MAX_PIXELS.
    """
    if not body:
        raise Unusable("zero bytes")
    if _has_too_many_scans(body):
        raise Unusable(f"more than {MAX_SCANS} scans: refused as a decompression bomb")
    try:
        with Image.open(io.BytesIO(body), formats=list(EXTENSIONS)) as image:
            return _frame(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unusable(f"more than {MAX_PIXELS} pixels: refused as a decompression bomb") from None
    except UnidentifiedImageError:
        raise Unusable(f"not an image: begins with {body[:24]!r}") from None
    except MALFORMED as error:
        raise Unusable(f"broken image: {_one_line(error)}") from None


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of a picture as a viewer shows it, upright, from the header of its file.

    Raises Unusable if the file cannot be read or is not a picture.
    """
    try:
        with Image.open(path, formats=list(EXTENSIONS)) as image:
            width, height = image.size
            return (height, width) if _orientation(image) >= FIRST_SIDEWAYS else (width, height)
    except UnidentifiedImageError:
        raise Unusable("not an image") from None
    except (Image.DecompressionBombError, *MALFORMED) as error:
        raise Unusable(f"cannot be read: {_one_line(error)}") from None


def decode_pillow_image(image: Image.Image) -> Frame:
    """Decode a Pillow image as `decode_image` would decode its file. `image` is not modified.

    Raises Unusable as `decode_image` does.
    """
    try:
        return _frame(image)
    except MALFORMED as error:
        raise Unusable(f"broken image: {_one_line(error)}") from None


def in_box_coordinates(frame: Frame, stated_size: tuple[int, int] | None) -> tuple[Image.Image, Image.Transpose | None]:
    """The picture in the coordinates of its boxes, and the transpose that turns a crop of it upright, or None.

    `stated_size` is the (width, height) given in the JSON. If it equals the size of the stored pixels, the annotation
    tool ignored the EXIF orientation, and boxes refer to the stored picture. Otherwise, and if the JSON gives no size,
    they refer to the upright picture. A half turn or a mirroring keeps the size, so it counts as stored.
    """
    if frame.to_upright is None or stated_size == frame.pixels.size:
        return frame.pixels, frame.to_upright
    return frame.pixels.transpose(frame.to_upright), None


def _frame(image: Image.Image) -> Frame:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Unusable(f"{width}x{height} is more than {MAX_PIXELS} pixels: refused as a decompression bomb")
    to_upright = TO_UPRIGHT.get(_orientation(image))
    image.load()
    pixels = _rgb(image)
    if to_upright is not None and image.format == "TIFF":
        # Pillow itself turns TIFFs upright, but no other format.
        pixels = pixels.transpose(TO_STORED[to_upright])
    if pixels is image:
        pixels = image.copy()
    pixels.info = {}  # or every crop would inherit colour profiles and other metadata
    return Frame(pixels, to_upright, _extension(image))


def _has_too_many_scans(body: bytes) -> bool:
    """Whether `body` is a JPEG file whose first picture has more than MAX_SCANS."""
    scans, place = 0, len(JPEG_START)
    if not body.startswith(JPEG_START):
        return False
    while scans <= MAX_SCANS and (segment := JPEG_SEGMENT.search(body, place)) and segment[0] != JPEG_END:
        scans += segment[0] == JPEG_SCAN
        place = segment.end() + int.from_bytes(body[segment.end() : segment.end() + 2])
    return scans > MAX_SCANS


def _extension(image: Image.Image) -> str:
    name = "JPEG" if image.format == MULTI_PICTURE_JPEG else image.format
    return EXTENSIONS.get(name or "", "")


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray(_eight_bits(image)).convert("RGB")
    if image.mode in ("I", "F"):
        raise Unusable(f"32-bit pixels (mode {image.mode}): which value means white is undefined")
    if image.has_transparency_data:
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image.convert("RGBA"))
        return background.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> np.ndarray:
    """(height, width) uint8: the upper 8 bits of a greyscale picture of up to 16 bits, transparent pixels white."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    grey = (values >> (max(tags.get(TIFF_BITS, (16,))) - 8)).astype(np.uint8)
    if tags.get(TIFF_PHOTOMETRIC) == TIFF_WHITE_IS_ZERO:
        grey = 255 - grey
    return np.where(values == image.info.get("transparency", -1), np.uint8(255), grey)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(EXIF_ORIENTATION, 1)
    except MALFORMED:  # the pixels of an image with a malformed EXIF block are intact
        return 1


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
