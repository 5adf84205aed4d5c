"""The lineages that WoRMS has given so far, on disk, so that an interrupted run can resume."""

import json
from pathlib import Path

from fathomline.errors import InputError
from fathomline.files import written_whole
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.reference import entry_lineage, lineage_entry


class LookupJournal:
    """A file of JSON lines beside the reference: a header, then one lineage per line.

    A killed process can leave an incomplete last line: reading stops there, and opening rewrites the complete lines.
    A journal with another `purpose` (another service, another mode) is discarded.
    """

    def __init__(self, path: Path, purpose: str) -> None:
        self._path = path
        self._header = json.dumps({"purpose": purpose})
        self.lineages: dict[str, Lineage] = self._read()
        """What the interrupted run had found, by concept."""
        with written_whole(path) as temporary:
            lines = [self._header, *map(_line, self.lineages.values())]
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._stream = path.open("a", encoding="utf-8")

    def add(self, lineage: Lineage) -> None:
        """Append a lineage. Once this returns, killing the process does not lose it."""
        self._stream.write(_line(lineage) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Close the file and leave it for the next run."""
        self._stream.close()

    def remove(self) -> None:
        """Delete the file, because its lineages have been written elsewhere."""
        self.close()
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Lineage]:
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return {}
        if lines[0] != self._header:
            return {}
        lineages = {}
        for line in lines[1:-1]:
            try:
                entry = json.loads(line)
                lineage = entry_lineage(entry.pop("concept"), entry, str(self._path))
            except (ValueError, KeyError, TypeError, AttributeError, InputError):
                break
            lineages[lineage.concept] = lineage
        return lineages


def _line(lineage: Lineage) -> str:
    return json.dumps({"concept": lineage.concept} | lineage_entry(lineage), ensure_ascii=False)
