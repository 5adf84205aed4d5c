"""Every preset is a complete params file that passes all checks."""

from pathlib import Path

import pytest
import yaml

from fathomline.bundle.bundle import BundleConfig
from fathomline.config import load_params, load_section
from fathomline.crop.crop import CropConfig
from fathomline.decide.evaluate import EvaluateConfig
from fathomline.decide.submit import SubmitConfig
from fathomline.download.download import DownloadConfig
from fathomline.lineages.resolve import TaxonomyConfig
from fathomline.predict.logits import PredictConfig
from fathomline.split import SplitConfig
from fathomline.tracking import TrackingConfig
from fathomline.train.config import TrainConfig
from stages.source import SourceConfig

ROOT = Path(__file__).parent.parent
PRESETS = sorted((ROOT / "presets").glob("*.yaml"))
SECTIONS = {
    "source": SourceConfig,
    "download": DownloadConfig,
    "crop": CropConfig,
    "taxonomy": TaxonomyConfig,
    "split": SplitConfig,
    "train": TrainConfig,
    "predict": PredictConfig,
    "evaluate": EvaluateConfig,
    "submit": SubmitConfig,
    "bundle": BundleConfig,
    "tracking": TrackingConfig,
}


def keys(params: dict, above: str = "") -> set[str]:
    nested = ("thresholds",)
    found = set()
    for key, value in params.items():
        deeper = isinstance(value, dict) and (not above or key in nested)
        found |= keys(value, f"{above}{key}.") if deeper else {above + key}
    return found


@pytest.mark.parametrize("preset", [*PRESETS, ROOT / "params.yaml"], ids=lambda path: path.name)
def test_a_preset_passes_every_check(preset):
    for name, cls in SECTIONS.items():
        assert load_section(preset, name, cls)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.name)
def test_presets_and_params_have_the_same_keys(preset):
    assert keys(load_params(preset)) == keys(load_params(ROOT / "params.yaml"))


def test_the_competition_preset_is_the_recipe_that_was_asked_for():
    train = load_section(ROOT / "presets/fathomnet-2025.yaml", "train", TrainConfig)
    assert (train.backbone, train.image_size, train.epochs, train.batch_size) == ("vit_base_patch16_224", 224, 50, 128)
    assert (train.lr, train.min_lr, train.weight_decay) == (5e-4, 1e-6, 0.05)
    assert (train.cross_entropy, train.expected_distance, train.precision, train.compile) == (1.0, 1.0, "bf16", True)
    assert (train.lora, train.lora_r, train.lora_alpha, train.lora_dropout) == (False, 8, 16, 0.0)
    evaluate = load_section(ROOT / "presets/fathomnet-2025.yaml", "evaluate", EvaluateConfig)
    assert evaluate.decoder == "threshold"
    assert list(evaluate.thresholds.values()) == [0.85, 0.80, 0.75, 0.70, 0.65, 0.60, 0.55]


def test_comments_aside_presets_hold_plain_yaml():
    for preset in PRESETS:
        assert "&" not in preset.read_text().replace("W&B", ""), "DVC writes anchors back wrong"
        assert yaml.safe_load(preset.read_text())
