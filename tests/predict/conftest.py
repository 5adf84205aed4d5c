from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fathomline.model.backbone import build
from fathomline.model.checkpoint import Model, save_model
from fathomline.model.model_json import held_out_digest
from fathomline.train.design import design
from tests.colored_crops import CLASSES, config, crops, on_the_cpu, taxonomy, two_views


@pytest.fixture
def split() -> pd.DataFrame:
    """Folds 0 and 1 alternate from frame to frame."""
    frames = np.arange(120) // 3
    return pd.DataFrame({"annotation_id": np.arange(120), "fold": frames % 2, "group": frames.astype(str)})


@pytest.fixture
def two_models(config, crops, split, taxonomy, tmp_path) -> list[Model]:
    """Untrained models of folds 0 and 1, as the train stage saves them."""
    models = []
    for fold in (0, 1):
        architecture = design(config, views=1, classes=3)
        held_out = held_out_digest(np.flatnonzero(split["fold"] == fold))
        model = Model(
            build(architecture).eval(), architecture, crops.preprocessing, "bf16", CLASSES, taxonomy.hash, held_out
        )
        save_model(model, tmp_path / f"fold-{fold}")
        models.append(model)
    return models


def with_classes(model: Model, *classes: str) -> Model:
    return replace(model, classes=classes)
