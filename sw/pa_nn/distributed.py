"""Several processes that train one model, as ``torchrun`` starts them.

Each process takes its share of every batch; gradients, the sums of batch normalisation and the
counts of an evaluation are added up over all processes, so that the result is that of one process
with the whole batch, but for the order of floating-point sums.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from pa_nn.batch_norm import synchronise

__all__ = ["World", "joined", "parallelise"]

# The slowest step that others wait for: rank 0 writes a checkpoint.
PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True, kw_only=True)
class World:
    """This process among those that train together; by default the only one.

    Parameters
    ----------
    rank, size : int
        Number of this process from 0, and how many there are.
    local_rank : int
        Number of this process on its host: which of its CUDA devices it uses.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of ``count`` elements are this process's; shares differ by one at most.

        >>> [World(rank=rank, size=3).share(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def total(self, *values: float, device: torch.device | str) -> list[float]:
        """Each of ``values`` summed over all processes, in float64; every process must call it."""
        if self.size == 1:
            return [float(value) for value in values]
        sums = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(sums)
        return sums.tolist()

    def gather(self, value: Any) -> list[Any]:
        """``value`` of each process in the order of ranks; every process must call it."""
        if self.size == 1:
            return [value]
        values = [None] * self.size
        dist.all_gather_object(values, value)
        return values


def _from_environment() -> World:
    numbers = {}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        text = os.environ.get(name, "0")
        if not text.isdecimal():
            raise ValueError(f"Environment variable {name} must be a number, not {text!r}")
        numbers[name] = int(text)
    world = World(
        rank=numbers["RANK"], size=numbers["WORLD_SIZE"], local_rank=numbers["LOCAL_RANK"]
    )
    if not world.rank < world.size:
        raise ValueError(f"RANK {world.rank} must be below WORLD_SIZE, {world.size}")
    return world


@contextmanager
def joined(device: str) -> Iterator[World]:
    """The processes that ``torchrun`` started beside this one; only this one without ``torchrun``.

    They talk through NCCL where ``device`` is ``"cuda"``, through Gloo otherwise.  Raises
    :class:`ValueError` for an environment that ``torchrun`` would not make, where this host has
    fewer CUDA devices than processes, and where the processes do not find each other.
    """
    world = _from_environment() if os.environ.get("WORLD_SIZE", "1") != "1" else World()
    if device == "cuda" and world.local_rank >= torch.cuda.device_count():
        raise ValueError(
            f"Process {world.local_rank} of this host has no CUDA device, there are "
            f"{torch.cuda.device_count()}"
        )
    if world.size == 1:
        yield world
        return
    if device == "cuda":
        torch.cuda.set_device(world.local_rank)
    try:
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=PATIENCE)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"Process {world.rank} cannot reach the others: {error}") from None
    try:
        yield world
    finally:
        dist.destroy_process_group()


def parallelise(model: nn.Module, world: World, *, batch_norm: str) -> nn.Module:
    """What to call in place of ``model``, whose parameters then get their gradients from all.

    Parameters
    ----------
    model : module
        On its device; its batch normalisation is replaced where it is to be synchronised.
    batch_norm : str
        ``"synchronised"``: mean and variance of the batch of all processes, as one process would
        have them.  ``"local"``: each process its own, and running statistics of rank 0.
    """
    if world.size == 1:
        return model
    if batch_norm == "synchronised":
        synchronise(model)
    # Strides of 1x1 weights have two spellings; their gradients are copied, which costs little.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    cuda = next(model.parameters()).is_cuda
    return DistributedDataParallel(
        model,
        device_ids=[world.local_rank] if cuda else None,
        # Synchronised statistics are the same everywhere.
        forward_sync_buffers=batch_norm == "local",
    )
