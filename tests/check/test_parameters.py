"""The rules between sections of params."""

from typing import Any

import pytest

from fathomline.check.parameters import Parameters, batch_findings, lineage_findings, model_findings
from fathomline.train.config import TrainConfig
from tests.check.world import parameters, texts


def stopped(**sections: dict[str, Any]) -> list[str]:
    return texts(list(model_findings(parameters(**sections))), "stop")


def surprised(**sections: dict[str, Any]) -> list[str]:
    return texts(list(model_findings(parameters(**sections))), "surprise")


def test_the_defaults_neither_stop_nor_surprise():
    assert list(model_findings(parameters())) == []


def test_an_input_larger_than_the_stored_views_stops():
    assert stopped(train={"image_size": 96}) == [
        "train.image_size is 96, above crop.size, 72: raise crop.size or lower train.image_size"
    ]


def test_orientations_that_predict_does_not_store_stop():
    (said,) = stopped(predict={"transforms": "flips"}, evaluate={"test_time_augmentation": "rotations"})
    assert said == (
        "evaluate.test_time_augmentation is 'rotations', but predict.transforms stored only none, mirror, flips; set "
        "predict.transforms to 'rotations', or choose a stored set"
    )


@pytest.mark.parametrize("requested", ["auto", "mirror", "turns"])
def test_any_set_within_the_stored_orientations_passes(requested):
    sections = {"predict": {"transforms": "turns"}, "evaluate": {"test_time_augmentation": requested}}
    assert stopped(**sections) == surprised(**sections) == []


def test_orientations_that_are_predicted_but_not_used_surprise():
    (said,) = surprised(predict={"transforms": "turns"})
    assert "each ROI is predicted 8 times, but evaluate.test_time_augmentation is 'none'" in said


def test_a_missing_weights_file_and_one_in_another_format_stop(tmp_path):
    path = tmp_path / "weights.bin"
    assert stopped(train={"pretrained": str(path)})[0].startswith(f"train.pretrained is {str(path)!r}: no such file")
    path.touch()
    assert "expected a .safetensors file" in stopped(train={"pretrained": str(path)})[0]
    path.rename(path.with_suffix(".safetensors"))
    assert stopped(train={"pretrained": str(path.with_suffix(".safetensors"))}) == []


def test_weights_from_the_model_hub_are_told():
    (said,) = texts(list(model_findings(parameters(train={"pretrained": True}))), "expected")
    assert said.startswith("weights: those of test_convnext come from the model hub when training starts")


def test_all_faults_of_the_backbone_are_told_at_once():
    said = stopped(
        train={
            "backbone": "resnet5o",
            "backbone_options": {"num_classes": 5},
            "optimizer": {"name": "adamww"},
        }
    )
    assert [line.split(" ")[0] for line in said] == [
        "train.backbone",
        "train.backbone_options",
        "train.optimizer.name",
    ]


def test_a_frozen_backbone_with_random_weights_surprises():
    (said,) = surprised(train={"frozen": True})
    assert said.startswith("train.frozen is true and train.pretrained is false")
    assert surprised(train={"frozen": True, "pretrained": True}) == []


def test_fusing_a_single_view_surprises():
    train = {"fusion": "attention", "separate_backbones": True}
    assert [said.split(" has")[0] for said in surprised(train=train)] == [
        "train.fusion: attention",
        "train.separate_backbones",
    ]
    assert surprised(train=train, crop={"views": [1.0, "frame"]}) == []


def test_rules_about_a_section_with_faults_are_left_out():
    given = parameters(train={"image_size": 1024}, predict={"transforms": "flips"})
    without = Parameters(train=given.train, predict=given.predict)
    assert list(model_findings(without)) == []


def test_each_fault_of_the_lineages_stops(tmp_path):
    path = tmp_path / "mine.csv"
    given = parameters(taxonomy={"lineages": str(path)})
    (missing,) = texts(list(lineage_findings(given)), "stop")
    assert missing.startswith(f"{path}: no such file")
    path.write_text(
        "concept_name,aphia_id,rank,kingdom,phylum,class,order,family,genus,species\n"
        "Porifera,x,phylum,Animalia,Porifera,,,,,\n"
        "Cnidaria,,phylum,Animalia,,,,,,\n"
    )
    said = texts(list(lineage_findings(given)), "stop")
    assert [line.split(": ")[1] for line in said] == ["row 2", "row 3"]


@pytest.mark.parametrize(("rois", "stops"), [(9, False), (8, True)])
def test_fewer_training_rois_than_the_parts_of_a_batch_need_stop(rois, stops):
    said = texts(list(batch_findings(rois, TrainConfig(accumulation=4))), "stop")
    assert bool(said) == stops
    assert all(line.startswith("train.accumulation is 4, but the 8 ROI(s)") for line in said)
    assert all(line.endswith("the two it needs; lower it, or add annotations") for line in said)


def test_without_accumulation_only_more_annotations_help():
    (said,) = texts(list(batch_findings(2, TrainConfig())), "stop")
    assert said.endswith("the two it needs; add annotations")
