"""A submission against the truth, by the competition's rules."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fathomline.errors import InputError, listing
from fathomline.files import read_csv
from fathomline.lineages.spelling import nearest
from fathomline.taxonomy.tree import UNKNOWN_DISTANCE, Taxonomy

WHOLE_NUMBER = r"\s*[+-]?\d{1,18}(\.0*)?\s*"
"""With the ".0" that spreadsheets and pandas give a column that had gaps."""


def read_answers(path: Path) -> pd.DataFrame:
    """Read `annotation_id` (int64) and `concept_name` (text, "" where empty) of a CSV; other columns are left out.

    Raises InputError naming the file and the rows whose annotation_id is not a whole number or appears twice.
    """
    table = read_csv(path, ["annotation_id", "concept_name"], dtype=str, keep_default_na=False, skip_blank_lines=False)
    table = table[(table != "").any(axis=1)]
    wrong = table.index[~table["annotation_id"].str.fullmatch(WHOLE_NUMBER).astype(bool)]
    if len(wrong):
        raise InputError(
            f"{path}: annotation_id is not a whole number of up to 18 digits in {len(wrong)} row(s): "
            f"{listing(f'line {row + 2} ({table.annotation_id[row]!r})' for row in wrong)}"
        )
    numbers = table["annotation_id"].str.split(".").str[0].astype("int64")
    answers = pd.DataFrame({"annotation_id": numbers, "concept_name": table["concept_name"]}).reset_index(drop=True)
    repeated = answers.loc[answers["annotation_id"].duplicated(), "annotation_id"].unique()
    if len(repeated):
        raise InputError(
            f"{path}: {len(repeated)} annotation_id(s) appear more than once, expected one row each: "
            f"{listing(repeated)}"
        )
    return answers


def score(submission: pd.DataFrame, truth: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """The distance of each answer from its truth; the mean of the column `distance` is the MHD.

    An answer that is empty, or not the name of one of the taxonomy's concepts, is 12 from any truth, as in the
    competition, whose reference holds its 79 names only: Decapoda is above some of them, and still unknown.

    Args: submission and truth as `read_answers` gives them.
    Returns: annotation_id, truth, prediction, distance (edges), in the order of `truth`.
    Raises InputError when the two do not answer for the same ROIs, or when a truth is no concept of the taxonomy.
    """
    _refuse_other_rows(submission, truth)
    concepts = set(taxonomy.concepts)
    unknown = sorted(set(truth["concept_name"]) - concepts)
    if unknown:
        raise InputError(
            f"truth: {len(unknown)} name(s) are not in the taxonomy of {len(concepts)} concepts: "
            f"{listing(_suggested(name, taxonomy.concepts) for name in unknown)}; give the taxonomy that holds them "
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
    """The answers among the rows of `score` that no concept bears, with their counts, commonest first."""
    strange = rows.loc[~rows["prediction"].isin(set(taxonomy.concepts)), "prediction"]
    return strange.value_counts().to_dict()


def _refuse_other_rows(submission: pd.DataFrame, truth: pd.DataFrame) -> None:
    answered, wanted = set(submission["annotation_id"]), set(truth["annotation_id"])
    if not wanted:
        raise InputError("truth: there is no row; expected one for each ROI")
    faults = [
        f"{len(ids)} {what}: {listing(sorted(ids))}"
        for ids, what in ((wanted - answered, "row(s) are missing"), (answered - wanted, "row(s) match no ROI"))
        if ids
    ]
    if faults:
        raise InputError(f"submission: {'; '.join(faults)}; expected one row for each of the {len(wanted)} ROIs")


def _suggested(name: str, known: Sequence[str]) -> str:
    close = nearest(name, known, count=1)
    return f"{name!r} (did you mean {close[0]}?)" if close else repr(name)
