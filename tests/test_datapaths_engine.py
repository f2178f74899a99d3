# amaranth: UnusedElaboratable=no
"""Whole engines with every datapath that reads phi from tables, and with other tables."""

from dataclasses import replace

import numpy as np
import pytest
from hdl_bench import Bench, baked, frames

from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.inside import MOST_FOLDS
from pa_hdl.engine import Engine
from pa_hdl.parameters import LayerParameters

PLAIN = dict(in_channels=3, out_channels=3, height=3, width=4, simd=2, pe=2)
FEW = dict(in_channels=3, out_channels=5, height=3, width=3, simd=2, pe=2, kernel=(1, 1))
FEW |= dict(pad=(1, 0, 0, 1))

LEVELS = {
    "xnor": ([-1, 1], [-1, 1]),
    "ternary weights": ([0, 1, -1], [0, 1, 2, 3]),
    "int2": ([0, 1, -2, -1], [0, 1, 2, 3]),
    "int3": ([0, 1, 2, 3, -4, -3, -2, -1], list(range(8))),
    "dorefa (1, 2)": ([-1, 1], [0, 1, 2, 3]),
    "learned levels": ([-97, -31, 22, 103], [0, 1, 2, 4]),
    "signed activations": ([-3, 0, 2], [-5, -1, 4, 7, 9]),
}
"""Weights and activations by code: phi is their product."""


def other(levels, shape, datapath, seed=3):
    """Configuration and parameters of a layer with such a table."""
    weights, acts = map(np.array, LEVELS[levels])
    drawn = EngineConfig(
        **shape, m=len(weights) - 1, n=len(acts) - 1, phi_bits=10, datapath=datapath, loadable=False
    )
    drawn = replace(drawn, mask_code=bool(acts[0]))
    phi = np.outer(weights, acts)
    parameters = replace(LayerParameters.seeded(drawn, seed), phi=phi)
    lowest, highest = parameters.acc_range()
    return replace(drawn, acc_min=lowest, acc_max=highest), parameters


def runs(config, parameters, **stalls):
    beats, expected = frames(config, parameters, 2, seed=5)
    bench = Bench(dut := Engine(config, parameters), **stalls)
    bench.run(beats, expected)
    assert bench.got == expected
    return dut, bench


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 5), (8, 7)])
@pytest.mark.parametrize(
    ("datapath", "shape"), [("lookup", PLAIN), ("gated", PLAIN), ("inside", FEW)]
)
def test_engines_give_the_direct_sum(datapath, shape, size):
    config, parameters = baked(**shape, m=size[0], n=size[1], datapath=datapath)
    dut, bench = runs(config, parameters)
    assert bench.out_cycles[0] - bench.in_cycles[0] == dut.schedule.latency


@pytest.mark.parametrize("datapath", ["lookup", "gated", "inside"])
def test_stalls_change_nothing(datapath):
    config, parameters = baked(**FEW, m=3, n=2, datapath=datapath)
    runs(config, parameters, stall_in=0.3, stall_out=0.4)


@pytest.mark.parametrize("levels", LEVELS)
def test_tables_of_other_schemes_run_on_lookups(levels):
    config, parameters = other(levels, PLAIN, "lookup")
    dut, _ = runs(config, parameters)
    image = np.full((config.in_channels, config.height, config.width), config.act_range[1])
    assert dut.model(image).shape == (3, 3, 4)


@pytest.mark.parametrize("levels", ["xnor", "int2", "learned levels", "signed activations"])
def test_tables_of_other_schemes_run_inside(levels):
    runs(*other(levels, FEW, "inside"))


@pytest.mark.parametrize("levels", ["ternary weights", "int2", "int3"])
def test_tables_with_a_zero_weight_can_be_gated(levels):
    runs(*other(levels, PLAIN, "gated"))


@pytest.mark.parametrize("datapath", ["popcount", "gated"])
def test_a_table_without_zero_weight_is_refused(datapath):
    config, parameters = other("dorefa (1, 2)", PLAIN, datapath)
    with pytest.raises(ValueError, match=rf"row .*0 of phi must be 0 for the {datapath} .*-1$"):
        Engine(config, parameters)


def test_a_table_without_zero_activation_needs_a_code_for_masked_elements():
    config, parameters = other("xnor", PLAIN, "lookup")
    with pytest.raises(ValueError, match=r"mask_code must be set where column 0 .* but 1$"):
        Engine(replace(config, mask_code=False), parameters)


def test_a_layer_of_many_folds_is_refused_inside():
    config, parameters = baked(**PLAIN, m=1, n=1, datapath="inside")
    with pytest.raises(ValueError, match=rf"at most {MOST_FOLDS} for the inside .* not 36: raise"):
        Engine(config, parameters)


@pytest.mark.parametrize("datapath", ["lookup", "gated", "inside"])
def test_a_baked_table_cannot_be_loaded(datapath):
    config = EngineConfig(**PLAIN, m=1, n=1, datapath=datapath)
    with pytest.raises(ValueError, match=rf"in a loadable engine, not '{datapath}'"):
        Engine(config)
