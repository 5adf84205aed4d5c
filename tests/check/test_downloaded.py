"""Annotations compared with those that were downloaded before."""

from fathomline.check.downloaded import downloaded_findings
from fathomline.check.subset import read_subset
from fathomline.files import write_json
from tests.check.world import texts


def findings(world, path, change=lambda coco: None):
    subset, _ = read_subset("train", world.request("train", change))
    return list(downloaded_findings(subset, path))


def test_a_change_of_the_files_is_told_with_the_command_that_downloads_them(world, tmp_path):
    path = tmp_path / "raw/train/dataset.json"
    assert findings(world, path) == []
    subset, _ = read_subset("train", world.request())
    write_json(subset.data.coco.content(), path)
    assert findings(world, path) == []
    [said] = texts(findings(world, path, lambda coco: coco["annotations"].pop()), "surprise")
    assert "has 4 images with 7 annotations, and differs from the one downloaded before, with 4 and 8" in said
    assert "`dvc repro --force download@train`" in said
    assert len(findings(world, path, lambda coco: coco["annotations"][0]["bbox"].reverse())) == 1


def test_a_damaged_dataset_is_left_to_the_stages_that_read_it(world, tmp_path):
    (tmp_path / "dataset.json").write_text("{")
    assert findings(world, tmp_path / "dataset.json") == []
