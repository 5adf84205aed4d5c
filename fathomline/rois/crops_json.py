"""crops.json: how the crop stage made its files, and their checksums, so that a later edit or mix-up is detected."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from annotated_types import Ge
from pydantic import StringConstraints

from fathomline.config import section
from fathomline.errors import InputError
from fathomline.files import sha256_of, write_sealed_json
from fathomline.records import read_sealed_record
from fathomline.rois.preprocessing import Preprocessing

REMEDY = "run `dvc repro --force crop` to make the crops again"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@section
class CropsJson(Preprocessing):
    """The content of crops.json."""

    rois: Annotated[int, Ge(0)]
    """Rows of annotations.csv and of pixels.npy; 0 without a test subset."""

    annotations_sha256: Sha256
    pixels_sha256: Sha256

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(views=self.views, size=self.size, square=self.square, padding=self.padding)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the pixels, (rois, views, size, size, 3)."""
        return self.rois, len(self.views), self.size, self.size, 3


def write_crops_json(folder: Path, preprocessing: Preprocessing, rois: int) -> None:
    """Write crops.json for the annotations.csv and pixels.npy in `folder`, which must exist already."""
    content = {
        **asdict(preprocessing),
        "rois": rois,
        "annotations_sha256": sha256_of(folder / "annotations.csv"),
        "pixels_sha256": sha256_of(folder / "pixels.npy"),
    }
    write_sealed_json(content, folder / "crops.json")


def read_crops_json(folder: Path) -> CropsJson:
    """Read crops.json; InputError if it is not as the crop stage writes it."""
    return read_sealed_record(folder / "crops.json", CropsJson, REMEDY)


def check_unchanged(folder: Path, crops_json: CropsJson) -> None:
    """Raise InputError if annotations.csv or pixels.npy has changed since the crop stage wrote it."""
    sums = {"annotations.csv": crops_json.annotations_sha256, "pixels.npy": crops_json.pixels_sha256}
    for name, sha256 in sums.items():
        if sha256_of(folder / name) != sha256:
            raise InputError(f"{folder / name}: changed since the crop stage wrote it (its SHA-256 differs); {REMEDY}")
