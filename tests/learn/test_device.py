import numpy as np
import torch

from fathomline.learn.device import arithmetic, inference_batch, seed_everything, seed_of


def test_near_numbers_give_unrelated_seeds_and_equal_numbers_equal_ones():
    seeds = {seed_of(seed, epoch, rank) for seed in range(5) for epoch in range(5) for rank in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**63 for seed in seeds), "what torch and NumPy take"
    assert max(seeds) - min(seeds) > 2**60
    assert seed_of(3, 1, 4) == seed_of(3, 1, 4)


def test_seeding_repeats_what_torch_and_numpy_draw():
    drawn = []
    for seed in (2**63 - 1, 2**63 - 1, 5):
        seed_everything(seed)
        drawn.append((torch.rand(()).item(), np.random.rand()))  # noqa: NPY002
    assert drawn[0] == drawn[1]
    assert drawn[0][0] != drawn[2][0]
    assert drawn[0][1] != drawn[2][1]


def test_a_cpu_computes_in_full_precision_and_in_small_batches():
    layer = torch.nn.Linear(2, 2)
    with arithmetic(torch.device("cpu"), "bf16"):
        assert layer(torch.ones(1, 2)).dtype == torch.float32


def test_batches_without_gradients_are_small_on_a_cpu_and_smaller_for_larger_pictures():
    cpu = torch.device("cpu")
    assert [inference_batch(cpu, 1, side) for side in (64, 96, 224, 1024)] == [48, 21, 3, 1]
    assert inference_batch(cpu, 4, 96) == 5
    assert inference_batch(torch.device("cuda"), 4, 224) == 256
