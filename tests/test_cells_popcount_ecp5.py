# amaranth: UnusedElaboratable=no
"""The ECP5 lane: proven equal to the portable one when narrow, simulated when wide."""

import pytest
from lane_bench import broken, errors_in_simulation, prove

from hw.dot_designs import component_design
from hw.flow import FlowError, synthesise
from pa_hdl.cells.popcount_ecp5 import Ecp5AndPopcount


@pytest.mark.parametrize(
    ("bits", "own_models"), [(1, True), (2, False), (5, True), (6, False), (9, True), (12, False)]
)
def test_narrow_lanes_are_proven(bits, own_models, tmp_path):
    prove(Ecp5AndPopcount(bits=bits), "ecp5", tmp_path, own_models=own_models)


@pytest.mark.parametrize("bits", [1, 3, 6, 12])
def test_lanes_of_signs_are_proven(bits, tmp_path):
    prove(Ecp5AndPopcount(bits=bits, exclusive=True), "ecp5", tmp_path)


def test_a_flipped_bit_is_found(tmp_path):
    with pytest.raises(FlowError, match="proof did fail"):
        prove(Ecp5AndPopcount(bits=6), "ecp5", tmp_path, edit=broken)


@pytest.mark.parametrize("bits", [31, 64, 128])
def test_wide_lanes_count_at_their_latency(bits, tmp_path):
    assert errors_in_simulation(Ecp5AndPopcount(bits=bits), "ecp5", tmp_path) == 0


def test_a_wide_lane_of_signs_counts(tmp_path):
    assert errors_in_simulation(Ecp5AndPopcount(bits=64, exclusive=True), "ecp5", tmp_path) == 0


def test_luts(tmp_path):
    design = component_design(Ecp5AndPopcount(bits=64), name="lane", unit="lane")
    uses = synthesise(design, "ecp5", tmp_path)["lane"].uses
    assert uses.lut == 102
    assert uses.lut <= 1.9 * 64
