"""Figures on the held-out ROIs."""

from typing import NamedTuple

import numpy as np
import torch
from scipy.special import log_softmax, softmax

from fathomline.model.classifier import Classifier
from fathomline.train.distributed import Processes
from fathomline.train.inputs import Task


class Validation(NamedTuple):
    """Means over the held-out ROIs; see the fields of `Epoch` of the same names."""

    cross_entropy: float
    expected_distance: float
    entropy: float
    mhd: float
    accuracy: float
    mhd_degraded: float | None


def validate(classifier: Classifier, task: Task, processes: Processes, *, degraded: bool) -> Validation:
    """Validate on the plain view, and with `degraded` also on the degraded view. The processes share the ROIs."""
    labels = task.labels[task.held_out_rows]
    logits = _held_out_logits(classifier, task, processes, degraded=False)
    scores = log_softmax(logits.astype(np.float64), axis=1)
    probabilities = softmax(logits.astype(np.float64), axis=1)
    distances = task.taxonomy.distances(task.class_nodes, task.class_nodes)[labels]
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=1)
    return Validation(
        cross_entropy=float(-scores[np.arange(len(labels)), labels].mean()),
        expected_distance=float((probabilities * distances).sum(axis=1).mean()),
        entropy=float(entropy.mean()),
        mhd=_mhd(logits, labels, task),
        accuracy=float((logits.argmax(axis=1) == labels).mean()),
        mhd_degraded=(
            _mhd(_held_out_logits(classifier, task, processes, degraded=True), labels, task) if degraded else None
        ),
    )


def _mhd(logits: np.ndarray, labels: np.ndarray, task: Task) -> float:
    nodes = task.class_nodes
    return float(task.taxonomy.row_distances(nodes[labels], nodes[logits.argmax(axis=1)]).mean())


def _held_out_logits(classifier: Classifier, task: Task, processes: Processes, *, degraded: bool) -> np.ndarray:
    """Logits of all held-out rows, gathered from the processes."""
    rows = task.held_out_rows
    share = task.inputs.logits(classifier, processes.share(rows), degraded=degraded)
    device = next(classifier.parameters()).device
    return processes.all_gather(torch.from_numpy(share).to(device), len(rows)).cpu().numpy()
