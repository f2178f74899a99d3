"""Ranges hold for every image, and are attained where every tap is free."""

import itertools

import numpy as np
import pytest
from pa_networks import residual_network, single_conv

from pa_artifact import ArtifactError, value_ranges
from pa_artifact.ranges import format_range
from pa_nn import golden


@pytest.mark.parametrize("seed", range(3))
def test_no_integer_leaves_its_range(seed):
    network = residual_network(seed=seed)
    images = np.random.default_rng(seed).integers(0, 256, (20, 2, 5, 4))
    images[0], images[1] = 0, 255
    ranges = value_ranges(network)
    for name, values in golden.run(network, images, fast=True).items():
        low, high = ranges[name][:, 0], ranges[name][:, 1]
        assert (values.amin(dim=(0, 2, 3)).numpy() >= low).all(), name
        assert (values.amax(dim=(0, 2, 3)).numpy() <= high).all(), name


@pytest.mark.parametrize("seed", range(3))
def test_accumulators_attain_the_bound_of_every_code(seed):
    """Every combination of codes and of masked taps, for a kernel of one pixel."""
    network = single_conv(
        seed=seed, shape_in=(2, 1, 1), kernel=(1, 1), pad=(0, 0, 0, 0), m=3, n=3, out_channels=5
    )
    node = network.node("conv")
    phi, codes = node.tensors["phi"].astype(int), node.tensors["codes"][:, :, 0, 0]
    sums = [
        sum(phi[codes[:, c], code] for c, code in enumerate(pair))
        for pair in itertools.product(range(4), repeat=2)
    ]
    bounds = value_ranges(network)["conv"]
    assert np.array_equal(bounds[:, 0], np.min(sums, axis=0))
    assert np.array_equal(bounds[:, 1], np.max(sums, axis=0))


def test_formats():
    assert format_range(8, False) == (0, 255)
    assert format_range(8, True) == (-128, 127)
    assert format_range(1, True) == (-1, 0)


def test_values_that_no_float_holds_are_refused():
    network = residual_network()
    network.node("fc.rescale").tensors["bias"][:] = 1 << 61
    network.node("fc.rescale").tensors["shift"][...] = 0
    with pytest.raises(ArtifactError, match=r"fc\.rescale: .*2\^53"):
        value_ranges(network)
