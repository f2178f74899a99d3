"""Batch normalisation over several processes: as one process with the whole batch."""

import copy

import pytest
import torch
import torch.distributed as dist
from torch import nn
from train_processes import start, statuses

from pa_nn.batch_norm import SynchronisedBatchNorm, synchronise


def network():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Flatten(), nn.BatchNorm1d(12, momentum=None)
    ).double()
    with torch.no_grad():
        model[1].weight.uniform_(0.5, 2)
        model[3].bias.normal_()
    return model


def learn(model, images, *, add_up=False):
    """State after two batches, and every gradient."""
    for part in images:
        model(part).square().mul(torch.arange(12)).sum().backward()
    gradients = {name: value.grad for name, value in model.named_parameters()}
    if add_up:
        for gradient in gradients.values():
            dist.all_reduce(gradient)
    return {**model.state_dict(), **{f"{name}.grad": g for name, g in gradients.items()}}


def images():
    torch.manual_seed(1)
    return torch.randn(2, 5, 2, 2, 2, dtype=torch.float64)


def shared(folder):
    dist.init_process_group("gloo")
    model = network()
    synchronise(model)
    rank = dist.get_rank()
    # Unequal shares.
    state = learn(model, images()[:, :2] if rank == 0 else images()[:, 2:], add_up=True)
    torch.save(state, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_see_the_whole_batch(tmp_path):
    assert statuses(start(shared, tmp_path, size=2, errors=tmp_path / "log")) == [0, 0]
    expected = learn(network(), images())
    for rank in range(2):
        state = torch.load(tmp_path / f"{rank}.pt")
        assert state.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value, rtol=1e-9, atol=1e-12, msg=name)


def test_replacement_shares_what_it_replaces_and_evaluates_alike():
    model = network().eval()
    with torch.no_grad():
        model[1].running_mean.normal_()
    new = copy.deepcopy(model)
    parameters = {name: value.data_ptr() for name, value in new.state_dict().items()}
    synchronise(new)
    assert [type(layer) for layer in new[1::2]] == [SynchronisedBatchNorm] * 2
    assert {name: value.data_ptr() for name, value in new.state_dict().items()} == parameters
    assert (new[3].momentum, new[1].eps, new[1].training) == (None, model[1].eps, False)
    assert torch.equal(new(images()[0]), model(images()[0]))


def test_alone_it_is_ordinary_batch_normalisation():
    model, new = network(), network()
    synchronise(new)
    assert torch.equal(new(images()[0]), model(images()[0]))
    assert torch.equal(new[1].running_var, model[1].running_var)


def test_it_wants_channels():
    with pytest.raises(ValueError, match="Input must have at least 2 dimensions, not 1"):
        SynchronisedBatchNorm(3)(torch.zeros(3))
