import os
import unicodedata

import pytest

from fathomline.errors import InputError
from fathomline.sources.class_folders import read_class_folders


def photos(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def test_each_picture_is_one_roi_with_the_topmost_folder_as_its_concept(tmp_path):
    photos(tmp_path, "Octopoda/b.jpg", "Aurelia aurita/dive1/a.JPG", "Aurelia aurita/notes.txt", ".cache/x.jpg")
    document = read_class_folders(tmp_path, labelled=True)
    assert document.content == {
        "images": [{"id": 1, "file_name": "Aurelia aurita/dive1/a.JPG"}, {"id": 2, "file_name": "Octopoda/b.jpg"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": "frame"},
            {"id": 2, "image_id": 2, "category_id": 2, "bbox": "frame"},
        ],
        "categories": [{"id": 1, "name": "Aurelia aurita"}, {"id": 2, "name": "Octopoda"}],
    }
    assert document.notes == ("1 file(s) are not pictures and are ignored: Aurelia aurita/notes.txt",)


def test_accents_in_the_name_of_a_concept_are_as_one_types_them_however_they_are_stored(tmp_path):
    forms = [unicodedata.normalize(form, "Méduse") for form in ("NFC", "NFD")]
    document = read_class_folders(photos(tmp_path, *(f"{form}/a.jpg" for form in forms)), labelled=True)
    assert document.content["categories"] == [{"id": 1, "name": forms[0]}]


def test_pictures_of_the_test_subset_need_no_class_folder_and_get_no_label(tmp_path):
    document = read_class_folders(photos(tmp_path, "a.jpg", "Octopoda/b.jpg"), labelled=False)
    assert [annotation["category_id"] for annotation in document.content["annotations"]] == [None, None]
    assert document.content["categories"] == []


def test_a_training_picture_outside_a_class_folder_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"1 of 2 pictures are in no class folder: a.jpg; move each into a folder"):
        read_class_folders(photos(tmp_path, "a.jpg", "Octopoda/b.jpg"), labelled=True)
    photos(tmp_path, "_annotations.coco.json")
    with pytest.raises(
        InputError, match=r"taxon\. If _annotations\.coco\.json has their boxes, set `source\.name: coco`$"
    ):
        read_class_folders(tmp_path, labelled=True)


def test_a_folder_without_pictures_says_what_it_has(tmp_path):
    with pytest.raises(InputError, match=r"has no picture .* only \.heic, \.mov"):
        read_class_folders(photos(tmp_path, "x/a.HEIC", "x/b.mov"), labelled=True)
    with pytest.raises(InputError, match="no such folder"):
        read_class_folders(tmp_path / "none", labelled=True)


def test_links_to_folders_are_not_followed_but_told(tmp_path):
    photos(tmp_path, "photos/Octopoda/b.jpg", "elsewhere/c.jpg", "only/.hidden")
    for place in ("photos/Aurelia", "photos/Octopoda/dive2", "only/Aurelia"):
        (tmp_path / place).symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    document = read_class_folders(tmp_path / "photos", labelled=True)
    assert [image["file_name"] for image in document.content["images"]] == ["Octopoda/b.jpg"]
    [note] = document.notes
    assert note.startswith("2 folder(s) are links and are not followed: Aurelia, Octopoda/dive2; if their pictures")
    with pytest.raises(InputError, match=r"only no files; 1 folder\(s\) are links and are not followed: Aurelia"):
        read_class_folders(tmp_path / "only", labelled=True)


@pytest.mark.parametrize("name", [b"Octopoda/m\xe9duse.jpg", b"M\xe9duse/a.jpg"])
def test_a_name_in_an_old_encoding_is_reported(tmp_path, name):
    try:
        path = os.fsencode(photos(tmp_path, "Octopoda/b.jpg")) + b"/" + name
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").close()
    except OSError:
        pytest.skip("this file system refuses names that are not in UTF-8")
    with pytest.raises(InputError, match=r"names of 1 picture\(s\) or their folders are not in UTF-8: .*udce9duse"):
        read_class_folders(tmp_path, labelled=True)


def test_pictures_in_formats_that_are_not_read_are_told_apart_from_other_files(tmp_path):
    document = read_class_folders(photos(tmp_path, "Aves/a.jpg", "Aves/b.HEIC", "Aves/c.txt"), labelled=True)
    assert document.notes == (
        "1 picture(s) are in a format that is not read, and are ignored; save them as JPEG or PNG to use them: "
        "Aves/b.HEIC",
        "1 file(s) are not pictures and are ignored: Aves/c.txt",
    )


def test_folders_of_subsets_are_no_taxa(tmp_path):
    photos(tmp_path, "Test/Aves/a.jpg", "train/Aves/b.jpg")
    with pytest.raises(InputError, match=rf"folders Test, train are subsets.* such as {tmp_path / 'train'}, with"):
        read_class_folders(tmp_path, labelled=True)
    assert len(read_class_folders(photos(tmp_path, "Aves/c.jpg"), labelled=True).content["categories"]) == 3
