"""`fathomline predict`: answers for new pictures."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fathomline.errors import InputError
from fathomline.progress import summary
from fathomline.taxonomy.ranks import RANKS, Rank

if TYPE_CHECKING:
    from fathomline.answers.predict_files import Counts
    from fathomline.predictor.choice import Choice

ALL, SOME_SKIPPED, NONE = 0, 3, 2
"""Exit status, by how many rows of the input were answered."""


def add_parser(commands: Any) -> None:
    """Args: commands, what `add_subparsers` returned."""
    parser = commands.add_parser(
        "predict",
        help="identify the animals in new pictures",
        description="Identify the animal in each box of the INPUTs, or in each whole picture that has no boxes, with "
        "the model BUNDLE. Rows that cannot be answered are listed in FILE.skipped.csv, with the reason. Exit status: "
        "0 if all rows were answered, 3 if some, 2 if none, 1 after an error. After an interruption, run the same "
        "command again to resume.",
    )
    parser.add_argument(
        "bundle", metavar="BUNDLE", help="folder or .zip of a bundle, an exported .onnx, or hf://owner/name[@revision]"
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, folders of pictures or YOLO labels, COCO or MegaDetector JSON files, and CSVs of boxes "
        "(path,x,y,w,h), in any mixture",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="file of answers to write; its ending chooses the format",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace FILE if it exists and differs")
    _add_reading(parser.add_argument_group("reading"))
    _add_choosing(parser.add_argument_group("what may be answered"))
    _add_writing(parser.add_argument_group("writing"))
    parser.set_defaults(run=_predict)


def _add_reading(group: Any) -> None:
    group.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="folder with the pictures named in JSON files, CSVs and folders of labels; default: `coco_url`, or the "
        "folder of that file",
    )
    group.add_argument(
        "--allow-private-hosts",
        action="store_true",
        help="also fetch pictures from this machine and from private networks",
    )
    group.add_argument(
        "--engine",
        choices=["auto", "onnx", "torch"],
        default="auto",
        help="what runs the model; auto: PyTorch if there is a GPU or no ONNX file, otherwise ONNX Runtime",
    )
    group.add_argument(
        "--workers", type=_count, default=0, metavar="N", help="threads that open and cut pictures; 0: one per core"
    )


def _add_choosing(group: Any) -> None:
    group.add_argument(
        "--taxa",
        metavar="NAME,…",
        help="answer only with these taxa and those below them; or a file with one name per line",
    )
    group.add_argument("--within", metavar="CLADE", help="answer only with this taxon and those below it")
    group.add_argument("--rank-floor", choices=list(map(str, RANKS)), help="never answer with a rank finer than this")
    group.add_argument(
        "--candidates",
        choices=["labels", "tree"],
        help="labels: only the concepts that the model was trained on; tree: any taxon above them too; default: the "
        "bundle's",
    )
    group.add_argument("--decoder", choices=["argmax", "threshold", "risk"], help="default: the bundle's")
    group.add_argument("--top", type=_count, default=0, metavar="N", help="also list the N most probable concepts")


def _add_writing(group: Any) -> None:
    group.add_argument(
        "--format", choices=["csv", "jsonl", "coco", "parquet", "dwc"], help="default: by the ending of FILE"
    )
    group.add_argument(
        "--metadata",
        type=Path,
        metavar="CSV",
        help="for Darwin Core: the column `path`, and terms such as eventDate as further columns",
    )
    group.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="folder to write a web page to, which shows all answers with their pictures",
    )


def _predict(parsed: argparse.Namespace) -> int:
    counts = _answered(parsed)
    skipped = ""
    if counts.skipped:
        first = "" if counts.skipped == 1 else "the first: "
        skipped = f", {counts.skipped} skipped ({first}{counts.first_reason}), see {parsed.output}.skipped.csv"
    answers = "1 answer" if counts.answered == 1 else f"{counts.answered} answers"
    summary(f"{parsed.output}: {answers}{skipped}")
    if counts.skipped == 0:
        return ALL
    return SOME_SKIPPED if counts.answered else NONE


def _answered(parsed: argparse.Namespace) -> "Counts":
    # Importing these takes a second or more, which `--help` does not need.
    from fathomline.answers.darwin_core.metadata import read_metadata
    from fathomline.answers.formats import WriterContext, format_of, writer
    from fathomline.answers.page import AnswerPage
    from fathomline.answers.predict_files import Job, predict_files
    from fathomline.inputs.pictures import PictureOpener
    from fathomline.inputs.read import read_inputs
    from fathomline.predictor.load import load_predictor

    form, choice = format_of(parsed.output, parsed.format), _choice(parsed)
    metadata = None if parsed.metadata is None else read_metadata(parsed.metadata)
    frames = read_inputs(parsed.inputs, parsed.images)
    predictor = load_predictor(parsed.bundle, parsed.engine)
    opener = PictureOpener(allow_private_hosts=parsed.allow_private_hosts)
    context = WriterContext(predictor.bundle, predictor.taxonomy, metadata)
    page = None if parsed.report is None else AnswerPage(parsed.report, predictor.bundle.name)
    job = Job(predictor, frames, opener.open, choice, parsed.workers, page)
    return predict_files(job, parsed.output, writer(form, context), parsed.overwrite)


def _choice(parsed: argparse.Namespace) -> "Choice":
    from fathomline.predictor.choice import Choice

    return Choice(
        decoder=parsed.decoder,
        candidates=parsed.candidates,
        rank_floor=None if parsed.rank_floor is None else Rank(parsed.rank_floor),
        taxa=() if parsed.taxa is None else _names(parsed.taxa),
        within=parsed.within,
        top=parsed.top,
    )


def _names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list, or in the lines of a file."""
    path = Path(text)
    try:
        # Unlike `Path.is_file`, it does not fail for a list of names that is longer than a file name may be.
        is_file = os.path.isfile(text)
        separated = path.read_text(encoding="utf-8-sig").splitlines() if is_file else text.split(",")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected a text file with one name per line") from None
    names = tuple(name.strip() for name in separated if name.strip())
    if not names:
        raise InputError(f"--taxa: {text!r} has no name; expected names separated by commas, or a file of names")
    return names


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)
