from pathlib import Path

import pytest
from PIL import Image

from tests.answers.darwin_core.archives import archive, records
from tests.answers.world import boxed, table


def photo(folder: Path, taken: str = "2024:05:31 14:07:00", name: str = "a.jpg", **gps: object) -> dict:
    """A row for a picture with EXIF: 36° 42' 30" N, 122° 1' 48" W, 350.5 m below sea level."""
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({36867: taken, 36881: "-07:00"})
    position = {1: "N", 2: (36.0, 42.0, 30.0), 3: "W", 4: (122.0, 1.0, 48.0), 5: b"\x01", 6: 350.5, 18: "WGS-84"}
    exif.get_ifd(0x8825).update(position | {int(tag.removeprefix("tag")): value for tag, value in gps.items()})
    Image.new("RGB", (20, 16)).save(folder / name, exif=exif.tobytes())
    return boxed(0, path=name, location=str(folder / name))


def test_date_place_and_depth_come_from_the_exif(tmp_path, warnings):
    (found,) = records(archive(tmp_path, table(photo(tmp_path))))
    assert found["eventDate"] == "2024-05-31T14:07:00-07:00"
    assert (found["decimalLatitude"], found["decimalLongitude"]) == ("36.708333", "-122.030000")
    assert found["geodeticDatum"] == "WGS84"
    assert (found["minimumDepthInMeters"], found["maximumDepthInMeters"]) == ("350.50", "350.50")
    assert warnings == []


@pytest.mark.parametrize("name", ["a.tif", "a.webp", "a.png"])
def test_other_formats_have_exif_too(name, tmp_path, warnings):
    (found,) = records(archive(tmp_path, table(photo(tmp_path, name=name))))
    assert found["decimalLatitude"] == "36.708333"


def test_the_exif_of_a_png_may_come_after_its_pixels_and_is_found_without_decoding_them(tmp_path, warnings):
    found = photo(tmp_path, name="a.png")
    content = (tmp_path / "a.png").read_bytes()
    start, pixels, end = (content.index(kind) - 4 for kind in (b"eXIf", b"IDAT", b"IEND"))
    broken = content[pixels : pixels + 8] + bytes(end - pixels - 12) + b"\0\0\0\0"
    (tmp_path / "a.png").write_bytes(content[:start] + broken + content[start:pixels] + content[end:])
    assert records(archive(tmp_path, table(found)))[0]["eventDate"] == "2024-05-31T14:07:00-07:00"


def test_metadata_counts_more_than_exif_and_never_mixes_with_it_in_one_place(tmp_path, warnings):
    metadata = "path,decimalLatitude,decimalLongitude,maximumDepthInMeters\na.jpg,1,2,9\n"
    (found,) = records(archive(tmp_path, table(photo(tmp_path)), metadata=metadata))
    assert (found["decimalLatitude"], found["decimalLongitude"], found["maximumDepthInMeters"]) == ("1", "2", "9")
    assert not {"geodeticDatum", "minimumDepthInMeters"} & found.keys()
    assert found["eventDate"].startswith("2024")


@pytest.mark.parametrize(
    ("taken", "gps", "left_out"),
    [
        ("2024:13:40 00:00:00", {}, {"eventDate"}),
        ("9999:01:01 00:00:00", {}, {"eventDate"}),
        ("last summer", {}, {"eventDate"}),
        ("2024:05:31 14:07:00", {"tag2": (91.0, 0.0, 0.0)}, {"decimalLatitude", "decimalLongitude", "geodeticDatum"}),
        ("2024:05:31 14:07:00", {"tag6": 20_000.0}, {"minimumDepthInMeters", "maximumDepthInMeters"}),
    ],
)
def test_impossible_exif_is_left_out_and_told_once(taken, gps, left_out, tmp_path, warnings):
    (found,) = records(archive(tmp_path, table(photo(tmp_path, taken, **gps))))
    others = {"eventDate", "decimalLatitude", "geodeticDatum", "minimumDepthInMeters"} - left_out
    assert not left_out & found.keys()
    assert others <= found.keys()
    told = [line for line in warnings if "EXIF" in line]
    assert len(told) == 1
    assert told[0].startswith("the EXIF of 1 picture(s) has impossible values, which were left out, such as a.jpg: ")


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "    :  :     :  :  "])
def test_a_camera_without_a_clock_or_a_fix_says_nothing(taken, tmp_path, warnings):
    zero = (0.0, 0.0, 0.0)
    (found,) = records(archive(tmp_path, table(photo(tmp_path, taken, tag2=zero, tag4=zero, tag5=b"\x00"))))
    assert not {"eventDate", "decimalLatitude", "minimumDepthInMeters"} & found.keys()
    assert not [line for line in warnings if "EXIF" in line]


def test_pictures_with_damaged_exif_are_answered_without_it(tmp_path, warnings):
    broken = photo(tmp_path)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[:24] + b"\xff" * 40 + content[64:])
    assert len(records(archive(tmp_path, table(broken)))) == 1
