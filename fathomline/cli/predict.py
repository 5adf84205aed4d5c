"""`fathomline predict`: answers for new pictures."""

import argparse
from pathlib import Path
from typing import Any

from fathomline.progress import summary

ALL, SOME_SKIPPED, NONE = 0, 3, 2
"""Exit status by how many rows of the input were answered."""


def add_parser(commands: Any) -> None:
    """Args: commands, what `add_subparsers` returned."""
    parser = commands.add_parser(
        "predict",
        help="answers for new pictures",
        description="Answer every ROI of the INPUTs with the model BUNDLE. Rows that cannot be answered are named in "
        "FILE.skipped.csv, with the reason. Exit status: 0 if all rows were answered, 3 if some, 2 if none, 1 after an "
        "error.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a bundle")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="pictures and folders of pictures")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="file of answers to write")
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists with other answers")
    parser.add_argument(
        "--images", type=Path, metavar="DIR", help="folder of the pictures that a COCO JSON or CSV names"
    )
    parser.set_defaults(run=_predict)


def _predict(parsed: argparse.Namespace) -> int:
    # Importing these takes a second or more, which `--help` does not need.
    from fathomline.answers.csv_writer import write_csv_answers
    from fathomline.answers.predict_files import Job, predict_files
    from fathomline.inputs.pictures import PictureOpener
    from fathomline.inputs.read import read_inputs
    from fathomline.predictor.choice import Choice
    from fathomline.predictor.load import load_predictor

    frames = read_inputs(parsed.inputs, parsed.images)
    job = Job(load_predictor(parsed.bundle), frames, PictureOpener().open, Choice())
    counts = predict_files(job, parsed.output, write_csv_answers, parsed.overwrite)
    skipped = f", {counts.skipped} skipped: see {parsed.output}.skipped.csv" if counts.skipped else ""
    summary(f"{parsed.output}: {counts.answered} answers{skipped}")
    if counts.skipped == 0:
        return ALL
    return SOME_SKIPPED if counts.answered else NONE
