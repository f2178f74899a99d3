# amaranth: UnusedElaboratable=no
"""Lanes as the report shows them: every kind on every target, counted alike."""

import pytest
from hdl_bench import outputs_of

from hw.flow import synthesise
from hw.lane_designs import KINDS, XnorPopcount, lane_design, lane_of
from pa_hdl.cells.popcounts import LANES


@pytest.mark.parametrize("bits", [1, 3, 10])
def test_xnor_matches_model(bits):
    dut = XnorPopcount(bits=bits)
    pairs = [(a % (1 << bits), w * 37 % (1 << bits)) for a in range(16) for w in range(16)]
    got = outputs_of(dut, [{"act": a, "weight": w} for a, w in pairs], "o", dut.latency)
    assert got == [dut.model(*pair) for pair in pairs]
    assert got == [sum((a ^ ~w) >> bit & 1 for bit in range(bits)) for a, w in pairs]


@pytest.mark.parametrize("target", ["ecp5", "ice40"])
def test_every_kind_is_one_unit(target, tmp_path):
    luts = {
        kind: synthesise(lane_design(target, 16, kind), target, tmp_path)["lane"].uses.lut
        for kind in KINDS
    }
    assert luts["compressor"] <= luts["popcount"]
    assert abs(luts["xnor"] - luts["popcount"]) <= 3, "a pair of signs costs what an AND costs"


def test_unknown_lanes_are_refused():
    with pytest.raises(ValueError, match="kind must be one of popcount, compressor, xnor, not 'x'"):
        lane_of("xc7", 4, "x")
    with pytest.raises(ValueError, match=r"target must be one of generic, .*, not 'y'"):
        lane_of("y", 4, "xnor")
    assert all(lane_of(target, 4, "compressor").bits == 4 for target in LANES)
