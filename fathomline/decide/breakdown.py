"""Break the answers down by concept, by clade and by rank."""

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
    """One row for each of `concepts`, in their order, including those without an ROI.

    Args: truth (rois,), each one of `concepts`; prediction (rois,), names in the tree.
    Returns: concept, taxon (its accepted name), rank (its own, which may be between the seven, such as infraorder),
        support (ROIs of this concept), answers (ROIs answered with its taxon), mhd and accuracy (NaN without support),
        mistakes (ROIs), and mistaken_for, its three most frequent wrong answers with their counts.
    """
    nodes = _nodes(taxonomy, concepts)
    truths, answers = _nodes(taxonomy, truth), _nodes(taxonomy, prediction)
    # Rows are matched by name, not by node: two concepts may be one taxon.
    same_name = np.array(concepts, dtype=object)[:, None] == np.array(truth, dtype=object)
    of_concept = sparse.csr_array(same_name.astype(np.int64))
    table = pd.DataFrame(
        {
            "concept": list(concepts),
            "taxon": [taxonomy.nodes[node].name for node in nodes],
            "rank": [taxonomy.rank_names[node] for node in nodes],
            "support": of_concept.sum(axis=1),
            "answers": np.bincount(answers, minlength=len(taxonomy.nodes))[nodes],
        }
    )
    return table.join(_figures(taxonomy, of_concept, truths, answers, prediction))


def by_clade(taxonomy: Taxonomy, truth: Sequence[str], prediction: Sequence[str]) -> pd.DataFrame:
    """One row for each node of the tree, parents before their children: a clade is a taxon and everything below it.

    Args: truth and prediction (rois,), names in the tree.
    Returns: taxon, rank (as in `by_concept`), parent (empty for a kingdom), support (ROIs whose truth is in the
        clade), mhd and accuracy over them (NaN without support), mistakes (ROIs), leaving (the share of support
        whose answer is outside the clade, NaN without support), and mistaken_for as in `by_concept`.
    """
    truths, answers = _nodes(taxonomy, truth), _nodes(taxonomy, prediction)
    members, answered = _clades(taxonomy, truths), _clades(taxonomy, answers)
    support = members.sum(axis=1)
    leaving = support - members.multiply(answered).sum(axis=1)
    table = pd.DataFrame(
        {
            "taxon": [node.name for node in taxonomy.nodes],
            "rank": taxonomy.rank_names,
            "parent": [taxonomy.nodes[parent].name if parent >= 0 else "" for parent in taxonomy.parents],
            "leaving": _shares(leaving, support),
            "support": support,
        }
    ).join(_figures(taxonomy, members, truths, answers, prediction))
    return table[["taxon", "rank", "parent", "support", "mhd", "accuracy", "mistakes", "leaving", "mistaken_for"]]


def by_rank(taxonomy: Taxonomy, truth: np.ndarray, prediction: np.ndarray, masses: np.ndarray) -> pd.DataFrame:
    """One row for each of the seven ranks.

    Args: truth and prediction (rois,) nodes; masses (rois, 7), the probability of the answer's taxon at each rank.
    Returns: rank, known (ROIs whose truth is known to that rank), accuracy, ece (both NaN if they cannot be computed).
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
    """How many mistakes have their lowest common ancestor with the truth at each rank.

    Two species of one genus meet at `genus`; so do a species and its genus.

    Args: truth and prediction (rois,) nodes.
    Returns: meets_at (`none`, then kingdom to species), mistakes, share (of all mistakes; NaN without mistakes).
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


def _shares(parts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """parts / totals, NaN where the total is 0."""
    return np.divide(parts, totals, out=np.full(len(parts), np.nan), where=totals > 0)


def _clades(taxonomy: Taxonomy, nodes: np.ndarray) -> sparse.csr_array:
    """(nodes of the taxonomy, rois) int64, 1 where the ROI's node is in the clade: about seven per column."""
    paths = taxonomy.paths[nodes]
    rois, levels = np.nonzero(paths >= 0)
    entries = (np.ones(len(rois), dtype=np.int64), (paths[rois, levels], rois))
    return sparse.csr_array(entries, shape=(len(taxonomy.nodes), len(nodes)))


def _figures(
    taxonomy: Taxonomy, members: sparse.csr_array, truths: np.ndarray, answers: np.ndarray, names: Sequence[str]
) -> pd.DataFrame:
    """mhd, accuracy, mistakes and mistaken_for over the ROIs of each row of `members`.

    Args: members (rows, rois), 1 where the ROI belongs to the row; truths and answers (rois,) nodes; names (rois,) of
        the answers.
    """
    wrong, support = truths != answers, members.sum(axis=1)
    mistakes = members @ wrong.astype(np.int64)
    answer_names = np.array(names, dtype=object)
    rois_by_row = np.split(members.indices, members.indptr[1:-1])
    return pd.DataFrame(
        {
            "mhd": _shares(members @ taxonomy.row_distances(truths, answers), support),
            "accuracy": _shares(support - mistakes, support),
            "mistakes": mistakes,
            "mistaken_for": [_most_frequent(answer_names[rois[wrong[rois]]]) for rois in rois_by_row],
        }
    )


def _most_frequent(names: np.ndarray) -> str:
    """The three most frequent of `names` with their counts; ties are in alphabetical order."""
    counts = sorted(Counter(names.tolist()).items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{name} {count}" for name, count in counts[:_NAMED_MISTAKES])
