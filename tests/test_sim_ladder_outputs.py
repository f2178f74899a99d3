"""Errors of layers' outputs relative to another network's."""

import pa_models
import pytest
import torch

from pa_nn.data import Batches, ImageSet
from sim.ladder_outputs import Sums, compare_outputs


def test_outputs_of_layers_with_the_same_path():
    torch.manual_seed(0)
    pixels = pa_models.pixels(6, seed=3)
    before = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 1), torch.nn.ReLU(), torch.nn.Conv2d(3, 1, 1)
    )
    after = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.ReLU(), torch.nn.Conv2d(3, 1, 1))
    after.load_state_dict(before.state_dict())
    with torch.no_grad():
        after[2].weight *= 1.5
        after[2].bias *= 1.5
    images = ImageSet(images=pixels, labels=torch.zeros(6, dtype=torch.int64), classes=("a",))
    batches = Batches(images, batch_size=4, mean=pa_models.MEAN, std=pa_models.STD)
    first, last = compare_outputs(before, after, batches)
    assert (first.layer, first.sums.relative) == ("0", 0.0)
    assert last.layer == "2"
    assert last.sums.relative == pytest.approx(0.5)
    # Hooks are gone.
    assert not before[0]._forward_hooks


def test_an_error_without_a_signal_is_infinite():
    sums = Sums()
    assert sums.relative == 0
    sums.add(torch.zeros(2), torch.ones(2))
    assert sums.relative == float("inf")
