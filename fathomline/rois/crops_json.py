"""crops.json: what the crop stage wrote beside it, sealed, so that no later edit or mix-up goes unnoticed."""

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

REMEDY = "run `dvc repro --force crop` to make the crops anew"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


@section
class CropsJson(Preprocessing):
    rois: Annotated[int, Ge(1)]
    """Rows of annotations.csv and of pixels.npy."""

    annotations_sha256: Sha256
    pixels_sha256: Sha256

    @property
    def preprocessing(self) -> Preprocessing:
        return Preprocessing(views=self.views, size=self.size, square=self.square, padding=self.padding)

    @property
    def shape(self) -> tuple[int, ...]:
        """(rois, views, size, size, 3), the shape of the pixels."""
        return self.rois, len(self.views), self.size, self.size, 3


def write_crops_json(folder: Path, preprocessing: Preprocessing, rois: int) -> None:
    """Write crops.json for the annotations.csv and pixels.npy in `folder`; it is written last."""
    sums = {f"{name}_sha256": sha256_of(folder / file) for name, file in _SEALED.items()}
    write_sealed_json({**asdict(preprocessing), "rois": rois, **sums}, folder / "crops.json")


def read_crops_json(folder: Path) -> CropsJson:
    """Read crops.json; InputError when it is not as the crop stage writes it."""
    return read_sealed_record(folder / "crops.json", CropsJson, REMEDY)


def check_unchanged(folder: Path, description: CropsJson) -> None:
    """Raise InputError when annotations.csv or pixels.npy is not byte for byte what the crop stage wrote."""
    for name, file in _SEALED.items():
        if sha256_of(folder / file) != getattr(description, f"{name}_sha256"):
            raise InputError(f"{folder / file}: differs from what the crop stage wrote, by its SHA-256 sum; {REMEDY}")


_SEALED = {"annotations": "annotations.csv", "pixels": "pixels.npy"}
