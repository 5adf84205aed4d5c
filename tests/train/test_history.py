from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from fathomline.config import with_values
from fathomline.files import write_csv
from fathomline.model.degrade import degraded_scale, view_spans
from fathomline.model.inference import predict_logits
from fathomline.report.tables import read_history
from fathomline.train.history import Epoch, Trained
from fathomline.train.train import train
from tests.colored_crops import CLASSES


@pytest.fixture
def steps(taxonomy) -> np.ndarray:
    """(classes, classes), steps on the tree from one to the other."""
    return np.array([[taxonomy.distance(one, other) for other in CLASSES] for one in CLASSES])


def figures(logits: np.ndarray, labels: np.ndarray, steps: np.ndarray) -> dict[str, float]:
    probabilities = softmax(logits.astype(np.float64), axis=1)
    expected = [
        sum(p * steps[label, answer] for answer, p in enumerate(row))
        for label, row in zip(labels, probabilities, strict=True)
    ]
    return {
        "cross_entropy": float(-np.log(probabilities[np.arange(len(labels)), labels]).mean()),
        "expected_distance": float(np.mean(expected)),
        "entropy": float(entropy(probabilities, axis=1).mean()),
        "mhd": float(steps[labels, logits.argmax(axis=1)].mean()),
        "accuracy": float((logits.argmax(axis=1) == labels).mean()),
    }


def test_validation_figures_are_those_of_the_returned_model(crops, rows, taxonomy, config, steps):
    trained = train(
        crops, rows, taxonomy, CLASSES, with_values(config, epochs=1, lr=0.01, validation={"degraded_size": 3.0})
    )
    labels, remaining = crops.labels(CLASSES)[rows[1]], view_spans(crops) * degraded_scale(crops, 3.0)
    plain, degraded = (
        predict_logits(trained.model.classifier, crops.pixels, rows[1], 16, remaining=seen)[0]
        for seen in (None, remaining)
    )
    found = asdict(trained.best)
    expected = figures(plain, labels, steps)
    assert {name: found[f"validation_{name}"] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found["validation_mhd_degraded"] == figures(degraded, labels, steps)["mhd"]
    assert 0.01 < expected["entropy"] < np.log(3) - 0.01, "a distribution that would expose a wrong formula"
    assert found["validation_mhd_degraded"] > found["validation_mhd"], "the two views differ"


def test_training_figures_are_means_over_the_training_rois(crops, rows, taxonomy, config, steps):
    # Without augmentation and almost without learning, the final model is the model of each step.
    still = with_values(
        config, backbone="test_vit", augment={"min_crop": 1.0, "horizontal_flip": False, "vertical_flip": False}
    )
    still = with_values(still, epochs=1, batch_size=15, lr=1e-12, schedule={"min_lr": 0.0})
    trained = train(crops, rows, taxonomy, CLASSES, still)
    (logits,) = predict_logits(trained.model.classifier, crops.pixels, rows[0], 16)
    expected = figures(logits, crops.labels(CLASSES)[rows[0]], steps)
    found = asdict(trained.best)
    for name in ("cross_entropy", "expected_distance", "entropy"):
        assert found[f"train_{name}"] == pytest.approx(expected[name], rel=1e-4)
    loss = expected["cross_entropy"] + 0.1 * expected["expected_distance"]
    assert found["train_loss"] == pytest.approx(loss, rel=1e-4)
    assert expected["entropy"] < np.log(3) - 1e-3


@pytest.fixture
def epoch() -> Epoch:
    numbers = dict.fromkeys(Epoch.__dataclass_fields__, 1.0)
    return Epoch(**(numbers | {"validation_mhd": 2.0, "validation_mhd_degraded": 3.0}))


def test_the_selected_mhd_is_that_of_the_chosen_view(epoch):
    assert epoch.selected_mhd("plain") == 2.0
    assert epoch.selected_mhd("degraded") == 3.0


def test_the_share_of_trainable_weights_is_reported_unless_all_were_trained(epoch):
    some = Trained(None, (epoch,), epoch, 10.0, trainable=1_500_000, weights=20_000_000)
    assert some.trainable_share == "; 1,500,000 of 20,000,000 weights trained (7.50%, 6.0 MB)"
    assert replace(some, trainable=20_000_000).trainable_share == ""


def test_the_report_reads_the_written_history(tmp_path):
    numbers = dict.fromkeys(Epoch.__dataclass_fields__, 1.5)
    lacking = {"validation_mhd_degraded": None, "lora_gradient_norm": None, "lora_gradient_max": None}
    epochs = [Epoch(**(numbers | lacking | {"epoch": epoch})) for epoch in (1, 2)]
    trained = Trained(None, epochs, epochs[0], 9.0, 1, 1)
    write_csv(trained.history_table(), tmp_path / "history.csv")
    read = read_history(tmp_path / "history.csv")
    assert read.columns.tolist() == list(Epoch.__dataclass_fields__)
    assert read["epoch"].tolist() == [1, 2]
    assert read["train_loss"].tolist() == [1.5, 1.5]
    assert read["validation_mhd_degraded"].isna().all()
