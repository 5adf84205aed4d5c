"""`fathomline serve`: a web page and an API that identify animals in pictures."""

import argparse
from typing import Any, get_args

from fathomline.errors import InputError
from fathomline.predictor.engine import EngineName
from fathomline.progress import summary, warning

MIB = 2**20


def add_parser(commands: Any) -> None:
    """Args: commands, what `add_subparsers` returned."""
    parser = commands.add_parser(
        "serve",
        help="serve a web page and an API that identify animals in pictures",
        description="Serve the model BUNDLE: open the printed address in a browser, or POST pictures to /predict. "
        "Pictures are kept in memory until they are answered, and never written to disk. Ctrl+C stops the server.",
    )
    parser.add_argument(
        "bundle", metavar="BUNDLE", help="folder or .zip of a bundle, an exported .onnx, or hf://owner/name[@revision]"
    )
    parser.add_argument(
        "--engine", choices=get_args(EngineName), default="auto", help="what runs the model; default: %(default)s"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default: %(default)s, this machine only"
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="port to listen on; 0 for any free one; default: %(default)s"
    )
    parser.add_argument(
        "--max-mib",
        type=float,
        default=20,
        metavar="N",
        help="maximum file size of a picture in MiB; default: %(default)s",
    )
    parser.add_argument(
        "--max-megapixels",
        type=float,
        default=50,
        metavar="N",
        help="maximum width times height of a picture, in millions of pixels; default: %(default)s",
    )
    parser.add_argument(
        "--max-boxes", type=int, default=500, metavar="N", help="maximum boxes per request; default: %(default)s"
    )
    parser.add_argument(
        "--max-waiting",
        type=int,
        default=64,
        metavar="N",
        help="maximum requests waiting for an answer; default: %(default)s",
    )
    parser.add_argument(
        "--allow-name",
        action="append",
        default=[],
        metavar="NAME",
        help="host name by which clients reach this server through a proxy; may be repeated",
    )
    parser.set_defaults(run=_serve)


def _serve(parsed: argparse.Namespace) -> int:
    if not 0 <= parsed.port <= 65535:
        raise InputError(f"serve: the port is {parsed.port}, expected 0 to 65535")
    # Importing these takes a second or more, which `--help` does not need.
    try:
        from fathomline.serve.app import make_app
        from fathomline.serve.guard import LOOPBACK
        from fathomline.serve.run import is_local, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("fastapi", "python_multipart", "uvicorn"):
            raise
        raise InputError(f"serve: {error.name} is not installed; run `pip install 'fathomline[serve]'`") from None
    import fathomline
    from fathomline.bundle.source import local_bundle
    from fathomline.serve.limits import Limits

    limits = Limits(
        picture_bytes=int(parsed.max_mib * MIB),
        pixels=int(parsed.max_megapixels * 1e6),
        boxes=parsed.max_boxes,
        waiting=parsed.max_waiting,
    )
    local = is_local(parsed.host)
    names = (*LOOPBACK, *(name.lower() for name in parsed.allow_name)) if local else None
    app = make_app(fathomline.load(local_bundle(parsed.bundle), parsed.engine), limits, names)
    if not local:
        warning(f"anyone who can reach {parsed.host} can use this server: it has no password and no encryption")
    serve(
        app,
        limits,
        parsed.host,
        parsed.port,
        lambda address: summary(f"{address}: open this address in a browser; Ctrl+C stops the server"),
    )
    return 0
