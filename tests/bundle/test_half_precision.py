"""16-bit weights are stored only if no answer changes."""

from dataclasses import replace

import numpy as np
import pytest

import fathomline
from fathomline.bundle.bundle import copy_weights, write_bundle
from fathomline.bundle.half_precision import store_rounded_weights
from fathomline.errors import InputError
from fathomline.model.checkpoint import load_model, save_model
from fathomline.model.model_json import read_model_json
from tests.bundle.world import BOXES, CONFIG, MEASURED, RULE


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_16_bit_weights_are_stored_if_no_answer_changes(trained, dtype):
    folder = trained.folder / "half"
    stored = store_rounded_weights(trained.models, folder, dtype, trained.crops, trained.logits, trained.taxonomy, RULE)
    assert stored.dtype == dtype
    write_bundle(folder, trained.models, stored, trained.taxonomy, RULE, MEASURED, CONFIG)
    sizes = [(folder / f"fold-{fold}.safetensors").stat().st_size for fold in (0, 1)]
    assert max(sizes) < 0.6 * trained.models[0].weights.stat().st_size
    frames = [trained.raw / f"images/{number}.png" for number in BOXES]
    predicted = fathomline.load(folder).predict(frames, list(BOXES.values()))
    assert [one.name for one in predicted] == trained.answers()["concept_name"].tolist()


def test_16_bit_weights_that_would_change_an_answer_are_not_stored(trained, capsys):
    others = replace(trained.logits, logits=np.roll(trained.logits.logits, 1, axis=2))
    stored = store_rounded_weights(
        trained.models, trained.folder / "half", "float16", trained.crops, others, trained.taxonomy, RULE
    )
    assert stored == copy_weights(trained.models, trained.folder / "half")
    assert "answers would change with float16" in " ".join(capsys.readouterr().err.split())


def test_without_a_test_subset_the_weights_stay_float32(trained, capsys):
    none = replace(trained.crops, annotations=trained.crops.annotations.head(0), pixels=trained.crops.pixels[:0])
    logits = replace(trained.logits, logits=trained.logits.logits[:, :, :0], annotation_ids=np.zeros(0, np.int64))
    folder = trained.folder / "half"
    stored = store_rounded_weights(trained.models, folder, "float16", none, logits, trained.taxonomy, RULE)
    assert stored == copy_weights(trained.models, folder)
    assert "no test subset to check that float16 changes no answer" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda test: replace(test, folds=(0, 2)), "the folds 0, 2, but split.held_out is 0, 1"),
        (lambda test: replace(test, classes=test.classes[::-1]), "classes of the test logits differ"),
        (lambda test: replace(test, annotation_ids=test.annotation_ids[::-1]), "ROIs of the test logits differ"),
    ],
)
def test_logits_of_other_models_or_rois_are_refused(trained, change, says):
    with pytest.raises(InputError, match=says):
        store_rounded_weights(
            trained.models,
            trained.folder / "half",
            "float16",
            trained.crops,
            change(trained.logits),
            trained.taxonomy,
            RULE,
        )


def test_weights_beyond_the_range_of_float16_stay_float32(trained, capsys, taxonomy):
    folder = trained.models[0].weights.parent
    model = load_model(folder, taxonomy)
    model.classifier.head.weight.data[0, 0] = 1e6
    save_model(model, folder)
    models = [
        replace(trained.models[0], description=read_model_json(folder / "model.json", taxonomy)),
        trained.models[1],
    ]
    stored = store_rounded_weights(
        models, trained.folder / "half", "float16", trained.crops, trained.logits, trained.taxonomy, RULE
    )
    assert stored.dtype == "float32"
    assert "head.weight" in capsys.readouterr().err
