"""Bundles as .zip files, extracted once to the user's cache."""

import os
import re
import shutil
import stat
import time
import zlib
from pathlib import Path
from uuid import uuid4
from zipfile import BadZipFile, ZipFile, ZipInfo

from fathomline.errors import InputError, listing
from fathomline.files import ABANDONED, sha256_of

MEMBER = re.compile(r"bundle\.json|README\.md|[\w-][\w.-]*\.(?:safetensors|onnx)", re.ASCII)
"""The files of a bundle; other files in a .zip are not extracted."""

MAX_TEXT_BYTES = 64 * 2**20
"""Largest bundle.json, and largest README.md."""

MAX_RATIO = 100
"""How much larger than the .zip its content may be. Weights hardly compress; a bomb does, to a thousandth."""

MAX_SMALL_BYTES = 256 * 2**20
"""Content up to this size is never refused for its ratio."""

FLAG_ENCRYPTED = 0x1


def unzipped(path: Path) -> Path:
    """The folder of the bundle in the .zip at `path`: bundle.json at its top, or in the only folder there.

    The folder lies in the user's cache, under the SHA-256 of the .zip, and is complete or absent. Only the files of a
    bundle are extracted, by their last names. Raises InputError if the .zip is damaged, has no bundle, or has one that
    it is not safe to extract.
    """
    digest = sha256_of(path)
    folder = cache_folder() / "bundles" / digest
    try:
        with ZipFile(path) as archive:
            members = _members(archive, path)
            if not _is_complete(folder, members):
                _extract(archive, members, folder)
    except (BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(f"{path}: damaged, or not a .zip ({error}); get it again") from None
    return folder


def cache_folder() -> Path:
    """The folder of fathomline in the user's cache: $XDG_CACHE_HOME, or else ~/.cache."""
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "fathomline"


def _members(archive: ZipFile, path: Path) -> dict[str, ZipInfo]:
    """The files of the bundle, by their names in it."""
    entries = archive.infolist()
    tops = [entry.filename.removesuffix("bundle.json") for entry in entries if _is_description(entry.filename)]
    if not tops:
        raise InputError(
            f"{path}: has no bundle.json at its top level or in a folder there; zip the folder of a bundle"
        )
    shallowest = [top for top in tops if top.count("/") == min(each.count("/") for each in tops)]
    if len(shallowest) > 1:
        raise InputError(f"{path}: has several bundles, in {listing(shallowest)}; expected one")
    within = [entry for entry in entries if entry.filename.startswith(shallowest[0])]
    named = [(entry.filename.removeprefix(shallowest[0]), entry) for entry in within]
    chosen = [(name, entry) for name, entry in named if MEMBER.fullmatch(name)]
    members = dict(chosen)
    if len(members) < len(chosen):
        raise InputError(f"{path}: has two files with the same name; get it again")
    for name, entry in members.items():
        _check(name, entry, path)
    total = sum(entry.file_size for entry in members.values())
    if total > max(MAX_SMALL_BYTES, MAX_RATIO * path.stat().st_size):
        raise InputError(f"{path}: refused: it would expand to {total / 1e9:.1f} GB, like a decompression bomb")
    return members


def _is_description(name: str) -> bool:
    return re.fullmatch(r"(?:[^/]+/)?bundle\.json", name) is not None and not name.startswith("__MACOSX/")


def _check(name: str, entry: ZipInfo, path: Path) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise InputError(f"{path}: {name} is a link or a special file; zip the files themselves")
    if entry.flag_bits & FLAG_ENCRYPTED:
        raise InputError(f"{path}: {name} is encrypted; extract it with its password, and give the folder")
    if name in ("bundle.json", "README.md") and entry.file_size > MAX_TEXT_BYTES:
        raise InputError(f"{path}: {name} is larger than {MAX_TEXT_BYTES / 2**20:g} MiB, which no bundle needs")


def _is_complete(folder: Path, members: dict[str, ZipInfo]) -> bool:
    try:
        return all((folder / name).stat().st_size == entry.file_size for name, entry in members.items())
    except OSError:
        return False


def _extract(archive: ZipFile, members: dict[str, ZipInfo], folder: Path) -> None:
    """Write all members to a folder beside `folder`, and rename it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(folder.parent)
    temporary = folder.with_name(f".{uuid4().hex}.part")
    temporary.mkdir()
    try:
        for name, entry in members.items():
            with archive.open(entry) as source, open(temporary / name, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())
        if not _is_complete(folder, members):  # another process may have been faster
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
    except OSError:
        if not _is_complete(folder, members):
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Remove what killed processes left behind."""
    for path in parent.glob(".*.part"):
        try:
            age = time.time() - max(each.stat().st_mtime for each in (path, *path.iterdir()))
        except FileNotFoundError:
            continue  # its process has just finished
        if age > ABANDONED:
            shutil.rmtree(path, ignore_errors=True)
