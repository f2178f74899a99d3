"""Number formats of every value."""

import numpy as np
import pytest
from pa_networks import mixed_network, residual_network

from pa_artifact import value_formats, value_ranges
from pa_artifact.ranges import format_range


@pytest.mark.parametrize("build", [residual_network, mixed_network])
@pytest.mark.parametrize("seed", range(3))
def test_formats_hold_the_ranges(build, seed):
    network = build(seed=seed)
    ranges = value_ranges(network)
    for name, (bits, signed) in value_formats(network).items():
        low, high = format_range(bits, signed)
        assert low <= ranges[name].min(), name
        assert ranges[name].max() <= high, name


@pytest.mark.parametrize("signed", [False, True])
def test_pools_and_concatenations_follow_their_operands(signed):
    formats = value_formats(mixed_network(signed=signed))
    for name in ("stem.add", "max", "pair", "triple"):
        assert formats[name] == (8, signed)
    # Up to six taps of 8 bits.
    assert formats["avg"] == (11, signed)
    assert formats["conv"][1]


def test_a_value_that_is_always_zero_has_a_bit():
    network = mixed_network()
    network.node("stem").tensors["weight"][...] = 0
    network.node("stem.rescale").tensors["bias"][...] = 0
    bounds = value_ranges(network)["stem"]
    assert np.array_equal(bounds, np.zeros((4, 2)))
    assert value_formats(network)["stem"] == (1, True)
