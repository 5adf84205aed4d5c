"""Score a submission against the truth by the competition's rules."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fathomline.errors import InputError, listing, shown
from fathomline.files import read_csv
from fathomline.lineages.spelling import nearest
from fathomline.taxonomy.tree import UNKNOWN_DISTANCE, Taxonomy

WHOLE_NUMBER = r"[+-]?\d{1,18}(\.0*)?"
"""It may end with the ".0" that spreadsheets and pandas add to the numbers of a column with gaps."""


def read_answers(path: Path) -> pd.DataFrame:
    """Read `annotation_id` (text without spaces around it) and `concept_name` (text, "" if empty) from a CSV.

    Other columns and empty lines are ignored. Raises InputError naming the file and the rows without an annotation_id,
    and whatever `read_csv` raises.
    """
    table = read_csv(path, ["annotation_id", "concept_name"], dtype=str, keep_default_na=False, skip_blank_lines=False)
    table = table[(table != "").any(axis=1)]
    ids = table["annotation_id"].str.strip()
    lacking = table.index[ids == ""]
    if len(lacking):
        raise InputError(
            f"{path}: annotation_id is empty in {len(lacking)} row(s): line {listing(lacking + 2)}; expected the id of "
            "the annotation that the name is for"
        )
    answers = pd.DataFrame({"annotation_id": ids, "concept_name": table["concept_name"]})
    return answers.reset_index(drop=True)


def score(submission: pd.DataFrame, truth: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """The distance of each answer from its truth; the mean of the column `distance` is the MHD.

    The distance of an answer that is empty or not one of the taxonomy's concepts is 12. This is the competition's rule,
    and its reference has 79 concepts only: Decapoda, an ancestor of some of them, costs 12 too.

    Annotation ids are compared as numbers, so that 1 equals 1.0, if all ids of both tables are whole numbers of up to
    18 digits; otherwise as text.

    Args: submission and truth, as returned by `read_answers`.
    Returns: annotation_id (int64 or text, as compared), truth, prediction, distance (edges), in the order of `truth`.
    Raises InputError when an id appears twice in a table, when the two do not have the same ROIs, or when a truth is
    not a concept of the taxonomy.
    """
    submission, truth, compared = _with_comparable_ids(submission, truth)
    _require_same_rois(submission, truth, compared)
    concepts = set(taxonomy.concepts)
    unknown = sorted(set(truth["concept_name"]) - concepts)
    if unknown:
        raise InputError(
            f"truth: {len(unknown)} name(s) are not among the {len(concepts)} concepts of the taxonomy: "
            f"{listing(_with_suggestion(name, taxonomy.concepts) for name in unknown)}; pass a taxonomy that has them "
            "with --taxonomy"
        )
    rows = truth.merge(submission, on="annotation_id", suffixes=("_truth", "_prediction"))
    rows = rows.rename(columns={"concept_name_truth": "truth", "concept_name_prediction": "prediction"})
    known = rows["prediction"].isin(concepts).to_numpy()
    distances = np.full(len(rows), UNKNOWN_DISTANCE, dtype=np.int64)
    truths, predictions = (
        np.array([taxonomy.node(name) for name in rows.loc[known, column]], dtype=np.int64)
        for column in ("truth", "prediction")
    )
    distances[known] = taxonomy.row_distances(truths, predictions)
    return rows.assign(distance=distances)


def unknown_answers(rows: pd.DataFrame, taxonomy: Taxonomy) -> dict[str, int]:
    """Counts of the answers in the rows of `score` that are not concepts of the taxonomy, most frequent first."""
    unknown = rows.loc[~rows["prediction"].isin(set(taxonomy.concepts)), "prediction"]
    return unknown.value_counts().to_dict()


def _with_comparable_ids(submission: pd.DataFrame, truth: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Both tables with ids that can be compared, and a note on how they are compared if that may surprise."""
    others = [
        f"{name} has {shown(identity)}"
        for name, table in (("submission", submission), ("truth", truth))
        for identity in table.loc[~table["annotation_id"].str.fullmatch(WHOLE_NUMBER).astype(bool), "annotation_id"][:1]
    ]
    if others:
        note = f" (ids are compared as text, because not all are whole numbers: {', '.join(others)})"
        return submission, truth, note
    return _numbered(submission), _numbered(truth), ""


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its ids, which are whole numbers as text, as int64: a float would lose digits."""
    return table.assign(annotation_id=table["annotation_id"].str.split(".").str[0].astype("int64"))


def _require_same_rois(submission: pd.DataFrame, truth: pd.DataFrame, compared: str) -> None:
    answered, expected = set(submission["annotation_id"]), set(truth["annotation_id"])
    if not expected:
        raise InputError("truth: no rows, expected one for each ROI")
    for name, table in (("submission", submission), ("truth", truth)):
        repeated = table.loc[table["annotation_id"].duplicated(), "annotation_id"].unique()
        if len(repeated):
            raise InputError(
                f"{name}: {len(repeated)} annotation_id(s) appear more than once, expected one row each: "
                f"{listing(repeated)}"
            )
    missing, extra = sorted(expected - answered), sorted(answered - expected)
    faults = []
    if missing:
        faults.append(f"{len(missing)} row(s) are missing: {listing(missing)}")
    if extra:
        faults.append(f"{len(extra)} row(s) match no ROI: {listing(extra)}")
    if faults:
        raise InputError(
            f"submission: {'; '.join(faults)}{compared}; expected one row for each of the {len(expected)} ROIs"
        )


def _with_suggestion(name: str, known: Sequence[str]) -> str:
    close = nearest(name, known, count=1)
    return f"{name!r} (did you mean {close[0]}?)" if close else repr(name)
