"""Compare shuffled, augmented batches from pixels.npy with loaders that open one PNG per ROI."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import timm.data
import torch
from torchvision import transforms

from benchmarks.side_by_side import Contender, Timing, time_alternately, timing_table, write_table
from benchmarks.synthetic import write_dataset
from fathomline.config import load_section, with_values
from fathomline.crop.crop import CropConfig, crop
from fathomline.download.download import DownloadConfig, download
from fathomline.machine import MachineConfig
from fathomline.model.degrade import view_spans
from fathomline.rois.crops import Crops, batches, read_crops
from fathomline.sources.read_source import SourceRequest
from fathomline.train.augment import augmented
from fathomline.train.config import TrainConfig

FRAMES = 900
BATCH = 64
WORKERS = 2
CONCEPTS = ["Porifera", "Cnidaria", "Mollusca"]


class RoiPngs(torch.utils.data.Dataset):
    """ROI PNGs, opened one at a time, with their labels."""

    def __init__(self, crops: Path, transform, concepts: Sequence[str] = CONCEPTS) -> None:
        table = read_crops(crops)
        self.paths = [crops / path for path in table.annotations["path"]]
        self.labels = table.labels(concepts).tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int):
        from PIL import Image

        with Image.open(self.paths[index]) as image:
            return self.transform(image.convert("RGB")), self.labels[index]


def from_pixels(crops: Crops, config: TrainConfig, dtype: torch.dtype) -> int:
    """One epoch of `train`'s batches: floats on a CPU; bytes for a GPU, which converts them itself."""
    spans, generator = view_spans(crops), torch.Generator().manual_seed(0)
    order = np.random.default_rng(0).permutation(len(crops.annotations))
    done = 0
    for rows in batches(order, BATCH):
        done += len(augmented(crops.pixels, rows, spans, config, generator, torch.device("cpu")).to(dtype))
    return done


def exhaust(loader) -> int:
    return sum(len(labels) for _, labels in loader)


def torchvision_loader(folder: Path, config: TrainConfig) -> torch.utils.data.DataLoader:
    steps = [
        transforms.RandomResizedCrop(config.image_size, scale=(config.augment.min_crop**2, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.RandomVerticalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.5,) * 3),
    ]
    dataset = RoiPngs(folder, transforms.Compose(steps))
    return torch.utils.data.DataLoader(dataset, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)


def timm_loader(folder: Path, config: TrainConfig):
    return timm.data.create_loader(
        RoiPngs(folder, None),
        input_size=(3, config.image_size, config.image_size),
        batch_size=BATCH,
        is_training=True,
        use_prefetcher=False,
        scale=(config.augment.min_crop**2, 1.0),
        hflip=0.5,
        vflip=0.5,
        color_jitter=None,
        num_workers=WORKERS,
        persistent_workers=True,
    )


def measure(folder: Path, config: TrainConfig) -> list[Timing]:
    crops = read_crops(folder)
    torchvision, timm_batches = torchvision_loader(folder, config), timm_loader(folder, config)
    for loader in (torchvision, timm_batches):
        exhaust(loader)  # starts its processes, which persist over the epochs of a training
    return time_alternately(
        [
            Contender(
                "fathomline: pixels.npy, augmented in batches", lambda: from_pixels(crops, config, torch.float32)
            ),
            Contender("fathomline: the same as bytes", lambda: from_pixels(crops, config, torch.uint8)),
            Contender(f"DataLoader over ROI PNGs, torchvision, {WORKERS} processes", lambda: exhaust(torchvision)),
            Contender(f"timm.data.create_loader over ROI PNGs, {WORKERS} processes", lambda: exhaust(timm_batches)),
        ],
        rounds=5,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[96, 224], help="side lengths of the model's input in pixels"
    )
    sizes = parser.parse_args().sizes
    base = load_section(Path("presets/fathomnet-2025.yaml"), "train", TrainConfig)
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        frames, raw = Path(scratch) / "frames", Path(scratch) / "raw"
        dataset = write_dataset(frames, FRAMES, [(720, 486)], CONCEPTS, seed=0, distinct=100)
        images = str(frames / "images")
        request = SourceRequest("coco", str(dataset), images)
        download(request, raw, DownloadConfig(), machine=MachineConfig(), labelled=True)
        for size in sizes:
            out = Path(scratch) / f"crops-{size}"
            crop(raw, out, CropConfig(views=[1.0], size=size * 8 // 7, square=True, padding="edge"), workers=0)
            augment = {"min_crop": 0.8, "horizontal_flip": True, "vertical_flip": True}
            timings = measure(out, with_values(base, image_size=size, augment=augment))
            introduction = f"{size} px: {timings[0].items} synthetic ROIs, batches of {BATCH}, random crop and flips."
            lines += [introduction, "", *timing_table(timings, "ROI"), ""]
    write_table("batches", "Training batches", lines[:-1])


if __name__ == "__main__":
    main()
