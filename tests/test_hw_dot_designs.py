# amaranth: UnusedElaboratable=no
"""Dot products alone: what is kept apart, and what the flow counts of them."""

from dataclasses import replace

from hw.dot_designs import dot_design
from hw.flow import synthesise
from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters


def layer(**options):
    base = dict(in_channels=8, out_channels=4, height=3, width=3, simd=4, pe=2, m=2, n=3)
    config = EngineConfig(**base | options, loadable=False)
    parameters = LayerParameters.seeded(config, 1)
    lowest, highest = parameters.acc_range()
    return replace(config, acc_min=lowest, acc_max=highest), parameters


def test_the_top_is_the_dot_product():
    design = dot_design(*layer(), name="alone")
    assert design.top == design.module_of("dot") == "alone"
    assert design.kept == ["alone_and_popcount_4", "alone_pe"]
    assert "engine" not in design.verilog


def test_a_loadable_one_keeps_its_store():
    config = EngineConfig(in_channels=8, out_channels=4, height=3, width=3, simd=4, pe=2, m=2, n=3)
    assert "dot_phi_store" in dot_design(config).modules


def test_equal_elements_are_counted_as_often_as_they_stand(tmp_path):
    design = dot_design(*layer(), name="alone")
    design = replace(design, units={**design.units, "pe": "alone_pe"})
    found = synthesise(design, "xc7", tmp_path)
    shared = found["dot"].uses.lut - 2 * found["pe"].uses.lut
    # A LUT for each of three bases of four lanes, and a shift register for each of three controls.
    assert shared == 4 * 3 + 3
