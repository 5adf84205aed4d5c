"""Data-parallel training: each process computes its share of every batch, and all processes hold the same weights."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from fathomline.model.device import best_device

NOT_SHARED = (
    "the processes see different files in this folder; all machines that train together must share the project's folder"
)


@dataclass(frozen=True)
class Processes:
    """The processes that train together, as seen from one of them."""

    rank: int = 0
    """Number of this process among all, from 0."""
    world_size: int = 1
    """Number of processes."""
    local_rank: int = 0
    """Number of this process on its machine, from 0; also the number of its GPU."""

    @property
    def is_main(self) -> bool:
        """Whether this is the main process, the one that writes files and prints."""
        return self.rank == 0

    def device(self) -> torch.device:
        """This process's GPU on CUDA, otherwise the CPU. A single process also uses Apple's MPS, which has no
        collectives."""
        device = best_device(self.local_rank)
        return torch.device("cpu") if device.type == "mps" and self.world_size > 1 else device

    def share(self, rows: np.ndarray) -> np.ndarray:
        """This process's part of `rows`, in order. The parts differ in length by at most one."""
        return np.array_split(rows, self.world_size)[self.rank]

    def all_reduce(self, values: Tensor) -> Tensor:
        """The sum of `values` over the processes, in place."""
        if self.world_size > 1:
            distributed.all_reduce(values)
        return values

    def all_gather(self, share: Tensor, rows: int) -> Tensor:
        """(rows, …), the shares of all processes in the order in which `share` split the rows."""
        if self.world_size == 1:
            return share
        gathered = share.new_zeros((rows, *share.shape[1:]))
        gathered[self.share(np.arange(rows))] = share
        return self.all_reduce(gathered)

    def broadcast(self, module: nn.Module) -> None:
        """Copy the main process's weights and statistics to `module` in all processes.

        Statistics differ between processes outside CUDA, where each batch norm sees only its process's share.
        """
        if self.world_size > 1:
            for tensor in module.state_dict().values():
                distributed.broadcast(tensor, 0)

    def data_parallel(self, classifier: nn.Module) -> nn.Module:
        """`classifier`, with its gradients averaged over the processes."""
        if self.world_size == 1:
            return classifier
        on_cuda = next(classifier.parameters()).is_cuda
        return DistributedDataParallel(classifier, device_ids=[self.local_rank] if on_cuda else None)

    def all_equal(self, number: int) -> bool:
        """Whether `number`, an int64, is the same in all processes. Blocks until every process has called this."""
        if self.world_size == 1:
            return True
        largest_and_smallest = torch.tensor([number, -number], device=self.device())
        distributed.all_reduce(largest_and_smallest, distributed.ReduceOp.MAX)
        return largest_and_smallest.sum().item() == 0

    def barrier(self) -> None:
        """Block until every process has called this."""
        if self.world_size > 1:
            distributed.barrier()


SINGLE_PROCESS = Processes()


def without_all_reduce(module: nn.Module) -> AbstractContextManager[None]:
    """Within this context, backward passes add up gradients without averaging them over the processes."""
    return module.no_sync() if isinstance(module, DistributedDataParallel) else nullcontext()


@contextmanager
def process_group() -> Iterator[Processes]:
    """The processes that torchrun started, connected within the context; a single process without torchrun."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield SINGLE_PROCESS
        return
    processes = Processes(
        int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0"))
    )
    device = processes.device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    yield processes
    # Not in a `finally`: after an error in one process, NCCL would wait here for the others, and the error would never
    # be reported.
    distributed.destroy_process_group()
