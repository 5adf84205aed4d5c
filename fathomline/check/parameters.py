"""What the parameters alone tell: the rules between sections, each of which would stop or surprise a later stage."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fathomline.bundle.bundle import BundleConfig
from fathomline.check.finding import Finding, stops
from fathomline.check.timm_names import refuse_unknown_backbone, refuse_unknown_optimizer
from fathomline.crop.crop import CropConfig
from fathomline.decide.evaluate import EvaluateConfig
from fathomline.decide.transform_choice import refuse_unstored
from fathomline.download.download import DownloadConfig
from fathomline.lineages.lineage_table import read_lineage_table
from fathomline.lineages.resolve import TaxonomyConfig
from fathomline.model.backbone_params import check_weights_file, refuse_reserved_options
from fathomline.model.orientations import ORIENTATION_SETS
from fathomline.predict.logits import PredictConfig
from fathomline.split import SplitConfig
from fathomline.train.config import FROZEN_AND_RANDOM, TrainConfig, refuse_small_views


@dataclass(frozen=True)
class Parameters:
    """The sections of params that rules are about; None for a section with faults, which no rule then looks at."""

    download: DownloadConfig | None = None
    crop: CropConfig | None = None
    taxonomy: TaxonomyConfig | None = None
    split: SplitConfig | None = None
    train: TrainConfig | None = None
    predict: PredictConfig | None = None
    evaluate: EvaluateConfig | None = None
    bundle: BundleConfig | None = None


def lineage_findings(parameters: Parameters) -> Iterator[Finding]:
    """What is wrong with the CSV of `taxonomy.lineages`."""
    if parameters.taxonomy and parameters.taxonomy.lineages is not None:
        path = Path(parameters.taxonomy.lineages)
        yield from stops(lambda: read_lineage_table(path))


def model_findings(parameters: Parameters) -> Iterator[Finding]:
    """What would stop or surprise in training and later stages, whatever the data."""
    train, crop, predict, evaluate = parameters.train, parameters.crop, parameters.predict, parameters.evaluate
    if train:
        yield from _backbone_findings(train)
    if train and crop:
        yield from stops(lambda: refuse_small_views(train.image_size, crop.size))
        yield from _view_findings(train, crop)
    if predict and evaluate:
        # As evaluate reads them: a set is stored if all of its orientations are.
        orientations = set(ORIENTATION_SETS[predict.transforms])
        stored = [name for name, members in ORIENTATION_SETS.items() if orientations.issuperset(members)]
        yield from stops(lambda: refuse_unstored(evaluate.test_time_augmentation, stored))
        yield from _unused_orientations(predict, evaluate)


def batch_findings(rois: int, train: TrainConfig) -> Iterator[Finding]:
    """Whether a batch of training ROIs, which are fewer than `rois`, can be computed in parts."""
    remedy = "lower it, or add annotations" if train.accumulation > 1 else "add annotations"
    if rois and min(train.batch_size, rois - 1) < 2 * train.accumulation:
        yield Finding(
            "stop",
            f"train.accumulation is {train.accumulation}, but the {rois} ROI(s) of the training subset cannot give "
            f"each part of a batch the two it needs; {remedy}",
        )


def _backbone_findings(train: TrainConfig) -> Iterator[Finding]:
    pretrained = train.pretrained
    yield from stops(lambda: refuse_unknown_backbone(train.backbone))
    yield from stops(lambda: refuse_reserved_options(train.backbone_options))
    yield from stops(lambda: refuse_unknown_optimizer(train.optimizer.name))
    if pretrained is True:
        yield Finding(
            "expected",
            f"weights: those of {train.backbone} come from the model hub when training starts, which needs the network "
            "unless they were fetched before",
        )
    if isinstance(pretrained, str):
        yield from stops(lambda: check_weights_file(pretrained))
    if train.frozen and pretrained is False:
        yield Finding("surprise", FROZEN_AND_RANDOM)


def _view_findings(train: TrainConfig, crop: CropConfig) -> Iterator[Finding]:
    """Parameters that do nothing with a single view."""
    if len(crop.views) > 1:
        return
    given = {
        "train.fusion: attention": train.fusion == "attention",
        "train.separate_backbones": train.separate_backbones,
    }
    for name in (name for name, is_set in given.items() if is_set):
        yield Finding(
            "surprise",
            f"{name} has no effect on the one view of crop.views; add views, such as crop.views: [1.0, 3.0, frame]",
        )


def _unused_orientations(predict: PredictConfig, evaluate: EvaluateConfig) -> Iterator[Finding]:
    if evaluate.test_time_augmentation == "none" and predict.transforms != "none":
        count = len(ORIENTATION_SETS[predict.transforms])
        yield Finding(
            "surprise",
            f"predict.transforms is {predict.transforms!r}, so each ROI is predicted {count} times, but "
            "evaluate.test_time_augmentation is 'none', so answers use one; set it to 'auto', or predict.transforms to "
            "'none'",
        )
