"""Shares of processes, and the environment that torchrun makes."""

import pytest
import torch
from torch import nn

from pa_nn.distributed import World, joined, parallelise


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [0, 1, 5, 64])
def test_shares_partition_a_batch_evenly(size, count):
    shares = [World(rank=rank, size=size).share(count) for rank in range(size)]
    assert [i for share in shares for i in range(count)[share]] == list(range(count))
    lengths = [share.stop - share.start for share in shares]
    assert max(lengths) - min(lengths) <= 1


def test_alone_nothing_is_exchanged():
    world = World()
    assert world.first
    assert world.total(1, 0.5, device="cpu") == [1.0, 0.5]
    assert world.gather("a") == ["a"]
    model = nn.Linear(2, 2)
    assert parallelise(model, world, batch_norm="synchronised") is model
    with joined("cpu") as joined_world:
        assert joined_world == world


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE must be a number, not 'two'"),
        ({"WORLD_SIZE": "2", "RANK": "-1"}, "RANK must be a number, not '-1'"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK 2 must be below WORLD_SIZE, 2"),
        ({"WORLD_SIZE": "2", "RANK": "1"}, "Process 1 cannot reach the others: .*MASTER_ADDR"),
    ],
)
def test_an_environment_that_torchrun_would_not_make_is_refused(monkeypatch, variables, message):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message), joined("cpu"):
        pass


def test_each_process_of_a_host_needs_a_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for name, value in {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    message = "Process 1 of this host has no CUDA device, there are 1"
    with pytest.raises(ValueError, match=message), joined("cuda"):
        pass
