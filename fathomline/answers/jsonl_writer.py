"""Answers as JSON lines: one object per ROI, with the lineage nested."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from fathomline.answers.rows import Row, box_of, lineage_of, most_probable_of, rows_of, write_lines
from fathomline.decide.submit import ANSWER


def write_jsonl_answers(tables: Iterable[pd.DataFrame], path: Path) -> None:
    """Write strict JSON (no NaN), null for what is missing.

    `most_probable` and `track_answer` are absent where there are none.
    """
    with open(path, "wb") as stream:
        write_lines((json.dumps(_object(row), ensure_ascii=False, allow_nan=False) for row in rows_of(tables)), stream)


def _object(row: Row) -> dict[str, Any]:
    content: dict[str, Any] = {
        "path": row["path"],
        "image_id": row["image_id"],
        "width": row["frame_w"],
        "height": row["frame_h"],
        "annotation_id": row["annotation_id"],
        "box": box_of(row),
        "track": row["track"],
        "answer": {column: row[column] for column in ANSWER},
        "lineage": lineage_of(row),
    }
    if most_probable := most_probable_of(row):
        content["most_probable"] = most_probable
    if row.get("track_concept_name") is not None:
        content["track_answer"] = {column: row[f"track_{column}"] for column in ANSWER}
    return content
