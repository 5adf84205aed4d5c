"""Bundles in repositories of the Hugging Face hub."""

import re
from pathlib import Path

from fathomline.errors import InputError
from fathomline.version import __version__

ADDRESS = re.compile(r"hf://(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^\s@]+))?", re.ASCII)

FILES = ["bundle.json", "README.md", "*.safetensors", "*.onnx"]

LOGIN = "log in with `hf auth login`, or set HF_TOKEN"


def downloaded(source: str) -> Path:
    """The folder with the files of the bundle at hf://owner/name[@revision], downloaded unless the hub's cache has it.

    Raises InputError if it cannot be downloaded and is not in the cache.
    """
    address = ADDRESS.fullmatch(source)
    if address is None:
        raise InputError(f"{source}: expected hf://owner/name, or hf://owner/name@revision")
    try:
        # It takes a second to import, and an installation may lack it.
        from huggingface_hub import snapshot_download
    except ImportError:
        raise InputError(f"{source}: needs the package huggingface_hub; `pip install 'fathomline[hub]'`") from None
    try:
        snapshot = snapshot_download(
            address["name"],
            revision=address["revision"],
            allow_patterns=FILES,
            ignore_patterns=["*/*"],
            library_name="fathomline",
            library_version=__version__,
        )
    except Exception as error:  # the hub, its HTTP client and its transfer library each have types of their own
        raise InputError(f"{source}: {_reason(error, address['revision'])}") from error
    folder = Path(snapshot)
    if not (folder / "bundle.json").is_file():
        raise InputError(
            f"{source}: the repository has no bundle.json; expected the files of a bundle at its top level"
        )
    return folder


def _reason(error: Exception, revision: str | None) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"the repository is gated; ask for access on its page, then {LOGIN}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"no such repository, or a private one; check the name, or {LOGIN}"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no revision {revision or 'main'!r}; give a branch, a tag or a commit"
    cause = error
    if isinstance(error, errors.LocalEntryNotFoundError):
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    first_line = next(iter(str(cause).strip().splitlines()), "") or type(cause).__name__
    return f"cannot be downloaded and is not in the cache ({first_line[:200]}); check the connection and try again"
