"""The section `source`: where the annotations and frames of each subset are."""

from pathlib import Path

import pytest

from fathomline.config import parse_section
from fathomline.errors import InputError
from fathomline.sources.read_source import SourceRequest
from stages.source import SourceConfig, opened


def config(**values: object) -> SourceConfig:
    return parse_section(values, Path("params.yaml"), "source", SourceConfig)


def test_each_subset_may_have_a_frame_folder_of_its_own():
    source = config(name="coco", train="a.json", test="b.json", images="frames", test_images="new", box_format="xyxy")
    assert source.request("train") == SourceRequest("coco", "a.json", "frames", "xyxy")
    assert source.request("test") == SourceRequest("coco", "b.json", "new", "xyxy")
    assert config(name="coco", train="a.json", test="b.json", images="frames").request("test").images == "frames"


def test_each_subset_may_have_a_box_format_of_its_own():
    source = config(name="coco", train="a.json", test="b.json", test_box_format="cxcywh_normalized")
    assert source.request("train").box_format == "xywh"
    assert source.request("test").box_format == "cxcywh_normalized"


def test_the_test_subset_may_be_absent():
    assert config(name="folder", train="photos").request("test") is None
    with opened(config(name="folder", train="photos"), "test") as source:
        assert source.request is None


@pytest.mark.parametrize(("name", "kind"), [("coco", "COCO JSON"), ("folder", "folder of pictures"), ("table", "CSV")])
def test_a_source_without_training_annotations_is_an_error_that_names_their_kind(name, kind):
    with pytest.raises(InputError, match=f"source: `name: {name}` needs `train`: .*{kind}"):
        config(name=name, test="b")


def test_an_unknown_box_format_is_an_error_that_lists_the_known_ones():
    with pytest.raises(
        InputError, match=r"source\.box_format is 'yolo', expected 'xywh', 'xyxy', 'xywh_normalized' or"
    ):
        config(name="coco", train="a.json", box_format="yolo")
