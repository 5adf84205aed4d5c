from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from timm.layers import DropPath

from fathomline.config import with_values
from fathomline.errors import InputError
from fathomline.model.backbone import build, save_memory, set_training
from fathomline.model.classifier import Classifier
from fathomline.train.adapters import add_adapters
from fathomline.train.design import design


def test_an_unknown_backbone_is_named_with_similar_ones(config):
    with pytest.raises(
        InputError, match=r"train.backbone is 'resnet_51'; expected a timm model, for example resnet51q"
    ):
        design(replace(config, backbone="resnet_51"), views=1, classes=3)


def test_options_that_a_backbone_does_not_accept_are_named(config):
    architecture = design(replace(config, backbone_options={"wings": 2}), views=1, classes=3)
    with pytest.raises(InputError, match=r"train.backbone_options: test_resnet does not accept them.*wings"):
        build(architecture)


def test_invalid_options_are_not_blamed_on_the_weights_file(config, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(build(design(config, views=1, classes=3)).backbones[0].state_dict(), path)
    architecture = design(replace(config, backbone_options={"wings": 2}), views=1, classes=3)
    with pytest.raises(InputError, match=r"train.backbone_options: test_resnet does not accept them.*wings"):
        build(architecture, pretrained=str(path))


@pytest.mark.parametrize(
    "options",
    [{"in_chans": 1}, {"checkpoint_path": "x.pth"}, {"features_only": True}, {"drop_path_rate": 0.1}],
)
def test_options_that_fathomline_sets_itself_are_refused(config, options):
    architecture = design(replace(config, backbone_options=options), views=1, classes=3)
    with pytest.raises(InputError, match=rf"train.backbone_options has {next(iter(options))}, which fathomline sets"):
        build(architecture)


@pytest.mark.parametrize(
    ("backbone", "size", "options"),
    [("test_vit", 33, {}), ("test_resnet", 16, {"act_layer": "nope"}), ("test_vit", 32, {"drop_rate": 2.0})],
)
def test_a_timm_error_becomes_one_line_that_names_the_parameters(config, backbone, size, options):
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
    with pytest.raises(InputError, match=r"train.pretrained is '.*none.safetensors': no such file"):
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
    with pytest.raises(InputError, match=r"1 weight\(s\) are in only one of the two \(layer9.weight\)"):
        build(design(config, views=1, classes=3), pretrained=str(tmp_path / "deeper.safetensors"))


def test_training_mode_leaves_frozen_batch_norms_in_evaluation_mode(config):
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


def test_adapters_have_the_requested_rank_and_scale(config):
    classifier = build(design(replace(config, backbone="test_vit", image_size=32), views=1, classes=3))
    add_adapters(classifier, with_values(config, lora={"r": 3, "alpha": 12}))
    adapter = classifier.backbones[0].base_model.model.blocks[0].attn.qkv
    assert adapter.lora_A["default"].weight.shape[0] == 3
    assert adapter.scaling["default"] == 4.0


def test_a_weights_file_that_could_run_code_is_refused(config, tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"pickle")
    with pytest.raises(InputError, match=r"expected a .safetensors file"):
        build(design(config, views=1, classes=3), pretrained=str(tmp_path / "weights.pth"))


@pytest.mark.parametrize(("name", "mean"), [("half", 0.5), ("imagenet", 0.485), ("backbone", 0.5)])
def test_the_normalization_is_the_requested_one(config, name, mean):
    architecture = design(replace(config, normalization=name, backbone="vit_base_patch16_224"), views=1, classes=3)
    assert architecture.mean[0] == pytest.approx(mean)


def seeded(config, seed: int = 0, **options) -> Classifier:
    torch.manual_seed(seed)
    return build(design(config, views=1, classes=3), **options)


@pytest.fixture
def view() -> torch.Tensor:
    """Eight ROIs in one view."""
    return 255 * torch.rand(8, 1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_drop_path_rate_rises_to_the_requested_rate_in_the_last_block(config):
    classifier = seeded(replace(config, backbone="test_vit"), drop_path=0.4)
    rates = [layer.drop_prob for layer in classifier.modules() if isinstance(layer, DropPath)]
    assert rates == sorted(rates)
    assert rates[0] < rates[-1] == pytest.approx(0.4)


def test_the_drop_path_skips_blocks_in_training_only(config, view):
    vit = replace(config, backbone="test_vit", image_size=32)
    dropping, plain = seeded(vit, drop_path=0.9), seeded(vit)
    dropping.train()
    assert not torch.allclose(dropping(view), dropping(view), atol=1e-4), "each pass drops other blocks"
    assert torch.equal(plain.train()(view), plain(view))
    assert torch.equal(dropping.eval()(view), plain.eval()(view))


@pytest.mark.parametrize("from_a_file", [False, True])
def test_a_backbone_without_stochastic_depth_refuses_a_drop_path(config, tmp_path, from_a_file):
    dla = replace(config, backbone="dla46_c", image_size=32)
    path = tmp_path / "weights.safetensors"
    save_file(seeded(dla).backbones[0].state_dict(), path)
    with pytest.raises(InputError, match=r"^train.drop_path is 0.2, but dla46_c has no stochastic depth; set it to 0$"):
        seeded(dla, pretrained=str(path) if from_a_file else False, drop_path=0.2)


def gradients_and_memory(classifier: Classifier, view: torch.Tensor) -> tuple[dict[str, torch.Tensor], int]:
    """The gradients of a training step, and how many numbers the forward pass saved for them."""
    saved = []

    def count(tensor: torch.Tensor) -> torch.Tensor:
        saved.append(tensor.numel())
        return tensor

    torch.manual_seed(7)  # for the drop path
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        logits = classifier.train()(view)
    torch.nn.functional.cross_entropy(logits, torch.arange(8) % 3).backward()
    return {name: weight.grad for name, weight in classifier.named_parameters()}, sum(saved)


@pytest.mark.parametrize("backbone", ["test_vit", "test_resnet", "test_convnext"])
def test_gradient_checkpointing_gives_the_same_gradients_in_less_memory(config, view, backbone):
    config = replace(config, backbone=backbone, image_size=32)
    saving = seeded(config, drop_path=0.5)
    save_memory(saving, backbone)
    plain_gradients, plain_memory = gradients_and_memory(seeded(config, drop_path=0.5), view)
    gradients, memory = gradients_and_memory(saving, view)
    assert gradients.keys() == plain_gradients.keys()
    assert all(torch.allclose(gradients[name], plain_gradients[name], atol=1e-6) for name in gradients)
    assert memory < 0.6 * plain_memory


def test_gradient_checkpointing_is_enabled_in_every_separate_backbone(config):
    separate = replace(config, backbone="test_vit", separate_backbones=True)
    classifier = build(design(separate, views=2, classes=3))
    save_memory(classifier, "test_vit")
    assert [backbone.grad_checkpointing for backbone in classifier.backbones] == [True, True]


def test_a_backbone_without_gradient_checkpointing_is_refused(config):
    classifier = seeded(replace(config, backbone="dla46_c", image_size=32))
    with pytest.raises(InputError, match=r"train.gradient_checkpointing: dla46_c does not support it.*set it to false"):
        save_memory(classifier, "dla46_c")
