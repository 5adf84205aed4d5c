from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from fathomline.model.backbone import build
from fathomline.model.classifier import AttentionFusion, Classifier
from fathomline.train.design import design


@pytest.fixture
def made(config):
    def build_it(views: int = 2, **changes) -> Classifier:
        torch.manual_seed(0)
        return build(design(replace(config, **changes), views=views, classes=3)).eval()

    return build_it


@pytest.fixture
def views() -> torch.Tensor:
    """Four ROIs, each in two views."""
    return 255 * torch.rand(4, 2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_concat_fusion_concatenates_the_features_of_the_views(made, views):
    classifier = made(fusion="concat")
    seen = [classifier.features(views[:, [view]])[:, 0] for view in (0, 1)]
    expected = functional.linear(torch.cat(seen, dim=1), classifier.head.weight, classifier.head.bias)
    assert torch.allclose(classifier(views), expected, atol=1e-5)
    assert classifier.head.in_features == 2 * 96


def test_the_head_after_attention_takes_the_features_of_one_view(made):
    assert made(views=2, fusion="attention").head.in_features == 96
    assert made(views=3, fusion="attention").head.in_features == 96


def test_attention_is_a_pre_norm_layer_and_a_mean_over_the_views(made, views):
    classifier = made(fusion="attention")
    layer = classifier.fusion.layer
    states = classifier.features(views) + classifier.fusion.embedding
    normed = layer.norm1(states)
    states = states + layer.self_attn(normed, normed, normed, need_weights=False)[0]
    states = states + layer.linear2(functional.gelu(layer.linear1(layer.norm2(states))))
    assert torch.allclose(classifier(views), classifier.head(states.mean(dim=1)), atol=1e-5)


def test_attention_gives_the_same_result_in_training_and_inference(made):
    fusion = made(fusion="attention").fusion
    features = torch.randn(4, 2, 96)
    in_training = fusion.train()(features)
    with torch.inference_mode():
        in_prediction = fusion.eval()(features)  # torch takes a faster path here
    assert torch.allclose(in_prediction, in_training, atol=1e-5)


def test_attention_ignores_the_order_of_views_without_embeddings(made):
    fusion = made(fusion="attention").fusion
    features = torch.randn(4, 2, 96)
    with torch.no_grad():
        fusion.embedding.zero_()
        assert torch.allclose(fusion(features), fusion(features.flip(1)), atol=1e-5)
        fusion.embedding.normal_()
        assert not torch.allclose(fusion(features), fusion(features.flip(1)), atol=0.1)


def test_the_initial_embeddings_of_the_views_differ(made):
    classifier = made(fusion="attention")
    assert not torch.equal(classifier.fusion.embedding[0], classifier.fusion.embedding[1])
    assert classifier.fusion.embedding.std().item() == pytest.approx(0.02, rel=0.3)


def test_attention_fusion_of_one_view_is_the_same_as_concat_fusion(made, views):
    alone, plain = made(views=1, fusion="attention"), made(views=1, fusion="concat")
    assert alone.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(alone(views[:, :1]), plain(views[:, :1]))


@pytest.mark.parametrize(("features", "heads"), [(64, 8), (96, 8), (12, 6), (7, 7), (10, 5), (13, 1)])
def test_the_number_of_heads_divides_the_features(features, heads):
    fusion = AttentionFusion(features, views=2)
    assert fusion.layer.self_attn.num_heads == heads
    assert fusion(torch.zeros(3, 2, features)).shape == (3, features)


@pytest.mark.parametrize("fusion", ["concat", "attention"])
@pytest.mark.parametrize("separate", [False, True])
def test_precomputed_features_give_the_same_logits(made, views, fusion, separate):
    classifier = made(fusion=fusion, separate_backbones=separate)
    features = classifier.features(views)
    assert features.shape == (4, 2, 96)
    assert torch.equal(classifier(features), classifier(views))


def test_views_share_one_backbone_unless_backbones_are_separate(made, views):
    classifier = made(separate_backbones=False)
    assert len(classifier.backbones) == 1
    assert torch.allclose(classifier.features(views.flip(1)), classifier.features(views).flip(1), atol=1e-5)


def test_separate_backbones_each_take_their_own_view(made, views):
    classifier = made(separate_backbones=True)
    images = (views - classifier.mean) / classifier.std
    for view, backbone in enumerate(classifier.backbones):
        assert torch.allclose(classifier.features(views)[:, view], backbone(images[:, view]), atol=1e-5)
    with torch.no_grad():
        for weight in classifier.backbones[1].parameters():
            weight.zero_()
    assert (classifier.features(views)[:, 1] == 0).all()
    assert (classifier.features(views)[:, 0] != 0).any()


def test_separate_backbones_all_load_the_same_weights_file(made, config, views, tmp_path):
    known = made(views=1).backbones[0].state_dict()
    save_file(known, tmp_path / "known.safetensors")
    torch.manual_seed(5)
    separate = replace(config, separate_backbones=True)
    classifier = build(design(separate, views=3, classes=3), pretrained=str(tmp_path / "known.safetensors"))
    assert len(classifier.backbones) == 3
    for backbone in classifier.backbones:
        assert all(torch.equal(backbone.state_dict()[name], known[name]) for name in known)
    weights = [backbone.conv1[0].weight for backbone in classifier.backbones]
    assert len({weight.data_ptr() for weight in weights}) == 3, "equal, but separate tensors"


@pytest.mark.parametrize("fusion", ["concat", "attention"])
def test_gradients_reach_every_backbone_and_the_fusion(made, views, fusion):
    classifier = made(fusion=fusion, separate_backbones=True)
    functional.cross_entropy(classifier(views), torch.tensor([0, 1, 2, 0])).backward()
    first, second = (backbone.conv1[0].weight.grad for backbone in classifier.backbones)
    assert first.abs().max() > 0
    assert second.abs().max() > 0
    assert not torch.allclose(first, second)
    if fusion == "attention":
        assert all(weight.grad.abs().max() > 0 for weight in classifier.fusion.parameters())
