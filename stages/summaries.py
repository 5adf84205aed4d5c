"""The line that a stage prints when it is done. No stage depends on this file: rewording a line reruns nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fathomline.errors import listing

if TYPE_CHECKING:  # evaluate and submit must not wait for PyTorch
    import pandas as pd

    from fathomline.decide.evaluate import Evaluation
    from fathomline.decide.rule import DecisionRule
    from fathomline.lineages.resolve import Resolution
    from fathomline.train.config import TrainConfig
    from fathomline.train.history import Trained


def taxonomy_summary(resolution: Resolution) -> str:
    taxonomy = resolution.taxonomy
    origins = listing(f"{count} from {origin}" for origin, count in sorted(resolution.origins.items()))
    nodes = f"{len(taxonomy.nodes)} nodes, hash {taxonomy.hash[:12]}"
    return f"taxonomy: {len(taxonomy.concepts)} concepts ({origins}), {nodes}"


def split_summary(folds: pd.DataFrame) -> str:
    sizes = folds["fold"].value_counts()
    return f"split: {len(folds)} ROIs in {len(sizes)} folds of {sizes.min()} to {sizes.max()}"


def train_summary(fold: int, trained: Trained, config: TrainConfig, training_rois: int) -> str:
    select_on, concepts = config.validation.select_on, len(trained.model.classes)
    return (
        f"train fold {fold}: {config.backbone} on {training_rois} ROIs of {concepts} concepts, best MHD "
        f"{trained.best.selected_mhd(select_on):.3f} (arg-max, {select_on} view) in epoch {trained.best.epoch} of "
        f"{config.epochs}, {trained.images_per_second:.0f} images/s{trained.trainable_share}"
    )


def predict_summary(subset: str, rois: int, models: int, orientations: int) -> str:
    if not rois:
        return f"predict {subset}: no {subset} subset"
    return f"predict {subset}: {rois} ROIs by {models} model(s) in {orientations} orientation(s)"


def evaluate_summary(result: Evaluation, decoder: str, view: str) -> str:
    figures = result.metrics
    interval = "(no interval: one group)"
    if "mhd_low" in figures:
        interval = f"[{figures['mhd_low']:.3f}, {figures['mhd_high']:.3f}]"
    return (
        f"evaluate: MHD {figures['mhd']:.3f} {interval} by {decoder} on {figures['rois']} held-out ROIs, "
        f"{view} view, averaged over {len(result.rule.transforms)} orientation(s) (argmax "
        f"{figures['mhd_argmax']:.3f}, threshold {figures['mhd_threshold']:.3f}, risk {figures['mhd_risk']:.3f}, best "
        f"constant {figures['mhd_constant']:.3f}){_verdict(figures)}"
    )


def _verdict(figures: Mapping[str, float | int | str]) -> str:
    """What the figures alone do not tell someone who sees them for the first time."""
    if float(figures["mhd"]) < float(figures["mhd_constant"]):
        return ""
    return "; this is no better than giving every ROI the same answer: train for longer, or on more ROIs"


def submit_summary(submission: Path, answers: int, unseen: int, rule: DecisionRule) -> str:
    if not answers:
        return f"submit: no test subset; {submission} has only a header"
    note = f"; {unseen} ROI(s) could not be cropped and got the fallback answer {rule.fallback}" if unseen else ""
    return f"submit: {answers} answers by {rule.decoder} in {submission}{note}"


def bundle_summary(bundle: Path, models: int, dtype: str) -> str:
    size = sum(path.stat().st_size for path in bundle.iterdir()) / 1e6
    return f"bundle: {models} model(s), {dtype} weights, {size:.1f} MB in {bundle}"
