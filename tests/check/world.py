"""A small world of annotations and frames to check."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from fathomline.bundle.bundle import BundleConfig
from fathomline.check.check import check
from fathomline.check.finding import Finding
from fathomline.check.parameters import Parameters
from fathomline.config import with_values
from fathomline.crop.crop import CropConfig
from fathomline.decide.evaluate import EvaluateConfig
from fathomline.download.download import DownloadConfig
from fathomline.lineages.resolve import TaxonomyConfig
from fathomline.predict.logits import PredictConfig
from fathomline.sources.read_source import SourceRequest
from fathomline.split import SplitConfig
from fathomline.train.config import TrainConfig, ValidationConfig

Change = Callable[[dict[str, Any]], object]
"""Changes the content of a COCO file in place."""

NAMES = ("Amphipoda", "Serpulidae")
"""Two concepts of FathomNet 2025, so that no network is needed."""


def parameters(**sections: dict[str, Any]) -> Parameters:
    """Parameters that suit the world, with some values of some sections changed."""
    suitable = {
        "download": DownloadConfig(),
        "crop": CropConfig(),
        "taxonomy": TaxonomyConfig(offline=True),
        "split": SplitConfig(folds=2),
        "train": TrainConfig(validation=ValidationConfig(degraded_size=None)),
        "predict": PredictConfig(),
        "evaluate": EvaluateConfig(),
        "bundle": BundleConfig(attribution=None),
    }
    changed = {name: with_values(config, **sections.get(name, {})) for name, config in suitable.items()}
    return Parameters(**changed)


def texts(findings: list[Finding], kind: str) -> list[str]:
    return [finding.text for finding in findings if finding.kind == kind]


class World:
    """COCO files and frames in `folder`: four frames of 300 x 200 px, in each a box of 60 x 60 px of each concept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.frames = folder / "frames"
        self.frames.mkdir()
        images = [
            {"id": number, "file_name": f"{number}.png", "width": 300, "height": 200, "dive": f"dive {number}"}
            for number in range(1, 5)
        ]
        annotations = [
            {
                "id": 10 * image["id"] + category,
                "image_id": image["id"],
                "category_id": category,
                "bbox": [9, 9, 60, 60],
            }
            for image in images
            for category in (1, 2)
        ]
        categories = [{"id": number, "name": name} for number, name in enumerate(NAMES, start=1)]
        self.coco: dict[str, Any] = {"images": images, "annotations": annotations, "categories": categories}
        for image in images:
            Image.new("RGB", (300, 200)).save(self.frames / image["file_name"])

    def request(self, name: str = "train", change: Change = lambda coco: None) -> SourceRequest:
        """The COCO file `name`, changed by a function."""
        coco = json.loads(json.dumps(self.coco))
        change(coco)
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(coco))
        return SourceRequest("coco", str(path), str(self.frames))

    def check(self, change: Change = lambda coco: None, **sections: dict[str, Any]) -> list[Finding]:
        """Check the changed training file, without a test subset."""
        return self.check_requests({"train": self.request("train", change)}, **sections)

    def check_requests(self, requests: dict[str, SourceRequest], **sections: dict[str, Any]) -> list[Finding]:
        return check(parameters(**sections), requests, self.folder / "reference.json", cores=2)
