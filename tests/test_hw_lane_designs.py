# amaranth: UnusedElaboratable=no
"""Lanes as the report shows them: every kind on every target, counted alike."""

import pytest

from hw.flow import synthesise
from hw.lane_designs import KINDS, lane_design, lane_of
from pa_hdl.cells.popcounts import LANES


@pytest.mark.parametrize("target", ["ecp5", "ice40"])
def test_every_kind_is_one_unit(target, tmp_path):
    luts = {
        kind: synthesise(lane_design(target, 16, kind), target, tmp_path)["lane"].uses.lut
        for kind in KINDS
    }
    assert luts["compressor"] <= luts["popcount"]
    for kind in ("popcount", "compressor"):
        signs = luts["xnor" if kind == "popcount" else "xnor-compressor"]
        assert abs(signs - luts[kind]) <= 3, "a pair of signs costs what an AND costs"


def test_unknown_lanes_are_refused():
    with pytest.raises(ValueError, match=r"kind must be one of .*-compressor, not 'x'"):
        lane_of("xc7", 4, "x")
    with pytest.raises(ValueError, match=r"target must be one of generic, .*, not 'y'"):
        lane_of("y", 4, "xnor")
    assert all(lane_of(target, 4, "compressor").bits == 4 for target in LANES)
