"""A model that names colours, and a server with it in a thread."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import numpy as np
import pytest
from PIL import Image

from fathomline.bundle.bundle import BundleContent
from fathomline.decide.rule import DecisionRule
from fathomline.model.model_json import Architecture
from fathomline.predictor.predictor import Predictor
from fathomline.rois.preprocessing import Preprocessing
from fathomline.serve.app import make_app
from fathomline.serve.limits import Limits
from fathomline.serve.run import address, listener, server
from fathomline.taxonomy.lineage import Lineage
from fathomline.taxonomy.ranks import RANKS
from fathomline.taxonomy.reference import lineage_entry
from fathomline.taxonomy.tree import Taxonomy
from fathomline.version import __version__
from tests.frames import encoded

FISH = ["Animalia", "Chordata", "Teleostei", "Perciformes", "Sebastidae", "Sebastes"]
SPONGE = ["Animalia", "Porifera", "Demospongiae", "Poecilosclerida", "Mycalidae", "Mycale"]
HOSTILE = "<b>Kelp</b> & </script>"
COLOURS = {
    "Greenfish": (0, 255, 0),
    "Redfish": (255, 0, 0),
    "Sebastes": (255, 255, 0),
    "Bluesponge": (0, 0, 255),
    HOSTILE: (0, 255, 255),
}
PATHS = {
    "Greenfish": [*FISH, "Greenfish"],
    "Redfish": [*FISH, "Redfish"],
    "Sebastes": FISH,
    "Bluesponge": [*SPONGE, "Bluesponge"],
    HOSTILE: ["Chromista", HOSTILE],
}
RED, GREEN, BLUE, KELP = [4, 4, 12, 10], [24, 4, 12, 10], [44, 4, 12, 10], [4, 24, 12, 10]


def painted() -> Image.Image:
    """64x40 pixels, black, with an area of its colour for each of RED, GREEN, BLUE and KELP."""
    image = Image.new("RGB", (64, 40))
    for (x, y, w, h), name in ((RED, "Redfish"), (GREEN, "Greenfish"), (BLUE, "Bluesponge"), (KELP, HOSTILE)):
        image.paste(COLOURS[name], (x, y, x + w, y + h))
    return image


PICTURE = encoded(painted())


@dataclass
class ColourEngine:
    """The nearer the mean colour of an ROI to that of a class, the more probable the class."""

    name: str = "colours"
    open: threading.Event = field(default_factory=threading.Event)
    """While it is cleared, no batch ends."""
    batches: list[int] = field(default_factory=list)
    """Number of ROIs of each batch."""
    fails: bool = False

    def prepared(self, views: np.ndarray) -> np.ndarray:
        return views

    def logits(self, rois: np.ndarray, orientations: Sequence[str]) -> dict[str, np.ndarray]:
        self.batches.append(len(rois))
        assert self.open.wait(20)
        if self.fails:
            raise RuntimeError("/home/someone/secret: the accelerator is gone")
        mean = rois[:, 0].mean(axis=(1, 2))
        distances = np.abs(mean[:, None] - np.array([*COLOURS.values()], dtype=np.float64)).sum(axis=2)
        return {"fold-0": np.stack([-distances / 60] * len(orientations)).astype(np.float32)}


def colour_predictor(engine: ColourEngine) -> Predictor:
    lineages = [
        Lineage(name, path[-1], str(RANKS[len(path) - 1]), dict(zip(RANKS, path, strict=False)), aphia_id=place or None)
        for place, (name, path) in enumerate(PATHS.items())
    ]
    taxonomy = Taxonomy(lineages)
    bundle = BundleContent(
        format=1,
        fathomline=__version__,
        name="colours",
        license="cc-by-4.0",
        attribution="the tests",
        classes=tuple(COLOURS),
        lineages={lineage.concept: lineage_entry(lineage) for lineage in lineages},
        taxonomy_hash=taxonomy.hash,
        architecture=Architecture("x", {}, 16, 1, "concat", False, len(COLOURS), (0.5,) * 3, (0.5,) * 3),
        preprocessing=Preprocessing((1.0,), 16, True, "edge"),
        precision="fp32",
        decision=DecisionRule("risk", "tree", 1.0, dict.fromkeys(map(str, RANKS), 0.5), "Sebastes", ["identity"]),
        figures={"mhd": 1.0},
        split={},
        weights={"fold-0.safetensors": "0"},
        weights_dtype="float32",
    )
    return Predictor(bundle, taxonomy, engine)


@dataclass
class Served:
    """A running server."""

    url: str
    port: int
    predictor: Predictor
    engine: ColourEngine
    client: httpx.Client

    def post(self, to: str = "/predict", image: object = PICTURE, name: str = "dive 1.png", **fields: object):
        """Lists are sent as JSON."""
        data = {key: value if isinstance(value, str) else json.dumps(value) for key, value in fields.items()}
        return self.client.post(to, files={"image": (name, image)}, data=data)


@contextmanager
def running(limits: Limits = Limits()) -> Iterator[Served]:  # noqa: B008 (frozen)
    engine = ColourEngine()
    engine.open.set()
    predictor = colour_predictor(engine)
    with serving(predictor, limits) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield Served(url, httpx.URL(url).port, predictor, engine, client)
        engine.open.set()


@contextmanager
def serving(predictor: Predictor, limits: Limits) -> Iterator[str]:
    """A server in a thread. Yields the address of its page."""
    with listener("127.0.0.1", 0) as listening:
        running = server(make_app(predictor, limits), limits)
        thread = threading.Thread(target=running.run, args=([listening],))
        thread.start()
        while not running.started:
            time.sleep(0.005)
        try:
            yield address("127.0.0.1", listening)
        finally:
            running.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running() as served:
        yield served
