"""Training in two processes gives the result of one."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathomline.config import with_values
from fathomline.errors import InputError
from fathomline.train import inputs
from fathomline.train.distributed import SINGLE_PROCESS, Processes, process_group
from fathomline.train.train import train
from tests.colored_crops import CLASSES
from tests.train.two_processes import (
    assert_close,
    same_weights,
    trained_alone,
    trained_together,
)

VARIANTS = {
    "uneven parts of an uneven batch, clipped, class balance": {
        "batch_size": 15,
        "accumulation": 3,
        "optimizer.clip_norm": 0.1,
        "loss.class_balance": 1.0,
        "loss.rank_cross_entropy": 1.0,
    },
    "gradient checkpointing and layer decay": {"gradient_checkpointing": True, "optimizer.layer_decay": 0.8},
    "a moving average, and a degraded view": {
        "optimizer.ema_decay": 0.9,
        "validation.degraded_size": 5.0,
        "validation.select_on": "degraded",
    },
    "adapters": {"lora.r": 4},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_two_processes_give_the_weights_of_one(crops, rows, taxonomy, without_chance, in_each, name):
    world = (crops, rows, taxonomy, CLASSES, with_values(without_chance, **VARIANTS[name]))
    first, second = in_each(trained_together, *world)
    assert same_weights(first, second)
    assert first.history == second.history
    alone = trained_alone(*world)
    assert_close(first.history, alone.history)
    for key, weight in alone.weights.items():
        torch.testing.assert_close(first.weights[key], weight, rtol=1e-4, atol=1e-4)


def test_separate_backbones_with_attention_give_the_history_of_one_process(
    two_views, rows, taxonomy, without_chance, in_each
):
    config = replace(without_chance, epochs=1, fusion="attention", separate_backbones=True, accumulation=2)
    world = (two_views, rows, taxonomy, CLASSES, config)
    first, second = in_each(trained_together, *world)
    assert same_weights(first, second)
    assert_close(first.history, trained_alone(*world).history)


def test_batch_norms_are_the_same_in_both_processes(crops, rows, taxonomy, config, in_each):
    # timm mixes pairs, so two processes use 16 ROIs of a batch of 18.
    changes = {"epochs": 6, "batch_size": 18, "optimizer.ema_decay": 0.9, "augment.mixup": 0.2}
    world = (crops, rows, taxonomy, CLASSES, with_values(config, **changes))
    first, second = in_each(trained_together, *world)
    assert same_weights(first, second)
    assert first.history == second.history
    together, alone = (pd.DataFrame(outcome.history) for outcome in (first, trained_alone(*world)))
    assert np.abs(together["train_loss"] - alone["train_loss"]).max() < 0.4
    assert np.abs(together["validation_cross_entropy"] - alone["validation_cross_entropy"]).max() < 0.3
    assert max(together["validation_mhd"].iloc[-1], alone["validation_mhd"].iloc[-1]) < 1.0, "both have learned"


def recorded_batches(processes: Processes, *world) -> dict:
    rows_seen, seeds, epochs, augmented = [], set(), [], inputs.augmented

    def record(pixels, rows, spans, config, generator, device):
        rows_seen.append(rows.tolist())
        seeds.add(generator.initial_seed())
        return augmented(pixels, rows, spans, config, generator, device)

    inputs.augmented = record
    train(*world, on_epoch=lambda epoch, _: epochs.append(epoch.epoch), processes=processes)
    return {"rows": rows_seen, "seeds": seeds, "epochs": epochs}


def test_processes_share_each_batch_draw_separately_and_only_the_main_one_reports(
    crops, rows, taxonomy, config, in_each
):
    main, other = in_each(recorded_batches, crops, rows, taxonomy, CLASSES, replace(config, epochs=2, batch_size=30))
    batches = [some + others for some, others in zip(main["rows"], other["rows"], strict=True)]
    assert [len(batch) for batch in batches] == [30] * 6
    for epoch in (batches[:3], batches[3:]):
        assert sorted(row for batch in epoch for row in batch) == rows[0].tolist()
    assert len(main["seeds"] | other["seeds"]) == 4, "two epochs, two processes"
    assert (main["epochs"], other["epochs"]) == ([1, 2], [])


def collectives(processes: Processes) -> dict:
    rows = np.arange(7) + 10
    share = torch.from_numpy(np.repeat(processes.share(rows)[:, None], 2, axis=1).astype(np.float32))
    return {
        "share": processes.share(rows).tolist(),
        "gathered": processes.all_gather(share, len(rows)).tolist(),
        "one row": processes.all_gather(share[: int(processes.is_main)], 1).tolist(),
        "sum": processes.all_reduce(torch.tensor([1.0, 10.0 * processes.rank])).tolist(),
        "equal": (processes.all_equal(3), processes.all_equal(processes.rank)),
        "device": processes.device().type,
    }


def test_collectives_combine_the_shares_of_two_processes(in_each):
    main, other = in_each(collectives)
    assert (main.pop("share"), other.pop("share")) == ([10, 11, 12, 13], [14, 15, 16])
    for result in (main, other):
        assert result["gathered"] == [[number, number] for number in range(10, 17)]
        assert result["one row"] == [[10, 10]], "the second process has no row"
        assert result["sum"] == [2.0, 10.0]
        assert result["equal"] == (True, False)
        assert result["device"] == "cpu"


def test_a_single_process_has_all_rows_and_values():
    rows, values = np.arange(5), torch.arange(5.0)
    assert SINGLE_PROCESS.is_main
    assert SINGLE_PROCESS.share(rows).tolist() == rows.tolist()
    assert SINGLE_PROCESS.all_gather(values, 5) is values
    assert SINGLE_PROCESS.all_reduce(values) is values
    assert SINGLE_PROCESS.all_equal(3)
    with process_group() as processes:
        assert processes is SINGLE_PROCESS, "torchrun's variables are not set"


@given(st.integers(0, 40), st.integers(1, 9))
def test_rows_are_split_evenly_and_in_order(count, processes):
    rows = np.random.default_rng(count).permutation(count)
    shares = [Processes(rank, processes).share(rows) for rank in range(processes)]
    assert np.concatenate(shares).tolist() == rows.tolist()
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 3}, r"a batch of 3 ROIs \(train.batch_size is 3; .* into 2 parts by 2 process"),
        ({"batch_size": 7, "accumulation": 2}, r"a batch of 7 ROIs .* into 4 parts .* train.accumulation 2"),
        ({"batch_size": 500, "accumulation": 23}, r"a batch of 90 ROIs .*there are 90 training ROIs"),
    ],
)
def test_a_batch_too_small_for_the_processes_is_refused(crops, rows, taxonomy, config, changes, message):
    with pytest.raises(InputError, match=message):
        train(crops, rows, taxonomy, CLASSES, with_values(config, **changes), processes=Processes(0, 2))


def error_of(processes: Processes, *world) -> str:
    with pytest.raises(InputError) as error:
        train(*world, processes=processes)
    return str(error.value)


def test_a_diverging_loss_stops_both_processes(crops, rows, taxonomy, without_chance, in_each):
    wild = with_values(without_chance, lr=1e30, optimizer={"weight_decay": 0.0})
    first, second = in_each(error_of, crops, rows, taxonomy, CLASSES, wild)
    assert first == second
    assert re.search("the loss is (nan|inf).*lower train.lr", first)
