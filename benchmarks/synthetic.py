"""Synthetic frames with boxes like FathomNet's, generated from a seed."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

MEDIAN_AREA = 4950
"""Square pixels; the median box of the competition's training set."""

BOXES_PER_FRAME = 23_699 / 8_980


def picture(width: int, height: int, generator: np.random.Generator) -> Image.Image:
    """Soft shapes with sensor noise: about as hard to compress as a frame from a remotely operated vehicle."""
    coarse = generator.integers(0, 160, (height // 60 + 2, width // 60 + 2, 3), dtype=np.uint8)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    noise = generator.integers(0, 8, (height, width, 1), dtype=np.int16)
    return Image.fromarray((soft + noise).astype(np.uint8))


def boxes(width: int, height: int, generator: np.random.Generator) -> list[list[float]]:
    """One or more boxes, 2.6 on average, with lognormal areas: x, y, width and height in pixels."""
    found = []
    for _ in range(1 + generator.poisson(BOXES_PER_FRAME - 1)):
        area = MEDIAN_AREA * np.exp(generator.normal() * 1.2)
        aspect = np.exp(generator.normal() * 0.3)
        w, h = min((area * aspect) ** 0.5, width - 1), min((area / aspect) ** 0.5, height - 1)
        x, y = generator.uniform(0, width - w), generator.uniform(0, height - h)
        found.append([float(round(number, 1)) for number in (x, y, w, h)])
    return found


def write_dataset(
    folder: Path,
    frames: int,
    sizes: list[tuple[int, int]],
    concepts: list[str],
    *,
    seed: int,
    distinct: int | None = None,
    base_url: str | None = None,
) -> Path:
    """Write `frames` PNGs, cycling through `sizes`, and their COCO file to `folder`; returns the COCO file.

    Only `distinct` frames are drawn, by default all; the others are copies of them. With `base_url`, each image has a
    `coco_url` below it.
    """
    generator = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    drawn: list[bytes] = []
    for number in range(frames):
        width, height = sizes[number % len(sizes)]
        name = f"{number}.png"
        path = folder / "images" / name
        if number < (distinct or frames):
            picture(width, height, generator).save(path, compress_level=6)
            drawn.append(path.read_bytes())
        else:
            path.write_bytes(drawn[number % len(drawn)])
        image = {"id": number, "file_name": name, "width": width, "height": height}
        if base_url:
            image["coco_url"] = f"{base_url}/images/{name}"
        images.append(image)
        annotations += [
            {
                "id": len(annotations) + offset,
                "image_id": number,
                "category_id": int(generator.integers(len(concepts))),
                "bbox": box,
            }
            for offset, box in enumerate(boxes(width, height, generator))
        ]
    categories = [{"id": number, "name": name} for number, name in enumerate(concepts)]
    file = folder / "dataset.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file
