"""When and where a picture was taken, as its camera recorded it."""

import os
import re
import struct
from pathlib import Path
from typing import Any

from PIL import Image

from fathomline.answers.darwin_core.values import faults
from fathomline.dataset.image_file import EXTENSIONS, MALFORMED

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
TAKEN, TAKEN_OFFSET = 36867, 36881
NORTH_OR_SOUTH, LATITUDE, EAST_OR_WEST, LONGITUDE, BELOW_SEA_LEVEL, ALTITUDE, DATUM = 1, 2, 3, 4, 5, 6, 18

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

PLACE = ("decimalLatitude", "decimalLongitude", "geodeticDatum")
DEPTH = ("minimumDepthInMeters", "maximumDepthInMeters")
EXIF_TERMS = ("eventDate", *PLACE, *DEPTH)

_TAKEN = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
_OFFSET = re.compile(r"[+-]\d\d:\d\d|Z", re.ASCII)


def exif_terms(location: str) -> tuple[dict[str, str], list[str]]:
    """What a picture's EXIF block says, as Darwin Core.

    Args: location, path of a picture; anything else has no EXIF.
    Returns: values by term, among EXIF_TERMS; and the values that cannot be true, which are left out.
    """
    try:
        with Image.open(Path(location), formats=list(EXTENSIONS)) as image:
            exif = _png_exif(location) if image.format == "PNG" else image.getexif()
            camera, position = dict(exif.get_ifd(EXIF_IFD)), dict(exif.get_ifd(GPS_IFD))
    except (Image.DecompressionBombError, *MALFORMED):  # not a file, or a damaged EXIF block: the answer stands
        return {}, []
    terms = {**_date(camera), **_coordinates(position), **_depth(position)}
    wrong = faults(terms)
    impossible = [f"{term} {terms[term]}" for term in wrong]
    left_out = set(wrong)
    for group in (PLACE, DEPTH):
        if not left_out.isdisjoint(group):
            left_out.update(group)
    return {term: value for term, value in terms.items() if term not in left_out}, impossible


def _png_exif(location: str) -> Image.Exif:
    """The EXIF of a PNG. Pillow would decode the whole picture to find it, since it may come after the pixels."""
    exif = Image.Exif()
    with open(location, "rb") as stream:
        stream.seek(len(PNG_SIGNATURE))
        while len(header := stream.read(8)) == 8:
            length, kind = struct.unpack(">I4s", header)
            if kind == b"eXIf":
                exif.load(stream.read(length))
                break
            stream.seek(length + 4, os.SEEK_CUR)  # the content and its checksum
    return exif


def _date(camera: dict[int, Any]) -> dict[str, str]:
    """`eventDate`. Cameras without a clock write blanks or zeros, which EXIF defines as unknown."""
    text = _text(camera.get(TAKEN))
    if not text.strip(" :0"):
        return {}
    taken = _TAKEN.fullmatch(text)
    if taken is None:
        return {"eventDate": text}
    offset = _text(camera.get(TAKEN_OFFSET))
    zone = offset if _OFFSET.fullmatch(offset) else ""
    return {"eventDate": f"{taken[1]}-{taken[2]}-{taken[3]}T{taken[4]}{zone}"}


def _coordinates(position: dict[int, Any]) -> dict[str, str]:
    if LATITUDE not in position or LONGITUDE not in position:
        return {}
    latitude = _degrees(position[LATITUDE], _text(position.get(NORTH_OR_SOUTH)) == "S")
    longitude = _degrees(position[LONGITUDE], _text(position.get(EAST_OR_WEST)) == "W")
    if {latitude.lstrip("-"), longitude.lstrip("-")} == {"0.000000"}:  # receivers without a fix
        return {}
    datum = _text(position.get(DATUM))
    named = "WGS84" if re.sub(r"[\W_]", "", datum).upper() in ("", "WGS84", "WGS1984") else datum
    return {"decimalLatitude": latitude, "decimalLongitude": longitude, "geodeticDatum": named}


def _degrees(parts: Any, negative: bool) -> str:
    """Decimal degrees to 0.1 m, from degrees, minutes and seconds; "nan" if they are not numbers."""
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
        value = degrees + minutes / 60 + seconds / 3600
    except (TypeError, ValueError, ArithmeticError):
        value = float("nan")
    return f"{-value if negative else value:.6f}"


def _depth(position: dict[int, Any]) -> dict[str, str]:
    """The depth of a picture that was taken below sea level."""
    if ALTITUDE not in position or position.get(BELOW_SEA_LEVEL) not in (b"\x01", 1):
        return {}
    try:
        depth = f"{float(position[ALTITUDE]):.2f}"
    except (TypeError, ValueError, ArithmeticError):
        depth = "nan"
    return {"minimumDepthInMeters": depth, "maximumDepthInMeters": depth}


def _text(value: Any) -> str:
    return value.replace("\0", "").strip() if isinstance(value, str) else ""
