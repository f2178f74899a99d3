# amaranth: UnusedElaboratable=no
"""Scaling to fixed point: every rounding, every stage of the multiplier, and cycles."""

from types import SimpleNamespace

import numpy as np
import pytest
from hdl_bench import outputs_of
from nodes_bench import check_node, check_reset, random_frame, stream_shape

from pa_hdl.nodes.rescale import Rescale, Scaler
from pa_hdl.popcount import range_shape


def rescale_node(mult, bias, shift, kind="rescale"):
    tensors = {"mult": np.array(mult), "bias": np.array(bias), "shift": np.array(shift)}
    return SimpleNamespace(name="scale", kind=kind, tensors=tensors)


@pytest.mark.parametrize("bounds", [(-8, 7), (0, 7), (-3, 0), (0, 0), (-1, 0), (0, 1), (-4, 31)])
@pytest.mark.parametrize("shift", [0, 1, 3])
def test_scaler_is_exact(bounds, shift):
    """Every x and mult, some offsets, in as many bits as the result needs."""
    x, mult, bias = range_shape(-5, 7), range_shape(*bounds), range_shape(-20, 9)
    cases = [
        {"enable": 1, "x": a, "mult": b, "bias": c}
        for a in range(-8, 8)
        for b in range(bounds[0], bounds[1] + 1)
        for c in (-20, 0, 9)
    ]
    results = [(case["x"] * case["mult"] + case["bias"]) >> shift for case in cases]
    out = range_shape(min(results), max(results))
    dut = Scaler(x=x, mult=mult, bias=bias, shift=shift, out_bits=out.width)
    mask = (1 << out.width) - 1
    wanted = [result & mask for result in results]
    assert [dut.model(case["x"], case["mult"], case["bias"]) for case in cases] == wanted
    assert outputs_of(dut, cases, "o", dut.latency) == wanted


@pytest.mark.parametrize("lanes", [1, 2, 3, 6])
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.8, 0.4)])
def test_matches_model(lanes, gap, stall):
    rng = np.random.default_rng(lanes)
    shape = stream_shape(6, 3, 2, lanes, bits=11)
    mult, bias = rng.integers(-(2**15), 2**15, 6), rng.integers(-(2**24), 2**24, 6)
    dut = Rescale.from_node(rescale_node(mult, bias, 9), shape=shape)
    frames = [random_frame(shape, rng) for _ in range(4)]
    frames[0][:] = shape.range[0]
    frames[1][:] = shape.range[1]
    check_node(dut, [frames], gap=gap, stall=stall, seed=lanes)


@pytest.mark.parametrize("shift", [0, 31])
@pytest.mark.parametrize("mult", [[0, 0], [1, 3], [-1, -2], [32767, -32767], [5, -1]])
def test_extreme_factors(mult, shift):
    rng = np.random.default_rng(shift)
    shape = stream_shape(2, 3, 3, 1, bits=20)
    dut = Rescale.from_node(rescale_node(mult, [2**31, -(2**40)], shift), shape=shape)
    check_node(dut, [[random_frame(shape, rng) for _ in range(2)]])


def test_output_is_as_narrow_as_the_operands_allow():
    shape = stream_shape(2, 3, 3, 2, bits=20)
    node = rescale_node([4, -4], [0, 8], 2)
    ranges = np.array([[0, 9], [-13, 2]])
    dut = Rescale.from_node(node, shape=shape, operand_range=ranges)
    assert (dut.shapes_out[0].bits, dut.shapes_out[0].signed) == (4, False)
    frame = np.stack([np.arange(9), np.arange(-13, -4)]).reshape(2, 3, 3)
    check_node(dut, [[frame]])
    wide = Rescale.from_node(node, shape=shape)
    assert (wide.shapes_out[0].bits, wide.shapes_out[0].signed) == (21, True)
    check_node(wide, [[frame]])


@pytest.mark.parametrize("lanes", [1, 4])
def test_reset_starts_afresh(lanes):
    rng = np.random.default_rng(1)
    shape = stream_shape(4, 3, 2, lanes)
    dut = Rescale.from_node(rescale_node([3, -5, 7, 9], [1, 2, 3, 4], 2), shape=shape)
    check_reset(dut, [[random_frame(shape, rng) for _ in range(2)]])


def rescale(**options):
    fields = {"mult": [1, 2], "bias": [3, 4], "shift": 0, "result_range": (0, 9)}
    return Rescale(shape=stream_shape(2, 3, 3, 1), **fields | options)


@pytest.mark.parametrize("name", ["mult", "bias"])
def test_factors_for_every_channel(name):
    with pytest.raises(ValueError, match=f"{name} must have a value for each of 2 channels, not 3"):
        rescale(**{name: [1, 2, 3]})


def test_shift_is_a_natural_number():
    with pytest.raises(ValueError, match="shift must be at least 0, not -1"):
        rescale(shift=-1)
    with pytest.raises(TypeError, match=r"shift must be an integer, not 1\.0"):
        rescale(shift=1.0)


def test_range_ascends():
    with pytest.raises(ValueError, match=r"result_range must ascend, not \(3, 2\)"):
        rescale(result_range=(3, 2))


def test_node_is_a_rescale():
    with pytest.raises(ValueError, match="node 'scale' must be a rescale, not 'add'"):
        Rescale.from_node(rescale_node([1], [1], 0, kind="add"), shape=stream_shape(1, 1, 1, 1))
