# amaranth: UnusedElaboratable=no
"""The lane of plain LUTs: exhaustive when narrow, random when wide, and cheaper than adders."""

import random

import pytest
from hdl_bench import outputs_of

from hw.flow import synthesise
from hw.lane_designs import lane_design
from pa_hdl.cells.popcount_luts import LutAndPopcount


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5])
def test_every_pair_of_narrow_operands(bits):
    pairs = [(a, w) for a in range(1 << bits) for w in range(1 << bits)]
    dut = LutAndPopcount(bits=bits)
    got = outputs_of(dut, [{"act": a, "weight": w} for a, w in pairs], "o", dut.latency)
    assert got == [dut.model(*pair) for pair in pairs]
    assert got == [bin(a & w).count("1") for a, w in pairs]


@pytest.mark.parametrize("bits", [12, 33, 64, 128])
def test_wide_operands(bits):
    rng, dut = random.Random(bits), LutAndPopcount(bits=bits)
    ones = (1 << bits) - 1
    pairs = [(ones, ones), (ones, 0)]
    for _ in range(40):
        pairs.append((rng.getrandbits(bits), rng.getrandbits(bits)))
        pairs.append((pairs[-1][0] | pairs[-1][1], ones))
    got = outputs_of(dut, [{"act": a, "weight": w} for a, w in pairs], "o", dut.latency)
    assert got == [dut.model(*pair) for pair in pairs]


def test_luts(tmp_path):
    luts = {
        kind: synthesise(lane_design("generic", 64, kind), "generic", tmp_path)["lane"].uses.lut
        for kind in ("compressor", "popcount")
    }
    assert luts["compressor"] <= 0.85 * luts["popcount"]
