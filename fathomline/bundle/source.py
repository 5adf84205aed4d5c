"""Where a bundle comes from: a folder, a .zip of it, or a repository of the Hugging Face hub."""

import os
import re
from pathlib import Path

from fathomline.bundle.hub import downloaded
from fathomline.bundle.zipped import unzipped
from fathomline.errors import InputError

EXPECTED = "the folder of a bundle, a .zip of it, hf://owner/name[@revision], or an exported .onnx"


def local_bundle(source: str) -> Path:
    """The bundle as a folder, or the path of an .onnx unchanged. Its content is not checked yet.

    A .zip is extracted once to the user's cache, and a repository of the hub is downloaded once to the hub's cache.
    Raises InputError if there is no such bundle, or if it cannot be extracted or downloaded.
    """
    if source.startswith("hf://"):
        return downloaded(source)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source):
        raise InputError(f"{source}: bundles cannot be read from this kind of URL; download it, or give {EXPECTED}")
    path = Path(source)
    if os.path.isdir(path) or path.suffix.lower() == ".onnx":
        return path
    if path.suffix.lower() == ".zip":
        return unzipped(path)
    found = "not a bundle" if os.path.exists(path) else "no such file or folder"
    raise InputError(f"{source}: {found}; expected {EXPECTED}")
