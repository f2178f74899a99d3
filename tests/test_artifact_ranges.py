"""Ranges hold for every image, and are attained where every tap is free."""

import itertools

import numpy as np
import pytest
from pa_networks import mixed_network, residual_network, single_conv

from pa_artifact import ArtifactError, Node, value_ranges
from pa_artifact.ranges import format_range, node_range
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


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_pools_and_groups_stay_in_range(seed, signed):
    network = mixed_network(seed=seed, signed=signed)
    images = np.random.default_rng(seed).integers(0, 256, (20, 2, 7, 6))
    images[0], images[1] = 0, 255
    ranges = value_ranges(network)
    for name, values in golden.run(network, images, fast=True).items():
        low, high = ranges[name][:, 0], ranges[name][:, 1]
        assert (values.amin(dim=(0, 2, 3)).numpy() >= low).all(), name
        assert (values.amax(dim=(0, 2, 3)).numpy() <= high).all(), name


def test_a_group_counts_its_own_channels_only():
    """Against the convolution of each group by itself."""
    network = mixed_network()
    node, bounds = network.node("stem"), value_ranges(network)["stem"]
    for o in range(4):
        weight = node.tensors["weight"][o, 0].astype(int)
        zero = int(node.tensors["zero"][o // 2])
        low = np.minimum(weight * (0 - zero), weight * (255 - zero)).sum()
        high = np.maximum(weight * (0 - zero), weight * (255 - zero)).sum()
        assert bounds[o].tolist() == [low, high]


@pytest.mark.parametrize("pad", [(0, 0, 0, 0), (1, 0, 1, 1), (2, 2, 0, 1)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_sums_of_windows_attain_their_bounds(pad, stride):
    """Every corner of the range of the values, in windows with and without padding."""
    for low, high in ((-3, 5), (2, 5), (-5, -2)):
        rows, columns = 4 + pad[0] + pad[1] - 3, 5 + pad[2] + pad[3] - 3
        node = Node(
            name="avg",
            kind="avg_pool",
            shape_in=(1, 4, 5),
            shape_out=(1, rows // stride[0] + 1, columns // stride[1] + 1),
            attributes={"kernel": (3, 3), "stride": stride, "pad": pad},
        )
        sums = [
            golden.avg_pool(np.full((1, 4, 5), value), (3, 3), stride, pad) for value in (low, high)
        ]
        expected = [int(min(s.min() for s in sums)), int(max(s.max() for s in sums))]
        assert node_range(node, [np.array([[low, high]])]).tolist() == [expected]


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
