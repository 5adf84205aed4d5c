"""Find the pictures that a JSON or CSV names."""

import os
import re
from functools import cached_property
from pathlib import Path

from fathomline.dataset.picture_files import is_picture
from fathomline.errors import Unusable
from fathomline.sources.inside_folder import path_inside

URL = re.compile(r"https?://", re.IGNORECASE)


class NamedPictures:
    """The pictures in a folder, by name, or by image id as the download stage stores them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found_by_name = 0
        self.found_by_id = 0

    def location(self, name: str, image_id: int | str | None, key: str) -> str:
        """Path of the picture `name`, or else of the picture <image_id>.<ext>. Raises Unusable if there is neither.

        Names that lead outside the folder are refused.

        Args: key, the key of the JSON that gives the name, for messages.
        """
        try:
            if not path_inside(self.folder, name, key).is_file():
                raise Unusable(f"no such file in {self.folder}")
        except (OSError, Unusable) as error:  # OSError: a name that is too long
            stored = self.stored(image_id)
            if stored is None:
                strerror = getattr(error, "strerror", None)
                raise Unusable(f"cannot be read: {strerror}" if strerror else str(error)) from None
            self.found_by_id += 1
            return stored
        self.found_by_name += 1
        return str(self.folder / name)

    def stored(self, image_id: int | str | None) -> str | None:
        """Path of the picture <image_id>.<ext>; None if there is none."""
        name = None if image_id is None else self._by_stem.get(str(image_id))
        return None if name is None else str(self.folder / name)

    @cached_property
    def _by_stem(self) -> dict[str, str]:
        """File names by their stems."""
        names = sorted(os.listdir(self.folder), reverse=True)
        return {os.path.splitext(name)[0]: name for name in names if is_picture(name)}
