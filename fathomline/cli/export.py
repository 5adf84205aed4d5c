"""`fathomline export`: a bundle as one ONNX file."""

import argparse
from pathlib import Path
from typing import Any

from fathomline.errors import InputError
from fathomline.extras import require_packages
from fathomline.predictor.engine import EXPORT_PACKAGES
from fathomline.progress import summary


def add_parser(commands: Any) -> None:
    """Args: commands, what `add_subparsers` returned."""
    parser = commands.add_parser(
        "export",
        help="write a bundle as one ONNX file",
        description="Write all models of BUNDLE to one ONNX file, which runs without PyTorch and can be used "
        "wherever a BUNDLE is expected. Its logits are compared with PyTorch's before it is written.",
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="folder or .zip of a bundle, or hf://owner/name[@revision]")
    parser.add_argument(
        "output",
        type=Path,
        nargs="?",
        metavar="MODEL.onnx",
        help="file to write; default: BUNDLE.onnx beside BUNDLE, or in the current folder if BUNDLE is on the hub",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace MODEL.onnx if it exists and differs")
    parser.set_defaults(run=_export)


def _export(parsed: argparse.Namespace) -> int:
    require_packages(EXPORT_PACKAGES, "export", "torch,onnx")
    output = parsed.output or _beside(parsed.bundle)
    if output.suffix.lower() != ".onnx":
        raise InputError(f"{output}: expected a name that ends in .onnx")
    # Importing torch takes seconds, which `--help` and the checks above do not need.
    from fathomline.bundle.source import local_bundle
    from fathomline.files import written_whole
    from fathomline.predictor.export import export

    exported = export(local_bundle(parsed.bundle))
    if output.is_file() and not parsed.overwrite and output.read_bytes() != exported.content:
        raise InputError(f"{output}: exists and differs; add --overwrite to replace it, or choose another name")
    with written_whole(output) as temporary:
        temporary.write_bytes(exported.content)
    size = len(exported.content) / 2**20
    summary(f"{output}: {size:.1f} MiB; logits differ from PyTorch's by at most {exported.difference:.1g}")
    return 0


def _beside(bundle: str) -> Path:
    if bundle.startswith("hf://"):
        return Path(bundle.rpartition("/")[2].partition("@")[0] + ".onnx")
    path = Path(bundle)
    path = path if path.name else path.resolve()  # "." has no name
    return path.with_name(path.name.removesuffix(".zip") + ".onnx")
