"""Shares of processes, and the environment that torchrun makes."""

import pytest
import torch
from torch import nn
from train_processes import start, statuses

from pa_nn import build_model
from pa_nn.data import Batches, ImageSet
from pa_nn.distributed import World, joined, parallelise
from pa_nn.recipe import Recipe
from pa_nn.trainer import Trainer


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


def learn(path):
    """Parameters and running statistics after an epoch in float64; shares of 3 and 4 images."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (16, 1, 12, 12), generator=generator, dtype=torch.uint8)
    images = ImageSet(images=pixels, labels=torch.arange(16) % 3, classes=tuple("abc"))
    torch.manual_seed(0)
    model = build_model("resnet8", in_channels=1, classes=3).double()
    with joined("cpu") as world:
        batches = Batches(
            images, batch_size=7, mean=(0.5,), std=(0.25,), shuffle=True, augment=True, world=world
        )
        recipe = Recipe(epochs=1, batch_size=7, lr=0.1, warmup=0)
        run = Trainer(model, recipe, train=batches, test=batches, about={}, out=path, world=world)
        run.model.train()
        for number, (pixels, labels) in enumerate(batches):
            run.step(pixels.double(), labels, number)
        torch.save(run.model.state_dict(), f"{path}/{world.rank}of{world.size}.pt")
        del run
    return 0


def test_two_processes_take_the_steps_of_one(tmp_path):
    learn(tmp_path)
    assert statuses(start(learn, tmp_path, size=2, errors=tmp_path / "log")) == [0, 0]
    expected, first, second = (
        torch.load(tmp_path / name) for name in ("0of1.pt", "0of2.pt", "1of2.pt")
    )
    assert first.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], value, rtol=1e-7, atol=1e-9, msg=name)


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
