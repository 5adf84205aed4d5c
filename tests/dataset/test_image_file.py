import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from fathomline.dataset import image_file
from fathomline.dataset.image_file import decode_image, in_box_coordinates
from fathomline.errors import Unusable
from tests.frames import encoded, picture

# pytest overrides the filter that image_file.py sets.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

CORNERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)]


def three_by_two() -> Image.Image:
    image = Image.new("RGB", (3, 2))
    image.putdata(CORNERS)
    return image


def pixels(body: bytes) -> np.ndarray:
    return np.asarray(decode_image(body).pixels)


def tagged(orientation: int, form: str = "PNG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(three_by_two(), form, exif=exif)


@pytest.mark.parametrize(
    ("form", "extension"), [("PNG", "png"), ("BMP", "bmp"), ("TIFF", "tif"), ("JPEG", "jpg"), ("WEBP", "webp")]
)
def test_the_extension_matches_the_actual_format(form, extension):
    assert decode_image(encoded(picture(), form)).extension == extension


def test_a_palette_image_becomes_rgb():
    image = three_by_two()
    assert np.array_equal(pixels(encoded(image.quantize(6))), np.asarray(image))


def test_greyscale_becomes_three_equal_channels():
    grey = picture().convert("L")
    assert np.array_equal(pixels(encoded(grey)), np.repeat(np.asarray(grey)[:, :, None], 3, axis=2))


def test_bilevel_becomes_black_and_white():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image)).tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_sixteen_bit_greyscale_keeps_its_upper_bits():
    grey = Image.fromarray(np.array([[0, 255, 256, 32768, 65535]], dtype=np.uint16))
    for form in ("PNG", "TIFF"):
        assert pixels(encoded(grey, form))[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_transparency_is_blended_with_white():
    image = Image.new("RGBA", (3, 1))
    image.putdata([(10, 20, 30, 255), (10, 20, 30, 0), (0, 0, 0, 128)])
    shown = pixels(encoded(image))[0].tolist()
    assert shown == [[10, 20, 30], [255, 255, 255], [127, 127, 127]]


def test_a_transparent_palette_entry_becomes_white():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert pixels(encoded(image, transparency=1))[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_cmyk_becomes_rgb():
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    for form in ("JPEG", "TIFF"):
        assert np.abs(pixels(encoded(cyan, form)).astype(int) - [0, 255, 255]).max() <= 2


def test_twelve_bit_greyscale_uses_the_full_range():
    packed = bytes([0xFF, 0xF7, 0xF0])  # 4095 and 2032
    entries = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 3)]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", tag, 4, 1, n) for tag, n in entries)
    body = b"II*\0" + struct.pack("<I", 12) + packed + b"\0" + directory + struct.pack("<I", 0)
    assert pixels(body)[0, :, 0].tolist() == [255, 127]


def test_a_tiff_whose_zero_is_white_is_inverted():
    grey = np.array([[0, 4095]], dtype=np.uint16)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    assert pixels(encoded(Image.fromarray(grey * 16), "TIFF", tiffinfo=tags))[0, :, 0].tolist() == [255, 0]


def test_a_transparent_sixteen_bit_value_becomes_white():
    grey = Image.fromarray(np.array([[300, 40_000]], dtype=np.uint16))
    assert pixels(encoded(grey, transparency=300))[0, :, 0].tolist() == [255, 156]


def test_a_palette_image_without_a_palette_is_broken():
    header = struct.pack(">IIBBBBB", 2, 1, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0\0")), (b"IEND", b"")]
    body = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    with pytest.raises(Unusable, match="broken image"):
        decode_image(body)


def test_an_animation_gives_its_first_picture():
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    for form in ("PNG", "GIF", "TIFF"):
        assert (pixels(encoded(first, form, save_all=True, append_images=[second])) == [255, 0, 0]).all()


def test_extreme_shapes_are_decoded():
    assert decode_image(encoded(Image.new("RGB", (1, 1)))).pixels.size == (1, 1)
    assert decode_image(encoded(Image.new("RGB", (20_000, 1)))).pixels.size == (20_000, 1)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
def test_a_file_truncated_anywhere_is_refused(form):
    body = encoded(picture(32, 32), form)
    for length in range(0, len(body) * 9 // 10, max(len(body) // 40, 1)):
        with pytest.raises(Unusable):
            decode_image(body[:length])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "zero bytes"),
        (b"<html>busy</html>", "not an image: begins with b'<html>busy</html>'"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"),
    ],
)
def test_a_file_that_is_not_an_image_is_refused_with_its_first_bytes(body, reason):
    with pytest.raises(Unusable, match=reason):
        decode_image(body)


def test_a_jpeg_of_many_scans_is_refused():
    body = encoded(picture(), "JPEG", progressive=True)
    scan, end = body[body.rindex(b"\xff\xda") : -2], body[-2:]
    assert pixels(body[:-2] + 50 * scan + end).shape == pixels(body).shape
    with pytest.raises(Unusable, match="more than 100 scans: refused as a decompression bomb"):
        decode_image(body[:-2] + 100 * scan + end)


def test_what_follows_a_jpeg_counts_for_no_scan():
    body = encoded(picture(), "JPEG", comment=200 * b"\xff\xda")
    assert np.array_equal(pixels(body + 200 * b"\xff\xda"), pixels(body))


def test_a_decompression_bomb_is_refused_before_decoding(monkeypatch):
    monkeypatch.setattr(image_file, "MAX_PIXELS", 99)
    with pytest.raises(Unusable, match=r"10x10 is more than 99 pixels: refused as a decompression bomb"):
        decode_image(encoded(Image.new("RGB", (10, 10))))
    for limit in (60, 30):  # where Pillow itself would warn, and where it would refuse
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(Unusable, match="decompression bomb"):
            decode_image(encoded(Image.new("RGB", (10, 10))))


def test_pixels_without_a_defined_white_level_are_refused():
    with pytest.raises(Unusable, match="32-bit pixels"):
        decode_image(encoded(Image.new("F", (4, 4)), "TIFF"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_crops_become_upright_whether_boxes_refer_to_the_stored_or_the_upright_picture(orientation):
    frame = decode_image(tagged(orientation))
    stored, to_upright = in_box_coordinates(frame, (3, 2))
    assert stored.size == (3, 2)
    upright_from_stored = stored if to_upright is None else stored.transpose(to_upright)
    upright, remaining = in_box_coordinates(frame, None)
    assert remaining is None
    assert np.array_equal(np.asarray(upright_from_stored), np.asarray(upright))
    assert upright.size == ((3, 2) if orientation <= 4 else (2, 3))


def test_the_upright_picture_is_what_a_viewer_shows():
    quarter_turn = np.rot90(np.asarray(three_by_two()), -1)  # orientation 6: turn clockwise to view
    upright, _ = in_box_coordinates(decode_image(tagged(6)), (2, 3))
    assert np.array_equal(np.asarray(upright), quarter_turn)


def test_malformed_exif_is_ignored():
    body = encoded(three_by_two(), exif=b"Exif\0\0garbage")
    assert np.array_equal(pixels(body), np.asarray(three_by_two()))
    assert decode_image(body).to_upright is None


def test_crops_inherit_no_metadata():
    body = encoded(three_by_two(), icc_profile=b"a profile", dpi=(300, 300))
    pixels = decode_image(body).pixels
    assert b"iCCP" in body
    assert b"iCCP" not in encoded(pixels.crop((0, 0, 2, 2)))
