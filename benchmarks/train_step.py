"""Compare a training step from pixels.npy with the same step from memory and with a plain loop over ROI PNGs."""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from benchmarks.batches import WORKERS, RoiPngs
from benchmarks.side_by_side import Contender, Timing, time_alternately, timing_table, write_table
from benchmarks.synthetic import write_dataset
from fathomline.config import load_section, with_values
from fathomline.crop.crop import CropConfig, crop
from fathomline.download.download import DownloadConfig, download
from fathomline.lineages.fgvc2025 import lineages
from fathomline.machine import MachineConfig
from fathomline.model.backbone import build
from fathomline.model.classifier import Classifier
from fathomline.model.degrade import view_spans
from fathomline.model.device import best_device, keep_freed_memory
from fathomline.rois.crops import Crops, read_crops
from fathomline.sources.read_source import SourceRequest
from fathomline.taxonomy.tree import Taxonomy
from fathomline.train.config import TrainConfig
from fathomline.train.design import design
from fathomline.train.distributed import SINGLE_PROCESS
from fathomline.train.inputs import Inputs, PixelInputs, Task
from fathomline.train.loss import HierarchicalLoss
from fathomline.train.trainer import Trainer

ROUNDS = 5
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
"""Dense bf16 operations per second according to the manufacturers' data sheets."""


@dataclass
class MemoryInputs:
    """Batches prepared on the device and served cyclically: the upper bound for any data loader."""

    prepared: Sequence[Tensor]
    served: int = 0

    def batch(self, rows: np.ndarray, generator: torch.Generator) -> Tensor:
        batch = self.prepared[self.served % len(self.prepared)]
        self.served += 1
        return batch

    def logits(self, classifier: Classifier, rows: np.ndarray, *, degraded: bool) -> np.ndarray:
        return np.zeros((len(rows), classifier.head.out_features), dtype=np.float32)


def our_epoch(crops: Crops, taxonomy: Taxonomy, config: TrainConfig, prepared: Sequence[Tensor] | None) -> Contender:
    """Epochs of the loop that `train` runs, over all ROIs; from `prepared` batches if they are given."""
    classes = list(taxonomy.concepts)
    classifier = build(design(config, views=1, classes=len(classes)))
    classifier.to(best_device(), memory_format=torch.channels_last)
    pixels: Inputs = PixelInputs(crops.pixels, view_spans(crops), None, config, best_device())
    inputs = pixels if prepared is None else MemoryInputs(prepared)
    nodes = np.array([taxonomy.node(name) for name in classes])
    rows = np.arange(len(crops.annotations))
    task = Task(inputs, crops.labels(classes), rows, rows[:2], taxonomy, nodes)
    trainer = Trainer(classifier, task, config, SINGLE_PROCESS)
    name = "fathomline: augmented from pixels.npy" if prepared is None else "the same step from tensors in memory"

    def epoch() -> int:
        trainer.epoch(len(trainer.history) + 1)
        return trainer.steps * trainer.batch_size

    return Contender(name, epoch)


def plain_epoch(folder: Path, taxonomy: Taxonomy, config: TrainConfig, loss: HierarchicalLoss) -> Contender:
    """A plain PyTorch loop: a DataLoader over PNGs, and the loss read at each step, which waits for the device."""
    device = best_device()
    steps = [
        transforms.Resize((config.image_size, config.image_size)),
        transforms.ToTensor(),
        transforms.Normalize((0.5,) * 3, (0.5,) * 3),
    ]
    loader = torch.utils.data.DataLoader(
        RoiPngs(folder, transforms.Compose(steps), list(taxonomy.concepts)),
        config.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )
    model = timm.create_model(config.backbone, num_classes=len(taxonomy.concepts)).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), config.lr, weight_decay=config.optimizer.weight_decay)

    def epoch() -> int:
        total, done = 0.0, 0
        for images, labels in loader:
            logits = model(images.to(device))
            value = loss(logits, labels.to(device)).total
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.item()
            done += len(labels)
        return done

    return Contender(f"a plain loop: DataLoader over ROI PNGs, {WORKERS} processes", epoch)


def loss_share(loss: HierarchicalLoss, classes: int, config: TrainConfig, step_seconds: float) -> str:
    """The time that the taxonomy terms of the loss add to a step, measured on the logits of a batch."""
    device = next(loss.buffers()).device
    logits = torch.randn(config.batch_size, classes, device=device, requires_grad=True)
    labels = torch.randint(classes, (config.batch_size,), device=device)

    def seconds(compute) -> float:
        taken = []
        for _ in range(100):
            start = time.perf_counter()
            compute().backward()
            if device.type == "cuda":
                torch.cuda.synchronize()
            taken.append(time.perf_counter() - start)
        return float(np.median(taken))

    full = seconds(lambda: loss(logits, labels).total)
    cross_entropy = seconds(lambda: torch.nn.functional.cross_entropy(logits, labels))
    return (
        f"Loss and gradient of a batch: {1000 * full:.2f} ms with the taxonomy terms, {1000 * cross_entropy:.2f} ms "
        f"with cross-entropy alone; the difference is {(full - cross_entropy) / step_seconds:.2%} of a step."
    )


def arithmetic_share(config: TrainConfig, classes: int, images_per_second: float) -> str:
    """Operations of a forward and backward pass, and the fraction of the chip's peak if that is known."""
    classifier = build(design(config, views=1, classes=classes))
    with FlopCounterMode(display=False) as counter:
        classifier(torch.zeros(1, 1, 3, config.image_size, config.image_size)).sum().backward()
    operations = counter.get_total_flops()
    text = f"{operations / 1e9:.2f} GFLOP per image and step, {operations * images_per_second / 1e12:.3f} TFLOP/s"
    if torch.cuda.is_available():
        chip = torch.cuda.get_device_name()
        peak = next((value for name, value in PEAKS.items() if name in chip), None)
        text += f" on {chip}" + (f", {operations * images_per_second / peak:.1%} of its bf16 peak" if peak else "")
    return text + "."


def measure(folder: Path, config: TrainConfig, taxonomy: Taxonomy) -> tuple[list[Timing], str]:
    keep_freed_memory()  # as `train` does on a CPU; the plain loop benefits too, as it runs in the same process
    crops = read_crops(folder)
    counts = np.bincount(crops.labels(list(taxonomy.concepts)), minlength=len(taxonomy.concepts))
    nodes = np.array([taxonomy.node(name) for name in taxonomy.concepts])
    loss = HierarchicalLoss(taxonomy, nodes, counts, config).to(best_device())
    source = PixelInputs(crops.pixels, view_spans(crops), None, config, best_device())
    generator = torch.Generator().manual_seed(0)
    prepared = [
        source.batch(np.arange(start, start + config.batch_size) % len(crops.annotations), generator)
        for start in range(0, 8 * config.batch_size, config.batch_size)
    ]
    contenders = [
        our_epoch(crops, taxonomy, config, None),
        our_epoch(crops, taxonomy, config, prepared),
        plain_epoch(folder, taxonomy, config, loss),
    ]
    for contender in contenders:
        contender.run()  # starts processes and compiles kernels
    timings = time_alternately(contenders, ROUNDS)
    step = timings[0].median / (timings[0].items / config.batch_size)
    images = timings[0].items / timings[0].median
    notes = [loss_share(loss, len(taxonomy.concepts), config, step), arithmetic_share(config, len(nodes), images)]
    return timings, "\n".join(notes)


def main() -> None:
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", default="vit_base_patch16_224" if cuda else "mobilenetv2_100")
    parser.add_argument("--image-size", type=int, default=224 if cuda else 96)
    parser.add_argument("--batch-size", type=int, default=128 if cuda else 32)
    parser.add_argument("--rois", type=int, default=6400 if cuda else 640, help="approximate number of ROIs per epoch")
    arguments = parser.parse_args()
    config = with_values(
        load_section(Path("presets/fathomnet-2025.yaml"), "train", TrainConfig),
        backbone=arguments.backbone,
        image_size=arguments.image_size,
        batch_size=arguments.batch_size,
        pretrained=False,
        epochs=100,
        loss={"rank_cross_entropy": 0.5},
        augment={"min_crop": 0.8, "horizontal_flip": True, "vertical_flip": True},
    )
    taxonomy = Taxonomy(lineages())
    with tempfile.TemporaryDirectory() as scratch:
        frames, raw, out = (Path(scratch) / name for name in ("frames", "raw", "crops"))
        concepts = list(taxonomy.concepts)
        dataset = write_dataset(frames, round(arguments.rois / 2.64), [(720, 486)], concepts, seed=0, distinct=100)
        images = str(frames / "images")
        request = SourceRequest("coco", str(dataset), images)
        download(request, raw, DownloadConfig(), machine=MachineConfig(), labelled=True)
        side = config.image_size * 8 // 7
        crop(raw, out, CropConfig(views=[1.0], size=side, square=True, padding="edge"), workers=0)
        timings, notes = measure(out, config, taxonomy)
    introduction = (
        f"{config.backbone} with random weights at {config.image_size} px, batches of {config.batch_size} synthetic "
        f"ROIs, random crop and flips, {len(taxonomy.concepts)} classes, expected distance and rank loss, "
        f"{'bf16 and compiled on CUDA' if cuda else 'fp32 on a CPU'}."
    )
    write_table(
        "train_step", "A training step", [introduction, "", *timing_table(timings, "ROI"), "", *notes.split("\n")]
    )


if __name__ == "__main__":
    main()
