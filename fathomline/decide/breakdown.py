"""The same answers, taken apart: by concept, by clade, by rank."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from fathomline.decide import metrics
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.tree import Taxonomy

_NAMED_MISTAKES = 3


def by_concept(
    taxonomy: Taxonomy, concepts: Sequence[str], truth: Sequence[str], prediction: Sequence[str]
) -> pd.DataFrame:
    """One row for each of `concepts`, in their order, those without an ROI included.

    Args: truth (rois,), each one of `concepts`; prediction (rois,), names that the tree holds.
    Returns: concept, taxon (its accepted name), rank (empty between the seven), support (ROIs that are it), answers
        (ROIs answered with its taxon), mhd and accuracy (NaN without support), mistakes (ROIs), and mistaken_for, its
        three most frequent wrong answers and how often each was given.
    """
    nodes = _nodes(taxonomy, concepts)
    truths, answers = _nodes(taxonomy, truth), _nodes(taxonomy, prediction)
    given = np.array(truth, dtype=object)
    names = np.array(concepts, dtype=object)[:, None]  # two concepts may be one taxon
    of_concept = sparse.csr_array((names == given).astype(np.int64))
    return pd.DataFrame(
        {
            "concept": list(concepts),
            "taxon": [taxonomy.nodes[node].name for node in nodes],
            "rank": [str(taxonomy.nodes[node].rank or "") for node in nodes],
            "support": of_concept.sum(axis=1),
            "answers": np.bincount(answers, minlength=len(taxonomy.nodes))[nodes],
            **_figures(taxonomy, of_concept, truths, answers, prediction),
        }
    )


def by_clade(taxonomy: Taxonomy, truth: Sequence[str], prediction: Sequence[str]) -> pd.DataFrame:
    """One row for each node of the tree, parents before their children: a clade is a taxon and all below it.

    Args: truth and prediction (rois,), names that the tree holds.
    Returns: taxon, rank (empty between the seven), parent (empty for a kingdom), support (ROIs whose truth lies in the
        clade), mhd and accuracy over them (NaN without support), mistakes (ROIs), leaving (the share of support whose
        answer lies outside the clade, NaN without), and mistaken_for as `by_concept` has it.
    """
    truths, answers = _nodes(taxonomy, truth), _nodes(taxonomy, prediction)
    members, answered = _clades(taxonomy, truths), _clades(taxonomy, answers)
    figures = _figures(taxonomy, members, truths, answers, prediction)
    support = members.sum(axis=1)
    leaving = support - members.multiply(answered).sum(axis=1)
    return pd.DataFrame(
        {
            "taxon": [node.name for node in taxonomy.nodes],
            "rank": [str(node.rank or "") for node in taxonomy.nodes],
            "parent": [taxonomy.nodes[parent].name if parent >= 0 else "" for parent in taxonomy.parents],
            "leaving": _shares(leaving, support),
            "support": support,
            **figures,
        }
    )[["taxon", "rank", "parent", "support", "mhd", "accuracy", "mistakes", "leaving", "mistaken_for"]]


def by_rank(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray, masses: np.ndarray) -> pd.DataFrame:
    """One row for each of the seven ranks.

    Args: truth and prediction (rois,) nodes; masses (rois, 7), the probability stated for the answer at each rank.
    Returns: rank, known (ROIs whose truth is known to it), accuracy, ece (both NaN where nothing is known).
    """
    accuracy = metrics.accuracy_at_ranks(taxonomy, truth, prediction)
    errors = metrics.calibration_error_at_ranks(taxonomy, truth, prediction, masses)
    return pd.DataFrame(
        {
            "rank": [str(rank) for rank in RANKS],
            "known": (taxonomy.ranked_ancestors[truth] >= 0).sum(axis=0),
            "accuracy": pd.array([accuracy[rank] for rank in RANKS], dtype="float64"),
            "ece": pd.array([errors[rank] for rank in RANKS], dtype="float64"),
        }
    )


def by_meeting_rank(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray) -> pd.DataFrame:
    """How far up the tree mistakes meet their truth: two species of one genus at `genus`, a species and its genus too.

    Returns: meets_at (`none`, then kingdom to species), mistakes, share (of all mistakes; NaN where there is none).
    """
    wrong = truth != prediction
    depths = metrics.meeting_ranks(taxonomy, truth[wrong], prediction[wrong])
    counts = np.bincount(depths + 1, minlength=len(RANKS) + 1)
    return pd.DataFrame(
        {
            "meets_at": ["none", *map(str, RANKS)],
            "mistakes": counts,
            "share": _shares(counts, np.full(len(counts), wrong.sum())),
        }
    )


def _nodes(taxonomy: Taxonomy, names: Sequence[str]) -> np.ndarray:
    return np.array([taxonomy.node(name) for name in names], dtype=np.int64)


def _shares(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    return np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)


def _clades(taxonomy: Taxonomy, nodes: np.ndarray) -> sparse.csr_array:
    """(taxonomy's nodes, rois) int64, 1 where the ROI's node lies in the clade: some seven in each column."""
    paths = taxonomy.paths[nodes]
    rois, levels = np.nonzero(paths >= 0)
    entries = (np.ones(len(rois), dtype=np.int64), (paths[rois, levels], rois))
    return sparse.csr_array(entries, shape=(len(taxonomy.nodes), len(nodes)))


def _figures(
    taxonomy: Taxonomy, members: sparse.csr_array, truths: np.ndarray, answers: np.ndarray, names: Sequence[str]
) -> dict[str, object]:
    """Means over the ROIs of each row of `members` (rows, rois)."""
    wrong, support = truths != answers, members.sum(axis=1)
    mistakes = members @ wrong.astype(np.int64)
    written = np.array(names, dtype=object)
    return {
        "mhd": _shares(members @ taxonomy.row_distances(truths, answers), support),
        "accuracy": _shares(support - mistakes, support),
        "mistakes": mistakes,
        "mistaken_for": [
            _most_frequent(written[rois[wrong[rois]]]) for rois in np.split(members.indices, members.indptr[1:-1])
        ],
    }


def _most_frequent(names: np.ndarray) -> str:
    """The three most frequent of `names` with their counts; of equals, in alphabetical order."""
    counts = sorted(Counter(names.tolist()).items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{name} {times}" for name, times in counts[:_NAMED_MISTAKES])
