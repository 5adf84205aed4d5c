"""Write the true names of the reef's test animals, which its COCO file withholds, for `fathomline score`."""

import argparse
from pathlib import Path

import pandas as pd

from fathomline.errors import InputError
from fathomline.files import write_csv
from fathomline.progress import summary
from stages import PARAMS, params_section, run
from stages.source import SourceConfig


def reef_truth(config: SourceConfig) -> pd.DataFrame:
    """The annotation_id and the true concept_name of each test annotation, in the order of submission.csv.

    Raises InputError when the source is not the reef: the truth of other data is not known.
    """
    if config.name != "reef":
        raise InputError(
            f"{PARAMS}: source.name is {config.name}, expected reef: the truth of other test data is not known. Write "
            "a CSV with the columns annotation_id and concept_name yourself"
        )
    from reef.reef import Reef

    labels = Reef(config.reef_frames, config.reef_seed).labels("test")
    return pd.DataFrame({"annotation_id": list(labels), "concept_name": list(labels.values())})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("truth", type=Path, help="CSV to write: annotation_id,concept_name")
    arguments = parser.parse_args()
    truth = reef_truth(params_section("source", SourceConfig))
    _refuse_to_replace(arguments.truth, truth.to_csv(index=False, lineterminator="\n"))
    write_csv(truth, arguments.truth)
    summary(f"truth: the names of {len(truth)} test animals in {arguments.truth}")


def _refuse_to_replace(path: Path, text: str) -> None:
    """Refuse to replace a file of other content: it may be a truth that somebody wrote by hand."""
    if path.is_file() and path.read_bytes() != text.encode():
        raise InputError(f"{path}: exists and has other content; delete it, or choose another name")


if __name__ == "__main__":
    run(main)
