# amaranth: UnusedElaboratable=no
"""LUTs of one processing element at the shapes that the documentation quotes, exactly."""

from dataclasses import replace

import pytest

from hw.dot_designs import dot_design
from hw.flow import synthesise
from hw.lane_designs import lane_design
from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters

LAYER = dict(in_channels=64, out_channels=64, height=16, width=16, loadable=False)
"""3x3: accumulators of 576 taps."""

HEADLINES = {
    ("gated", "xc7", 4, 5, 32): 245,
    ("gated", "xc7", 4, 7, 32): 245,
    ("gated", "ecp5", 4, 5, 16): 384,
    ("gated", "ecp5", 4, 3, 16): 272,
}


@pytest.mark.parametrize("headline", HEADLINES, ids=lambda each: "-".join(map(str, each)))
def test_one_output_channel_takes_so_many_luts(headline, tmp_path):
    datapath, target, m, n, simd = headline
    config = EngineConfig(**LAYER, m=m, n=n, simd=simd, pe=1, datapath=datapath, target=target)
    parameters = LayerParameters.seeded(config, 1)
    lowest, highest = parameters.acc_range()
    config = replace(config, acc_min=lowest, acc_max=highest)
    found = synthesise(dot_design(config, parameters), target, tmp_path)["dot"]
    assert found.uses.lut == HEADLINES[headline]


@pytest.mark.parametrize(("target", "luts"), [("xc7", 55), ("ecp5", 102)])
def test_a_lane_of_64_pairs_takes_so_many_luts(target, luts, tmp_path):
    found = synthesise(lane_design(target, 64, "compressor"), target, tmp_path)["lane"]
    assert found.uses.lut == luts
