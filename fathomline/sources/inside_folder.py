"""File names from a JSON, kept inside the folder that the user named."""

import re
from pathlib import Path

from fathomline.errors import Unusable

ABSOLUTE = re.compile(r"[A-Za-z]:|[/\\]")


def path_inside(folder: Path, name: str, key: str = "file_name") -> Path:
    """The resolved path of the file `name` in `folder`. Raises Unusable if the name or a link leads outside.

    Args: key, the key of the JSON that gives the name, for messages.
    """
    if not name:
        raise Unusable(f"the JSON gives no `{key}`")
    if ABSOLUTE.match(name) or "\0" in name or ".." in re.split(r"[/\\]", name):
        raise Unusable(f"refused: `{key}` {name[:200]!r} leads outside the folder")
    try:
        path = (folder / name).resolve()
    except (OSError, RuntimeError):
        raise Unusable("cannot be read: its symbolic links form a loop") from None
    if not path.is_relative_to(folder.resolve()):
        raise Unusable(f"refused: `{key}` {name[:200]!r} is a link that leads outside the folder")
    return path
