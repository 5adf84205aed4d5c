"""Three people with pictures of their own, from what their programs export to metrics.json.

One has photos in folders, one a Roboflow export, one the frames of a dive and a table from Excel. The animals are those
of the reef.
"""

import csv
import io
import json
from pathlib import Path

import pandas as pd
from PIL import Image

from fathomline.cli import main
from reef.reef import Reef
from tests.in_process import Run

REEF = Reef(24, seed=5)
CONCEPTS = 5
"""The most frequent concepts of the reef; the pictures of the others are not exported."""

SMALL = {
    "crop": {"size": 36},
    "split": {"folds": 3},
    "train": {"epochs": 3, "batch_size": 16, "image_size": 32},
    "submit": {"candidates": "tree"},
    "bundle": {"onnx": False, "name": "first-hour", "license": "other", "attribution": None},
    "tracking": {"mode": "disabled"},
    "machine": {"workers": 1},
}


def boxes(subset: str) -> list[tuple[int, str, list[float]]]:
    """Image id, concept and box of every individual of the most frequent concepts."""
    content, labels = REEF.coco(subset), REEF.labels(subset)
    names = pd.Series(list(REEF.labels("train").values())).value_counts().index[:CONCEPTS]
    return [
        (annotation["image_id"], labels[annotation["id"]], annotation["bbox"])
        for annotation in content["annotations"]
        if labels[annotation["id"]] in names
    ]


def photo(subset: str, image_id: int, box: list[float]) -> Image.Image:
    x, y, w, h = box
    with Image.open(io.BytesIO(REEF.frame(subset, image_id))) as frame:
        return frame.convert("RGB").crop((round(x), round(y), round(x + w), round(y + h)))


def metrics(run: Run) -> dict:
    return json.loads((run.folder / "metrics.json").read_text())


def predictions(run: Run) -> pd.DataFrame:
    return pd.read_csv(run.folder / "reports/predictions.csv", keep_default_na=False)


OWN_LINEAGES = {
    "Aurelia aurita": "135306,species,Animalia,Cnidaria,Scyphozoa,Semaeostomeae,Ulmaridae,Aurelia,Aurelia aurita",
    "Bathochordaeus": ",genus,Animalia,Chordata,Appendicularia,Copelata,Oikopleuridae,Bathochordaeus,",
    "Octopoda": ",order,Animalia,Mollusca,Cephalopoda,Octopoda,,,",
}
"""The lineages of the reef's concepts that neither the competition nor, here, WoRMS has."""


def with_lineages(source: Path, capsysbinary, says: bytes = b"") -> dict:
    """The section `taxonomy` with the table that `fathomline lineages` writes for `source`, completed by hand."""
    assert main(["lineages", str(source), "--offline"]) == 0
    printed = capsysbinary.readouterr()
    assert says in printed.err
    rows = printed.out.decode("utf-8-sig").splitlines()
    for number, row in enumerate(rows):
        name = row.rstrip(",")
        if name in OWN_LINEAGES:
            rows[number] = f"{name},{OWN_LINEAGES[name]}"
    path = source.parent / "lineages.csv"
    path.write_text("\n".join(rows))
    return {"lineages": str(path), "offline": True}


def test_photos_in_folders(tmp_path, capsysbinary):
    photos, new = tmp_path / "my photos", tmp_path / "new"
    for number, (image_id, concept, box) in enumerate(boxes("train")):
        (photos / concept / "2024").mkdir(parents=True, exist_ok=True)
        photo("train", image_id, box).save(photos / concept / "2024" / f"IMG_{number:04}.JPG")
    (photos / "Thumbs.db").write_bytes(b"not a picture")
    new.mkdir()
    for number, (image_id, _, box) in enumerate(boxes("test")):
        photo("test", image_id, box).save(new / f"unknown-{number}.png")
    source = {"name": "folder", "train": str(photos), "test": str(new)}
    taxonomy = with_lineages(photos, capsysbinary)
    run = Run(tmp_path / "run", SMALL | {"source": source, "taxonomy": taxonomy})
    run.stages()
    said = capsysbinary.readouterr()
    assert b"1 file(s) are not pictures and are ignored: Thumbs.db" in said.err
    assert metrics(run)["classes"] == CONCEPTS
    table = predictions(run)
    assert sorted(table["file_name"]) == sorted(path.name for path in new.iterdir())
    assert (table["reason"] == "").all()
    assert table["x"].eq(0).all()
    for name, width, height in zip(table["file_name"], table["w"], table["h"], strict=True):
        with Image.open(new / name) as picture:
            assert picture.size == (width, height)
    # One more unknown photo must not retrain: neither the training subset nor the taxonomy changes.
    before = {path: (run.folder / path).read_bytes() for path in UNCHANGED}
    image_id, _, box = boxes("test")[0]
    photo("test", image_id, box).save(new / "late.png")
    run.stages("download", "crop", "taxonomy", "split")
    assert {path: (run.folder / path).read_bytes() for path in UNCHANGED} == before


UNCHANGED = ["data/crops/train/crops.json", "data/crops/train/annotations.csv", "cache/taxonomy_reference.json"]
UNCHANGED += ["data/split.csv"]


def roboflow(folder: Path, subset: str, *, copies: int = 1) -> None:
    """An export as Roboflow writes it: names with a hash, an unused root category, augmented copies."""
    folder.mkdir(parents=True)
    rows = boxes(subset)
    names = sorted({concept for _, concept, _ in rows})
    images, annotations = [], []
    for image_id in sorted({image_id for image_id, _, _ in rows}):
        for copy in range(copies):
            name = f"dive_{image_id}_png.rf.{image_id:031x}{copy}.jpg"
            with Image.open(io.BytesIO(REEF.frame(subset, image_id))) as frame:
                frame.convert("RGB").save(folder / name, quality=90 - copy)
                width, height = frame.size
            images.append({"id": len(images), "license": 1, "file_name": name, "width": width, "height": height})
            annotations += [
                {
                    "id": len(annotations) + number,
                    "image_id": images[-1]["id"],
                    "category_id": names.index(concept) + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "segmentation": [],
                    "iscrowd": 0,
                }
                for number, (_, concept, box) in enumerate(row for row in rows if row[0] == image_id)
            ]
    root = {"id": 0, "name": "animals", "supercategory": "none"}
    content = {
        "info": {"description": "Exported from roboflow.com", "date_created": "2024-03-05T10:11:12+00:00"},
        "licenses": [{"id": 1, "name": "CC BY 4.0", "url": ""}],
        "categories": [root, *({"id": n, "name": name, "supercategory": "animals"} for n, name in enumerate(names, 1))],
        "images": images,
        "annotations": annotations,
    }
    (folder / "_annotations.coco.json").write_text(json.dumps(content))


def test_a_roboflow_export(tmp_path, capsysbinary):
    export = tmp_path / "Reef-3"
    roboflow(export / "train", "train", copies=2)
    roboflow(export / "test", "test")
    source = {"name": "coco", "train": str(export / "train"), "test": str(export / "test")}
    taxonomy = with_lineages(export / "train", capsysbinary)
    split = {"folds": 3, "group": "roboflow_original"}
    run = Run(tmp_path / "run", SMALL | {"source": source, "taxonomy": taxonomy, "split": split})
    run.stages()
    said = capsysbinary.readouterr().err.decode()
    assert "1 categories have no annotations and are ignored: 'animals'" in said
    assert "augmented by Roboflow; set `split.group: roboflow_original`" in said
    assert metrics(run)["classes"] == CONCEPTS
    folds = pd.read_csv(run.folder / "data/split.csv").merge(
        pd.read_csv(run.folder / "data/crops/train/annotations.csv"), on="annotation_id"
    )
    assert (folds.groupby("image.roboflow_original")["fold"].nunique() == 1).all()
    table = predictions(run)
    content = json.loads((export / "test/_annotations.coco.json").read_text())
    assert table["annotation_id"].tolist() == [annotation["id"] for annotation in content["annotations"]]
    assert table[["x", "y", "w", "h"]].to_numpy().tolist() == [entry["bbox"] for entry in content["annotations"]]


def test_the_frames_of_a_dive_with_a_table_from_excel(tmp_path, capsysbinary):
    frames = tmp_path / "dive 7"
    frames.mkdir()
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(["Path", "Label", "X", "Y", "W", "H", "Étape"])
    rows = boxes("train")
    for image_id, concept, (x, y, w, h) in rows:
        (frames / f"Frame_{image_id:03}.PNG").write_bytes(REEF.frame("train", image_id))
        decimal = [f"{number:.2f}".replace(".", ",") for number in (x + 0.5, y, w - 1, h)]
        writer.writerow([f"D:\\cruise\\frame_{image_id:03}.png", concept, *decimal, f"étape {image_id % 4}"])
    writer.writerows([[""] * 7] * 3)
    (tmp_path / "labels.csv").write_bytes(text.getvalue().encode("cp1252"))
    source = {"name": "table", "train": str(tmp_path / "labels.csv"), "images": str(frames)}
    taxonomy = with_lineages(tmp_path / "labels.csv", capsysbinary, says=b"Windows-1252")
    changes = {"source": source, "taxonomy": taxonomy, "split": {"folds": 3, "group": "Étape"}}
    run = Run(tmp_path / "run", SMALL | changes)
    run.stages()
    said = capsysbinary.readouterr()
    assert b"frame(s) are not where the annotations say; found by their base name" in said.err
    assert b"crop test: no test subset" in said.out
    assert metrics(run)["classes"] == CONCEPTS
    crops = pd.read_csv(run.folder / "data/crops/train/annotations.csv")
    assert crops[["x", "y", "w", "h"]].to_numpy().tolist() == [[x + 0.5, y, w - 1, h] for _, _, (x, y, w, h) in rows]
    assert (run.folder / "submission.csv").read_text() == "annotation_id,concept_name\n"
    assert len(predictions(run)) == 0
