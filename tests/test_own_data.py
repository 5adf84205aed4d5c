"""The stages before training on a user's own COCO file, fetched over HTTP or read from a folder."""

import functools
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reef.reef import Reef
from tests.in_process import Run

OWN_LINEAGES = """\
concept_name,aphia_id,rank,kingdom,phylum,class,order,family,genus,species
Aurelia aurita,135306,species,Animalia,Cnidaria,Scyphozoa,Semaeostomeae,Ulmaridae,Aurelia,Aurelia aurita
Bathochordaeus,,genus,Animalia,Chordata,Appendicularia,Copelata,Oikopleuridae,Bathochordaeus,
Octopoda,,order,Animalia,Mollusca,Cephalopoda,Octopoda,,,
"""


@pytest.fixture
def served(tmp_path):
    """A folder with a COCO dataset drawn by the reef, and the URL that serves the folder."""
    reef = Reef(12, seed=3)
    for subset in ("train", "test"):
        content = reef.coco(subset)
        (tmp_path / "images").mkdir(exist_ok=True)
        for image in content["images"]:
            frame = reef.frame(subset, image["id"])
            image["file_name"] = f"{subset}-{image['id']}.png"
            image["coco_url"] = f"images/{image['file_name']}"
            (tmp_path / "images" / image["file_name"]).write_bytes(frame)
        (tmp_path / f"{subset}.json").write_text(json.dumps(content))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_coco_file_gives_the_same_crops_over_http_and_from_a_folder(served, tmp_path_factory):
    folder, url = served
    # With the three names that the snapshot lacks, WoRMS need not be queried.
    lineages = folder / "lineages.csv"
    lineages.write_text(OWN_LINEAGES)
    changes = {
        "download": {"allow_private_hosts": True},
        "taxonomy": {"lineages": str(lineages), "offline": True},
        "split": {"folds": 3},
        "machine": {"workers": 1},
    }
    sources = [
        {"name": "coco", "train": f"{url}/train.json", "test": f"{url}/test.json", "images": None},
        {"name": "coco", "train": f"{folder}/train.json", "test": f"{folder}/test.json", "images": f"{folder}/images"},
    ]
    outputs = []
    for number, source in enumerate(sources):
        run = Run(tmp_path_factory.mktemp("own") / str(number), changes | {"source": source})
        run.stages("download", "crop", "taxonomy", "split")
        crops = run.folder / "data/crops/train"
        outputs.append({path.relative_to(crops): path.read_bytes() for path in crops.rglob("*") if path.is_file()})
        assert (run.folder / "data/split.csv").exists()
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 12
