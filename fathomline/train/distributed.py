"""One training in many processes: each computes its share of every batch, and all hold the same weights."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from fathomline.model.device import best_device

NOT_SHARED = "not all processes see the same files there; machines that train together must share the project's folder"


@dataclass(frozen=True)
class Processes:
    """The processes that train together, seen from one of them."""

    rank: int = 0
    """Which of them this is, from 0."""
    world_size: int = 1
    """How many they are."""
    local_rank: int = 0
    """Which of those on this machine: the number of its GPU."""

    @property
    def first(self) -> bool:
        """Whether this is the main process, the one that writes files and prints."""
        return self.rank == 0

    def device(self) -> torch.device:
        """The GPU of this process on CUDA, else the CPU; alone also Apple's MPS, which has no collectives."""
        device = best_device(self.local_rank)
        return torch.device("cpu") if device.type == "mps" and self.world_size > 1 else device

    def share(self, rows: np.ndarray) -> np.ndarray:
        """This process's part of `rows`, in order; the parts differ in length by one at most."""
        return np.array_split(rows, self.world_size)[self.rank]

    def all_reduce(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes, in place."""
        if self.world_size > 1:
            distributed.all_reduce(values)
        return values

    def all_gather(self, share: Tensor, rows: int) -> Tensor:
        """(rows, …), the shares of all processes one after the other, as `share` split the rows."""
        if self.world_size == 1:
            return share
        whole = share.new_zeros((rows, *share.shape[1:]))
        whole[self.share(np.arange(rows))] = share
        return self.all_reduce(whole)

    def broadcast(self, module: nn.Module) -> None:
        """Give `module` the weights and statistics of the main process: outside CUDA, batch norms see a share only."""
        if self.world_size > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)

    def joint(self, classifier: nn.Module) -> nn.Module:
        """`classifier` with gradients averaged over the processes, and batch norms over the whole batch on CUDA."""
        if self.world_size == 1:
            return classifier
        on_cuda = next(classifier.parameters()).is_cuda
        return DistributedDataParallel(classifier, device_ids=[self.local_rank] if on_cuda else None)

    def alike(self, number: int) -> bool:
        """Whether all processes call this with the same `number`, an int64; waits for all of them."""
        if self.world_size == 1:
            return True
        most_and_least = torch.tensor([number, -number], device=self.device())
        distributed.all_reduce(most_and_least, distributed.ReduceOp.MAX)
        return most_and_least.sum().item() == 0

    def wait(self) -> None:
        """Block until every process has called this."""
        if self.world_size > 1:
            distributed.barrier()


ALONE = Processes()


def without_exchange(module: nn.Module, last: bool) -> AbstractContextManager:
    """Leaves out the all-reduce of gradients, which only the last part of a batch needs."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) and not last else nullcontext()


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that torchrun started, connected within the context; this one alone without torchrun."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield ALONE
        return
    processes = Processes(
        int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0"))
    )
    device = processes.device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield processes
    # Not after an error: NCCL would wait here for processes that have none, and the error would never be reported.
    distributed.destroy_process_group()
