"""Features of the popcount datapath."""

from dataclasses import replace

import numpy as np
import pytest

from pa_hdl.config import EngineConfig
from pa_hdl.cost_features import Site, sum_of
from pa_hdl.cost_popcount import compressor_features, popcount_features
from pa_hdl.parameters import LayerParameters


def site(phi=None, **options):
    base = dict(in_channels=16, out_channels=4, height=4, width=4, m=2, n=3, simd=8, pe=1)
    config = EngineConfig(**{"loadable": False, **base, **options})
    if config.loadable:
        return Site(config=config, parameters=None)
    parameters = LayerParameters.seeded(config, 1)
    if phi is not None:
        table = np.zeros((config.m + 1, config.n + 1), np.int64)
        table[1:, 1:] = phi
        parameters = replace(parameters, phi=table)
    return Site(config=config, parameters=parameters)


def total(found):
    return sum(found.lut.values())


def test_features_grow_with_the_lanes():
    sizes = [total(popcount_features(site(simd=simd))) for simd in (1, 2, 4, 8, 16)]
    assert sizes == sorted(sizes)
    assert sizes[-1] < 16 * sizes[0], "wide ones share their adders"


def test_coefficients_decide():
    zero = [[0, 0, 0], [0, 0, 0]]
    powers = [[1, 2, 4], [8, 16, 32]]
    odd = [[-8, -61, -99], [1, 10, 17]]
    costs = [total(popcount_features(site(phi))) for phi in (zero, powers, odd)]
    assert costs == sorted(costs)
    assert costs[0] < costs[1] < costs[2]


def test_elements_are_counted_as_often_as_they_stand():
    one, two, three = (popcount_features(site(pe=pe)) for pe in (1, 2, 3))
    for figure in ("lut", "ff"):
        a, b, c = (getattr(each, figure) for each in (one, two, three))
        assert sum(c.values()) - sum(b.values()) == sum(b.values()) - sum(a.values()) > 0


def test_one_base_needs_no_decoder():
    found = popcount_features(site(m=1, n=1))
    assert found.lut["decoded"] == 0
    assert popcount_features(site(m=2, n=1)).lut["decoded"] == 2 * 8


def test_compressors_take_the_place_of_lanes():
    plain, dense = popcount_features(site()), compressor_features(site())
    assert (dense.lut["lanes"], dense.lut["lane pairs"]) == (6, 48)
    assert "groups" not in dense.lut
    assert plain.lut["tree"] == dense.lut["tree"]


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
def test_loaded_coefficients_are_chosen_among(base):
    found = popcount_features(site(loadable=True, base=base))
    assert found.lut["chosen"] > 0
    assert found.ff["multiples"] == 3 * found.lut["multiples"]
    assert not any(name.startswith("table") for name in found.lut)


def test_features_of_parts_add_up():
    assert sum_of({"a": 1}, {"a": 2, "b": 3}, times=2) == {"a": 6, "b": 6}
