"""Ways to damage a file, each a function of its path."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.torch import load_file, save_file

from fathomline.files import content_digest, sha256_of

DEEP = 100_000


def holds(content: str | bytes) -> Callable[[Path], None]:
    """Replace the content of the file."""
    return lambda path: path.write_bytes(content.encode() if isinstance(content, str) else content) and None


def appended(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes() + text.encode()) and None


def missing(path: Path) -> None:
    path.unlink()


def is_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def is_a_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def in_utf_16(path: Path) -> None:
    path.write_bytes(path.read_text().encode("utf-16"))


def cut(share: float) -> Callable[[Path], None]:
    """Keep only the first part of the file."""
    return lambda path: holds(path.read_bytes()[: int(path.stat().st_size * share)])(path)


def table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Path], None]:
    """Change the table, read as text."""

    def damage(path: Path) -> None:
        changed = change(pd.read_csv(path, dtype=str, keep_default_na=False))
        changed.to_csv(path, index=False)

    return damage


def cell(column: str, value: str, row: int = 0) -> Callable[[Path], None]:
    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows.loc[row, column] = value
        return rows

    return table(change)


def document(change: Callable[[dict], object], resealed: bool = True) -> Callable[[Path], None]:
    """Change the JSON: `change` modifies it in place or returns another one.

    With `resealed`, the checksum in the file is updated too, so that other checks must find the change.
    """

    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        replaced = change(content)
        content = content if replaced is None else replaced
        if resealed and isinstance(content, dict) and "sha256" in content:
            content["sha256"] = content_digest({name: value for name, value in content.items() if name != "sha256"})
        path.write_text(json.dumps(content))

    return damage


def key(value: object, *keys: str) -> Callable[[Path], None]:
    """Set the value at `keys` in the JSON."""

    def change(content: dict) -> None:
        for name in keys[:-1]:
            content = content[name]
        content[keys[-1]] = value

    return document(change)


def repeated_first_key(path: Path) -> None:
    content = json.loads(path.read_text())
    first = next(iter(content))
    path.write_text(f"{{{json.dumps(first)}: 1, {json.dumps(content)[1:]}")


def array(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    return lambda path: np.save(path, change(np.load(path)))


def forged(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """Damage weights, and update their checksum in model.json."""

    def both(path: Path) -> None:
        damage(path)
        key(sha256_of(path), "weights_sha256")(path.with_name("model.json"))

    return both


def forged_weights(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Change tensors in place, and update their checksum in model.json."""

    def damage(path: Path) -> None:
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path)

    return forged(damage)


def sealed(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """Damage a file of the crops, and update its checksum in crops.json."""

    def both(path: Path) -> None:
        damage(path)
        key(sha256_of(path), f"{path.stem}_sha256")(path.with_name("crops.json"))

    return both


def is_an_archive(path: Path) -> None:
    with open(path, "wb") as stream:
        np.savez(stream, pixels=np.zeros(3))


def flipped_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def header(text: str) -> Callable[[Path], None]:
    """Replace the file by an .npy file with this header."""
    line = text.encode("latin-1").ljust(117) + b"\n"
    return holds(b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + bytes(100))
