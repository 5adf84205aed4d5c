"""The reef: a small embedded FathomNet whose frames are drawn on request."""

from dataclasses import dataclass

from reef.frame import render
from reef.scene import HEIGHT, SUBSETS, WIDTH, Individual, compose, labels_in_frame
from reef.taxa import CONCEPTS

__all__ = ["SUBSETS", "Reef"]

TEST_SHARE = 5
"""Training frames per test frame."""

MIN_TEST_FRAMES = 2

Json = dict[str, object]


@dataclass(frozen=True)
class Reef:
    """A data set determined by two numbers.

    A frame depends only on `seed`, its subset and its id, so a larger reef starts with the frames of a smaller one.
    """

    frames: int
    """Training frames. There are a fifth as many test frames, but at least two."""

    seed: int

    def image_ids(self, subset: str) -> range:
        """The ids of a subset's frames, counting from 1."""
        frames = self.frames if subset == "train" else max(MIN_TEST_FRAMES, self.frames // TEST_SHARE)
        return range(1, frames + 1)

    def coco(self, subset: str) -> Json:
        """The subset as COCO JSON in FathomNet's form; each `coco_url` is relative to the URL of the JSON.

        Test annotations have null categories.
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
                _annotation(individual, image_id, ids[individual.concept] if subset == "train" else None)
                for image_id in self.image_ids(subset)
                for individual in compose(self.seed, subset, image_id).individuals
            ],
            "categories": [{"id": number, "name": concept, "supercategory": ""} for concept, number in ids.items()],
        }

    def labels(self, subset: str) -> dict[int, str]:
        """The true concept name of each annotation of a subset, by annotation id."""
        frames = (labels_in_frame(self.seed, subset, image_id) for image_id in self.image_ids(subset))
        return {first + number: concept for first, concepts in frames for number, concept in enumerate(concepts)}

    def frame(self, subset: str, image_id: int) -> bytes:
        """The frame as a PNG of 640 x 360 pixels; raises KeyError if the subset has no such frame."""
        if image_id not in self.image_ids(subset):
            raise KeyError(f"frame {image_id} of {subset}: expected 1 to {len(self.image_ids(subset))}")
        return render(compose(self.seed, subset, image_id), self.seed, subset, image_id)


def _image(subset: str, image_id: int) -> Json:
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


def _annotation(individual: Individual, image_id: int, category_id: int | None) -> Json:
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
