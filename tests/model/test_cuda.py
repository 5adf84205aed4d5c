"""Tests that need a GPU."""

import os
import pickle
import socket
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.multiprocessing import start_processes

from fathomline.config import with_values
from fathomline.model import batching
from fathomline.model.backbone import build
from fathomline.model.batching import batch_size
from fathomline.model.classifier import Classifier
from fathomline.model.degrade import degraded
from fathomline.model.device import prepare_device
from fathomline.model.inference import predict_logits
from fathomline.model.transforms import to_device
from fathomline.train.design import design
from fathomline.train.distributed import process_group
from fathomline.train.train import train
from tests.colored_crops import CLASSES, weights

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
two_gpus = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")

ORIENTATIONS = ("identity", "rotate_90")


@pytest.fixture
def cuda() -> torch.device:
    device = torch.device("cuda", 0)
    prepare_device(device)
    return device


@pytest.fixture
def classifier(config) -> Classifier:
    torch.manual_seed(0)
    return build(design(replace(config, backbone="test_vit"), views=2, classes=3)).eval()


# triton and inductor issue warnings that depend on the machine.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("compiled", "precision"), [(False, "fp32"), (False, "bf16"), (True, "bf16")])
def test_training_reduces_the_loss_compiled_and_in_bf16(crops, rows, taxonomy, config, compiled, precision):
    changes = {
        "augment.rotation": 10.0,
        "augment.color_jitter": 0.2,
        "augment.blur": 0.3,
        "augment.degradation": 0.5,
        "augment.erasing": 0.2,
    }
    changes |= {"validation.degraded_size": 5.0, "epochs": 4, "compile": compiled, "precision": precision}
    trained = train(crops, rows, taxonomy, CLASSES, with_values(config, **changes))
    assert all(torch.isfinite(tensor).all() for tensor in weights(trained).values())
    assert trained.history[-1].train_loss < trained.history[0].train_loss
    assert trained.history[-1].validation_mhd_degraded is not None


@pytest.mark.filterwarnings("default")
def test_features_of_a_frozen_backbone_match_the_cpu(crops, rows, taxonomy, config, monkeypatch):
    frozen = with_values(
        config, frozen=True, frozen_copies=1, epochs=1, lr=1e-12, precision="fp32", schedule={"min_lr": 0.0}
    )
    on_gpu = train(crops, rows, taxonomy, CLASSES, frozen).best
    monkeypatch.setattr("fathomline.train.distributed.best_device", lambda number=0: torch.device("cpu"))
    on_cpu = train(crops, rows, taxonomy, CLASSES, frozen).best
    # TF32 rounds the factors of a product to ten bits.
    assert on_gpu.validation_cross_entropy == pytest.approx(on_cpu.validation_cross_entropy, abs=1e-2)


def test_a_copy_through_pinned_memory_keeps_its_values(cuda):
    pages = [torch.full((2**20,), float(number)) for number in range(20)]
    copies = [to_device(page, cuda) for page in pages]
    del pages  # the allocator must not reuse their pinned memory before the copies are done
    for number, copy in enumerate(copies):
        assert copy.device == cuda
        assert bool((copy == number).all())


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-2), ("bf16", 0.2)])
def test_predictions_match_the_cpu(classifier, two_views, cuda, precision, tolerance):
    remaining = np.random.default_rng(0).uniform(1, 30, (120, 2))
    options = {"orientations": ORIENTATIONS, "remaining": remaining}
    rows = np.arange(120)[::-1].copy()
    expected = predict_logits(classifier, two_views.pixels, rows, 16, **options)
    classifier.to(cuda, memory_format=torch.channels_last)
    found = predict_logits(classifier, two_views.pixels, rows, 16, **options, precision=precision)
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=tolerance)


def test_predictions_without_tf32_match_the_cpu_closely(classifier, two_views, cuda):
    rows = np.arange(120)
    expected = predict_logits(classifier, two_views.pixels, rows, 16)
    classifier.to(cuda)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        found = predict_logits(classifier, two_views.pixels, rows, 16)
    finally:
        prepare_device(cuda)
    # The rest is due to resizing, which works on bytes on a CPU and on floats on a GPU.
    assert found == pytest.approx(expected, abs=3e-2)


def test_degradation_on_a_gpu_matches_the_cpu_despite_tf32_and_bf16(cuda):
    images = 255 * torch.rand(40, 3, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    remaining = np.random.default_rng(1).uniform(1, 120, (40, 3))
    with torch.autocast("cuda", torch.bfloat16):
        found = degraded(images.to(cuda), remaining)
    assert found.dtype == torch.float32
    assert torch.allclose(found.cpu(), degraded(images, remaining), atol=1e-2)
    assert torch.backends.cuda.matmul.allow_tf32, "restored afterwards"


def test_the_batch_size_follows_the_free_memory(cuda):
    def compute(rows: np.ndarray) -> torch.Tensor:
        return torch.empty(len(rows), 64 * 2**20, dtype=torch.uint8, device=cuda)[:, 0].cpu()

    torch.cuda.empty_cache()
    rows = np.arange(2000)
    before = batch_size(compute, rows, cuda, 1)
    assert 1 <= before * 64 * 2**20 <= batching.free_memory(cuda) / 2
    held = torch.empty(int(batching.free_memory(cuda) * 0.8), dtype=torch.uint8, device=cuda)
    during = batch_size(compute, rows, cuda, 1)
    assert during < before
    del held  # the allocator still holds this memory, but can reuse it
    assert batch_size(compute, rows, cuda, 1) == before
    torch.cuda.empty_cache()


def test_a_batch_that_does_not_fit_the_gpu_is_halved(classifier, two_views, cuda, monkeypatch, capsys):
    rows = np.arange(120)
    classifier.to(cuda)
    expected = predict_logits(classifier, two_views.pixels, rows, 16)
    forward = Classifier.forward

    def forward_with_much_memory(model, views):
        torch.empty(len(views), torch.cuda.get_device_properties(cuda).total_memory // 50, device=cuda).add_(1)
        return forward(model, views)

    monkeypatch.setattr(Classifier, "forward", forward_with_much_memory)
    monkeypatch.setattr("fathomline.model.inference.batch_size", lambda *_: 64)
    assert predict_logits(classifier, two_views.pixels, rows, 16) == pytest.approx(expected, abs=1e-2)
    assert "out of memory with 64 ROIs at once" in capsys.readouterr().err
    torch.cuda.empty_cache()


def _train_rank(rank: int, port: int, folder: Path, world: tuple) -> None:
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in variables.items()}
    with process_group() as processes:
        assert processes.device() == torch.device("cuda", rank)
        trained = train(*world, processes=processes)
        answer = [asdict(epoch) for epoch in trained.history], weights(trained)
        (folder / f"{rank}.pickle").write_bytes(pickle.dumps(answer))


@two_gpus
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("backbone", ["test_vit", "test_resnet"])
def test_two_processes_over_nccl_match_one(crops, rows, taxonomy, config, tmp_path, backbone):
    changes = {
        "augment.min_crop": 1.0,
        "augment.horizontal_flip": False,
        "augment.vertical_flip": False,
        "optimizer.name": "sgd",
        "lr": 0.01,
    }
    changes |= {
        "backbone": backbone,
        "accumulation": 2,
        "validation.degraded_size": 5.0,
        "epochs": 2,
        "precision": "fp32",
    }
    world = (crops, rows, taxonomy, CLASSES, with_values(config, **changes))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    start_processes(_train_rank, (port, tmp_path, world), nprocs=2, start_method="spawn")
    (curves, first), (others, second) = (pickle.loads((tmp_path / f"{rank}.pickle").read_bytes()) for rank in range(2))
    assert curves == others
    assert all(torch.equal(first[name], second[name]) for name in first)
    alone = train(*world)
    expected = [epoch.train_loss for epoch in alone.history]
    # The ResNet matches too, because its batch norms are synchronised.
    assert [epoch["train_loss"] for epoch in curves] == pytest.approx(expected, abs=2e-2)
