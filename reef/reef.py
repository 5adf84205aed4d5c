"""The reef itself: a small embedded FathomNet whose frames are drawn when they are asked for."""

from dataclasses import dataclass

from reef.frame import render
from reef.scene import HEIGHT, SUBSETS, WIDTH, Individual, cast, compose
from reef.taxa import CONCEPTS

__all__ = ["SUBSETS", "Reef"]

TEST_SHARE = 5
"""Training frames for each test frame."""

FEWEST_TEST_FRAMES = 2


@dataclass(frozen=True)
class Reef:
    """A data set that is a function of two numbers.

    A frame depends on `seed`, its subset and its id only: a reef of more frames begins with those of a smaller one.
    """

    frames: int
    """Training frames; there are a fifth as many test frames, and at least two."""

    seed: int

    def image_ids(self, subset: str) -> range:
        """The ids of a subset's frames, from 1."""
        frames = self.frames if subset == "train" else max(FEWEST_TEST_FRAMES, self.frames // TEST_SHARE)
        return range(1, frames + 1)

    def coco(self, subset: str) -> dict:
        """The subset as COCO JSON in FathomNet's form; `coco_url` is relative to where the JSON is served.

        The categories of test annotations are held back: null.
        """
        ids = {concept: number for number, concept in enumerate(CONCEPTS, start=1)}
        return {
            "info": {
                "year": 2025,
                "version": "0",
                "description": f"The fathomline reef, {self.frames} training frames, seed {self.seed}",
                "contributor": "fathomline",
                "url": "",
                "date_created": "2025/01/01",
            },
            "images": [_image(subset, image_id) for image_id in self.image_ids(subset)],
            "licenses": [{"id": 0, "name": "CC0 1.0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"}],
            "annotations": [
                _annotation(one, image_id, ids[one.concept] if subset == "train" else None)
                for image_id in self.image_ids(subset)
                for one in compose(self.seed, subset, image_id).individuals
            ],
            "categories": [{"id": number, "name": concept, "supercategory": ""} for concept, number in ids.items()],
        }

    def labels(self, subset: str) -> dict[int, str]:
        """What each annotation of a subset truly is: annotation id to concept name."""
        casts = (cast(self.seed, subset, image_id) for image_id in self.image_ids(subset))
        return {first + number: concept for first, concepts in casts for number, concept in enumerate(concepts)}

    def frame(self, subset: str, image_id: int) -> bytes:
        """The frame as a PNG of 640 x 360 pixels; KeyError where the subset has no such frame."""
        if image_id not in self.image_ids(subset):
            raise KeyError(f"{subset} has the frames 1 to {len(self.image_ids(subset))}, not {image_id}")
        return render(compose(self.seed, subset, image_id), self.seed, subset, image_id)


def _image(subset: str, image_id: int) -> dict:
    name = f"{image_id:06d}.png"
    return {
        "id": image_id,
        "width": WIDTH,
        "height": HEIGHT,
        "file_name": name,
        "license": 0,
        "coco_url": f"images/{subset}/{name}",
        "date_captured": None,
    }


def _annotation(individual: Individual, image_id: int, category_id: int | None) -> dict:
    left, top, width, height = individual.body.box
    return {
        "id": individual.annotation_id,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": [],
        "area": float(width * height),
        "bbox": [float(left), float(top), float(width), float(height)],
        "iscrowd": 0,
    }
