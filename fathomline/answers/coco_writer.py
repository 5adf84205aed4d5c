"""Answers as COCO: annotations with a score, which labelling tools and this pipeline read."""

import json
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from fathomline.answers.provenance import model_and_version
from fathomline.answers.rows import Row, box_of, is_url, rows_of, spool_folder, write_lines
from fathomline.bundle.bundle import BundleContent
from fathomline.dataset.coco import MAX_ID
from fathomline.taxonomy.tree import Taxonomy


def write_coco_answers(tables: Iterable[pd.DataFrame], path: Path, bundle: BundleContent, taxonomy: Taxonomy) -> None:
    """Write one annotation per ROI; the box of a whole picture is its frame.

    Ids of pictures and annotations are those of the input if all of them are unique integers, otherwise 1, 2, 3 …. The
    categories are the model's concepts, so that a tool offers them for corrections, and the higher taxa that were
    answered. The id of a category depends on the bundle only.
    """
    with tempfile.TemporaryFile(dir=spool_folder(path)) as spool, open(path, "wb") as stream:
        pass_one = _Pass(Categories(bundle, taxonomy))
        write_lines(map(_text, pass_one.annotations(rows_of(tables))), spool)
        spool.seek(0)
        _write(pass_one, spool, stream, {"description": f"Answers of the {model_and_version(bundle)}"})


class Categories:
    """What can be answered, as COCO categories."""

    def __init__(self, bundle: BundleContent, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        names = sorted({*bundle.classes, *(node.name for node in taxonomy.nodes)})
        self.ids = {name: number for number, name in enumerate(names, start=1)}
        self.used = set(bundle.classes)

    def id(self, name: str) -> int:
        """The id of an answered name."""
        self.used.add(name)
        return self.ids[name]

    def entries(self) -> list[dict[str, Any]]:
        """The categories; `supercategory` is the next higher taxon."""
        return [
            {"id": number, "name": name, "supercategory": self._parent(name)}
            for name, number in self.ids.items()
            if name in self.used
        ]

    def _parent(self, name: str) -> str:
        parent = self._taxonomy.parents[self._taxonomy.node(name)]
        return self._taxonomy.nodes[parent].name if parent >= 0 else ""


@dataclass
class _Image:
    number: int
    """Its place among the pictures, from 1."""
    given: object
    """Its id in the input."""
    url: str | None

    def entry(self, id_: object, path: str, width: int, height: int) -> dict[str, Any]:
        url = {} if self.url is None else {"coco_url": self.url}
        return {"id": id_, "file_name": path, "width": width, "height": height, **url}


@dataclass
class _Pass:
    """What the first pass over the rows collects: which ids to write is known only at its end."""

    categories: Categories
    images: dict[tuple[str, int, int], _Image] = field(default_factory=dict)
    """By path, width and height."""
    _annotation_ids: "array[int]" = field(default_factory=lambda: array("q"))
    _keep_annotation_ids: bool = True
    _keep_image_ids: bool = True

    def annotations(self, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
        for row in rows:
            image = self._image(row)
            given = row["annotation_id"]
            if _is_id(given):
                self._annotation_ids.append(given)
            else:
                self._keep_annotation_ids = False
            yield {"id": given, "image_id": image.number, **self._annotation(row)}

    def _image(self, row: Row) -> _Image:
        url = row["location"] if is_url(row["location"]) else None
        new = _Image(len(self.images) + 1, row["image_id"], url)
        image = self.images.setdefault((row["path"], row["frame_w"], row["frame_h"]), new)
        self._keep_image_ids &= _is_id(row["image_id"]) and image.given == row["image_id"]
        return image

    def _annotation(self, row: Row) -> dict[str, Any]:
        box = box_of(row) or [0, 0, row["frame_w"], row["frame_h"]]
        track = {} if row["track"] is None else {"track_id": row["track"]}
        return {
            "category_id": self.categories.id(row["concept_name"]),
            "bbox": box,
            "area": box[2] * box[3],
            "segmentation": [],
            "iscrowd": 0,
            "score": row["confidence"],
            "rank": row["rank"],
            "aphia_id": row["aphia_id"],
            **track,
        }

    def keeps_annotation_ids(self) -> bool:
        return self._keep_annotation_ids and len(np.unique(self._annotation_ids)) == len(self._annotation_ids)

    def image_ids(self) -> list[Any]:
        """The id to write for each image, in the order of `images`."""
        given = [image.given for image in self.images.values()]
        keep = self._keep_image_ids and len(set(given)) == len(given)
        return given if keep else [image.number for image in self.images.values()]


def _write(first: _Pass, spool: IO[bytes], stream: IO[bytes], info: dict[str, str]) -> None:
    ids = first.image_ids()
    keep = first.keeps_annotation_ids()
    images = (image.entry(number, *key) for number, (key, image) in zip(ids, first.images.items(), strict=True))
    annotations = (
        annotation | {"id": annotation["id"] if keep else number, "image_id": ids[annotation["image_id"] - 1]}
        for number, annotation in enumerate(map(json.loads, spool), start=1)
    )
    stream.write(f'{{"info": {_text(info)}'.encode())
    for name, entries in (("images", images), ("categories", first.categories.entries()), ("annotations", annotations)):
        stream.write(f',\n"{name}": ['.encode())
        for place, entry in enumerate(entries):
            stream.write(f"{',' if place else ''}\n{_text(entry)}".encode())
        stream.write(b"\n]")
    stream.write(b"}\n")


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -MAX_ID <= value <= MAX_ID


def _text(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False)
