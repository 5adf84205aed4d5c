"""What the last commit has of a file."""

import subprocess
from pathlib import Path


def committed_content(path: Path) -> bytes | None:
    """The content of `path` in the last commit, with Unix line endings.

    None if it is in none: without git, outside a repository, before the first commit, or if it was never added.
    """
    command = ["git", "cat-file", "blob", f"HEAD:./{path.name}"]
    try:
        done = subprocess.run(command, cwd=path.absolute().parent, capture_output=True, check=False)
    except OSError:  # git is not installed
        return None
    return unix(done.stdout) if done.returncode == 0 else None


def unix(content: bytes) -> bytes:
    """`content` with Unix line endings: git may write others into the working tree."""
    return content.replace(b"\r\n", b"\n")
