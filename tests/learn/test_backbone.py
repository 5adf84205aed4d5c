from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from fathomline.errors import InputError
from fathomline.learn.adapters import add_adapters
from fathomline.learn.backbone import build, design, set_training


def test_an_unknown_backbone_is_named_with_some_that_are_known(config):
    with pytest.raises(
        InputError, match=r"train.backbone is 'resnet_51'; expected a model of timm, for example resnet51q"
    ):
        design(replace(config, backbone="resnet_51"), views=1, classes=3)


def test_options_that_a_backbone_does_not_take_are_named(config):
    architecture = design(replace(config, backbone_options={"wings": 2}), views=1, classes=3)
    with pytest.raises(InputError, match=r"train.backbone_options: test_resnet does not take them.*wings"):
        build(architecture)


def test_bad_options_are_not_blamed_on_good_weights(config, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(build(design(config, views=1, classes=3)).backbones[0].state_dict(), path)
    architecture = design(replace(config, backbone_options={"wings": 2}), views=1, classes=3)
    with pytest.raises(InputError, match=r"train.backbone_options: test_resnet does not take them.*wings"):
        build(architecture, pretrained=str(path))


@pytest.mark.parametrize("options", [{"in_chans": 1}, {"checkpoint_path": "x.pth"}, {"features_only": True}])
def test_options_that_are_not_the_users_are_refused(config, options):
    architecture = design(replace(config, backbone_options=options), views=1, classes=3)
    with pytest.raises(InputError, match=rf"train.backbone_options has {next(iter(options))}, which fathomline sets"):
        build(architecture)


@pytest.mark.parametrize(
    ("backbone", "size", "options"),
    [("test_vit", 33, {}), ("test_resnet", 16, {"act_layer": "nope"}), ("test_vit", 32, {"drop_rate": 2.0})],
)
def test_what_timm_trips_over_is_one_line_that_names_the_params(config, backbone, size, options):
    changed = replace(config, backbone=backbone, image_size=size, backbone_options=options)
    with pytest.raises(InputError, match=r"train.backbone_options.* train.image_size \d+") as raised:
        build(design(changed, views=1, classes=3))
    assert "\n" not in str(raised.value)


def test_a_vision_transformer_takes_any_input_size(config):
    architecture = design(replace(config, backbone="test_vit", image_size=48), views=1, classes=3)
    assert build(architecture)(torch.zeros(2, 1, 3, 48, 48)).shape == (2, 3)


def test_pretrained_weights_are_read_from_a_file(config, tmp_path):
    source = build(design(config, views=1, classes=3))
    path = tmp_path / "weights.safetensors"
    save_file(source.backbones[0].state_dict(), path)
    loaded = build(design(config, views=1, classes=5), pretrained=str(path))
    for name, tensor in source.backbones[0].state_dict().items():
        assert torch.equal(loaded.backbones[0].state_dict()[name], tensor), name


def test_a_missing_weights_file_is_named(config, tmp_path):
    with pytest.raises(InputError, match=r"train.pretrained is '.*none.safetensors', and there is no such file"):
        build(design(config, views=1, classes=3), pretrained=str(tmp_path / "none.safetensors"))


@pytest.mark.parametrize("backbone", ["test_resnet", "test_convnext"])
def test_weights_of_another_backbone_are_refused(config, tmp_path, backbone):
    path = tmp_path / "weights.safetensors"
    save_file(build(design(replace(config, backbone="test_vit"), views=1, classes=3)).backbones[0].state_dict(), path)
    with pytest.raises(InputError, match=rf"train.pretrained: .* could not be loaded into {backbone}"):
        build(design(replace(config, backbone=backbone), views=1, classes=3), pretrained=str(path))


def test_weights_of_a_deeper_backbone_are_refused(config, tmp_path):
    weights = build(design(config, views=1, classes=3)).backbones[0].state_dict()
    save_file(weights | {"layer9.weight": torch.zeros(3)}, tmp_path / "deeper.safetensors")
    with pytest.raises(InputError, match=r"1 weights are in one and not in the other \(layer9.weight\)"):
        build(design(config, views=1, classes=3), pretrained=str(tmp_path / "deeper.safetensors"))


def test_training_mode_leaves_frozen_batch_norms_alone(config):
    classifier = build(design(config, views=1, classes=3))
    norms = [layer for layer in classifier.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    norms[0].requires_grad_(False)
    set_training(classifier)
    assert [norm.training for norm in norms] == [False] + [True] * (len(norms) - 1)
    assert classifier.head.training


def test_views_are_normalised_by_mean_and_standard_deviation(config):
    seen = []
    classifier = build(replace(design(config, views=1, classes=3), mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0)))
    classifier.backbones[0].register_forward_pre_hook(lambda _, images: seen.append(images[0]))
    classifier(torch.full((1, 1, 3, 16, 16), 255.0))
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx([1.0, 3.0, 1.0])


def test_adapters_have_the_rank_and_the_scale_asked_for(config):
    classifier = build(design(replace(config, backbone="test_vit", image_size=32), views=1, classes=3))
    add_adapters(classifier, replace(config, lora_r=3, lora_alpha=12))
    adapter = classifier.backbones[0].base_model.model.blocks[0].attn.qkv
    assert adapter.lora_A["default"].weight.shape[0] == 3
    assert adapter.scaling["default"] == 4.0


def test_weights_that_would_run_code_when_loaded_are_refused(config, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"pickle")
    with pytest.raises(InputError, match=r"expected a .safetensors file"):
        build(design(config, views=1, classes=3), pretrained=str(tmp_path / "weights.pth"))


@pytest.mark.parametrize(("name", "mean"), [("half", 0.5), ("imagenet", 0.485), ("backbone", 0.5)])
def test_the_normalization_is_the_one_asked_for(config, name, mean):
    architecture = design(replace(config, normalization=name, backbone="vit_base_patch16_224"), views=1, classes=3)
    assert architecture.mean[0] == pytest.approx(mean)
