"""Predict the boxes of a CSV once: the process whose memory the benchmark measures. It imports torch only if needed."""

import sys
from pathlib import Path

from fathomline.answers.csv_writer import write_csv_answers
from fathomline.answers.predict_files import Job, predict_files
from fathomline.inputs.pictures import PictureOpener
from fathomline.inputs.read import read_inputs
from fathomline.predictor.choice import Choice
from fathomline.predictor.load import load_predictor
from fathomline.predictor.predictor import Predictor


def predict_once(predictor: Predictor, csv: Path, output: Path) -> int:
    """Predict as `fathomline predict` does, with a model that is loaded; returns the number of answers."""
    output.unlink(missing_ok=True)
    job = Job(predictor, read_inputs([str(csv)], None), PictureOpener().open, Choice())
    return predict_files(job, output, write_csv_answers).answered


def main() -> None:
    engine, bundle, csv, output, expected = sys.argv[1:]
    found = predict_once(load_predictor(bundle, engine), Path(csv), Path(output))
    if found != int(expected):
        sys.exit(f"{found} answers, expected {expected}")


if __name__ == "__main__":
    main()
