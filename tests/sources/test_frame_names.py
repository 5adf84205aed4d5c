import unicodedata

import pytest

from fathomline.errors import Unusable
from fathomline.sources.frame_names import FrameFolder


@pytest.fixture
def frames(tmp_path):
    """Frames in folders of two dives, one name in both; and a file outside."""
    for name in ("dive1/a.JPG", "dive1/same.jpg", "dive2/same.jpg", "dive2/b c.png", "top.jpg"):
        path = tmp_path / "frames" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "outside.jpg").write_bytes(b"outside")
    return FrameFolder(tmp_path / "frames")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("top.jpg", "top.jpg"),
        ("dive1/a.jpg", "dive1/a.JPG"),
        ("DIVE2/Same.jpg", "dive2/same.jpg"),
        ("a.jpg", "dive1/a.JPG"),
        ("/home/ana/cruise/top.jpg", "top.jpg"),
        ("C:\\cruise\\images\\top.jpg", "top.jpg"),
        ("../elsewhere/top.jpg", "top.jpg"),
        ("/data/upload/3/0a1b2c3d-top.jpg", "top.jpg"),
        ("/data/local-files/?d=dive2/b%20c.png", "dive2/b c.png"),
        ("dive9/b%20c.png", "dive2/b c.png"),
        ("https://host/files/a.jpg?token=x", "dive1/a.JPG"),
    ],
)
def test_frames_are_found_however_a_program_writes_their_path(frames, name, file):
    assert frames.find(name).read_bytes() == file.encode()
    expected = 0 if name == file else 1
    assert len(frames.renamed) == expected
    assert len(list(frames.notes())) == expected


def test_a_note_counts_the_frames_found_by_base_name_and_shows_the_path_tried(frames):
    for name in ("x/top.jpg", "y/a.jpg"):
        frames.find(name)
    [note] = frames.notes()
    assert note.startswith("2 frame(s) are not where the annotations say; found by their base name, such as ")
    assert f"{frames.folder}/x/top.jpg' as top.jpg" in note


def test_of_files_with_the_same_base_name_the_folders_decide(frames):
    for dive in ("dive1", "Dive2"):
        found = frames.find(f"C:\\cruise 7\\images\\{dive}\\same.jpg")
        assert found.read_bytes() == f"{dive.lower()}/same.jpg".encode()


def test_a_base_name_that_several_files_have_is_not_guessed(frames):
    with pytest.raises(Unusable, match=r"2 files .*: dive1/same.jpg, dive2/same.jpg; write the path"):
        frames.find("/old/place/same.jpg")
    assert frames.find("dive2/same.jpg").read_bytes() == b"dive2/same.jpg"


@pytest.mark.parametrize(
    "names",
    [
        ("cruise1/a.jpg", "cruise2/a.jpg"),
        ("/data/upload/3/0a1b2c3d-top.jpg", "/data/upload/3/4e5f6a7b-top.jpg"),
        ("0a1b2c3d-top.jpg", "4e5f6a7b-top.jpg"),
    ],
)
def test_one_file_is_not_used_for_different_pictures_of_the_same_base_name(frames, names):
    claimed = FrameFolder(frames.folder, names)
    for name in names:
        with pytest.raises(Unusable, match="is also that of another path in the annotations"):
            claimed.find(name)
    assert not list(claimed.notes())


def test_a_file_at_its_path_is_not_used_for_a_picture_of_another_folder(frames):
    claimed = FrameFolder(frames.folder, ["Dive1/A.jpg", "dive7/a.jpg", "D:\\cruise\\top.jpg", "D:/Cruise/./top.jpg"])
    for name, file in (
        ("Dive1/A.jpg", "dive1/a.JPG"),
        ("D:\\cruise\\top.jpg", "top.jpg"),
        ("D:/Cruise/./top.jpg", "top.jpg"),
    ):
        assert claimed.find(name).read_bytes() == file.encode()
    with pytest.raises(Unusable, match="not at its path"):
        claimed.find("dive7/a.jpg")


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("written", ["NFC", "NFD"])
def test_accents_are_found_however_a_file_system_stores_them(tmp_path, stored, written):
    name = "Méduse été.png"
    (tmp_path / unicodedata.normalize(stored, name)).write_bytes(b"medusa")
    frames = FrameFolder(tmp_path)
    for prefix in ("", "old place/"):
        assert frames.find(prefix + unicodedata.normalize(written, name)).read_bytes() == b"medusa"


@pytest.mark.parametrize("name", ["none.jpg", "", "..", "/", "dive1", "?d=", "http://[", "../outside.jpg", "x" * 3000])
def test_no_other_file_is_found(frames, name):
    with pytest.raises(Unusable):
        frames.find(name)
