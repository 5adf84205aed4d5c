"""The names that timm knows, without importing it."""

import re

import pytest

from fathomline.check.timm_names import refuse_unknown_backbone, refuse_unknown_optimizer
from fathomline.errors import InputError


@pytest.fixture(scope="module")
def timm():
    import timm.optim

    return timm


def test_all_models_of_timm_and_only_they_are_known(timm, monkeypatch):
    from fathomline.check import timm_names

    sources = timm_names._model_sources()
    found = {name.decode() for source in sources for name in timm_names._MODEL.findall(source)}
    assert found == set(timm.list_models())


@pytest.mark.parametrize(
    "name",
    [
        "resnet50",
        "mobilenetv2_100.ra_in1k",
        "vit_large_patch14_reg4_dinov2.lvd142m",
        "vit_base_patch16_clip_quickgelu_224.metaclip_400m",  # timm derives this tag from another model's
    ],
)
def test_a_model_of_timm_passes_with_and_without_its_tag(name):
    refuse_unknown_backbone(name)


def test_a_misspelt_model_is_refused_with_similar_ones():
    with pytest.raises(
        InputError, match=re.escape("train.backbone is 'mobilenet_v2_100'; expected a timm model")
    ) as said:
        refuse_unknown_backbone("mobilenet_v2_100")
    assert "mobilenetv2_100" in str(said.value)
    with pytest.raises(InputError, match=r"'dinov2'; expected a timm model, for example vit_\w*dinov2"):
        refuse_unknown_backbone("dinov2")
    with pytest.raises(InputError, match=r"as timm\.list_models\(\) lists them"):
        refuse_unknown_backbone("???")


def test_a_tag_that_timm_does_not_have_is_refused():
    with pytest.raises(InputError, match=r"'resnet50\.nosuch', but timm has no weights 'nosuch'"):
        refuse_unknown_backbone("resnet50.nosuch")


def test_every_optimizer_of_timm_passes_and_a_misspelt_one_is_refused(timm):
    for name in timm.optim.list_optimizers():
        refuse_unknown_optimizer(name)
    refuse_unknown_optimizer("lookahead_AdamW")
    with pytest.raises(InputError, match=r"train\.optimizer\.name is 'adamww'.*for example adamw"):
        refuse_unknown_optimizer("adamww")


def test_nothing_is_refused_if_timm_is_written_otherwise(monkeypatch):
    monkeypatch.setattr("fathomline.check.timm_names._model_sources", tuple)
    monkeypatch.setattr("fathomline.check.timm_names._sources", lambda pattern: iter(()))
    refuse_unknown_backbone("anything")
    refuse_unknown_optimizer("anything")
