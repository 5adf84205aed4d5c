import json
from pathlib import Path

import pandas as pd
import pytest

from fathomline.dataset.coco import parse_coco
from fathomline.download.download import DownloadConfig, download
from fathomline.sources.read_source import SourceRequest
from tests.answers.world import boxed, row, table, written
from tests.frames import MACHINE, png


def coco(folder: Path, *tables: pd.DataFrame) -> dict:
    content = written("coco", folder, *tables)
    if any(len(found) for found in tables):
        parse_coco(content, "answers.json", labelled=True)
    return json.loads(content)


def test_coco_keeps_the_ids_of_the_input_if_they_are_unique_integers(tmp_path):
    rows = [boxed(0, image_id=7, annotation_id=30), boxed(1, image_id=7, annotation_id=20)]
    content = coco(tmp_path, table(*rows), table(boxed(2, path="b.png", image_id=5, annotation_id=10)))
    assert [(image["id"], image["file_name"]) for image in content["images"]] == [(7, "a.png"), (5, "b.png")]
    assert [(found["id"], found["image_id"]) for found in content["annotations"]] == [(30, 7), (20, 7), (10, 5)]


@pytest.mark.parametrize("other", [{"annotation_id": 30}, {"annotation_id": "30b"}, {}])
def test_coco_numbers_annotations_from_1_if_their_ids_are_no_unique_integers(other, tmp_path):
    content = coco(tmp_path, table(boxed(0, image_id=7, annotation_id=30), boxed(1, image_id=7, **other)))
    assert [found["id"] for found in content["annotations"]] == [1, 2]
    assert [image["id"] for image in content["images"]] == [7]


@pytest.mark.parametrize("image_id", [7, None, "x"])
def test_coco_numbers_pictures_from_1_if_their_ids_are_no_unique_integers(image_id, tmp_path):
    content = coco(tmp_path, table(boxed(0, image_id=7), boxed(1, path="b.png", image_id=image_id)))
    assert [image["id"] for image in content["images"]] == [1, 2]
    assert [found["image_id"] for found in content["annotations"]] == [1, 2]


def test_coco_gives_a_whole_picture_its_frame_as_the_box(tmp_path):
    (found,) = coco(tmp_path, table(row(location="https://a.org/a.png", track="t")))["annotations"]
    expected = {"bbox": [0, 0, 20, 16], "area": 320, "iscrowd": 0, "score": 0.75, "rank": "species", "track_id": "t"}
    assert found.items() >= (expected | {"aphia_id": 135306}).items()


def test_coco_names_the_url_of_a_picture_from_the_web_and_no_folder_of_this_machine(tmp_path):
    images = coco(tmp_path, table(row(location="https://a.org/a.png"), row(path="b.png")))["images"]
    assert [image.get("coco_url") for image in images] == ["https://a.org/a.png", None]
    assert b"/data" not in written("coco", tmp_path, table(row(path="b.png")))


def test_coco_categories_are_the_concepts_and_the_answered_taxa_with_ids_of_the_bundle(tmp_path):
    first = coco(tmp_path, table(boxed(0, concept_name="Aurelia")))
    second = coco(tmp_path, table(boxed(0, concept_name="Cnidaria")))
    ids = [{found["name"]: found["id"] for found in content["categories"]} for content in (first, second)]
    assert list(ids[0]) == ["Aurelia", "Aurelia labiata", "Caridea", "Moon jelly"]
    assert list(ids[1]) == ["Aurelia labiata", "Caridea", "Cnidaria", "Moon jelly"]
    assert all(ids[0][name] == ids[1][name] for name in ids[0].keys() & ids[1].keys())
    parents = {found["name"]: found["supercategory"] for found in (*first["categories"], *second["categories"])}
    assert parents["Moon jelly"] == "Aurelia"
    assert parents["Cnidaria"] == "Animalia"
    assert parents["Caridea"] == "Decapoda"


def test_coco_of_no_answers_is_valid_json(tmp_path):
    content = coco(tmp_path, table())
    assert content["images"] == content["annotations"] == []


def test_the_pipeline_reads_the_coco_as_a_source_with_labels(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "a.png").write_bytes(png(width=20, height=16))
    (tmp_path / "answers.json").write_bytes(written("coco", tmp_path, table(row(), boxed(1, concept_name="Cnidaria"))))
    location, folder = str(tmp_path / "answers.json"), str(tmp_path / "frames")
    request = SourceRequest("coco", location, folder)
    summary = download(request, tmp_path / "raw", DownloadConfig(), machine=MACHINE, labelled=True)
    assert (summary.images, summary.failed) == (1, 0)
