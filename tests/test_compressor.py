# amaranth: UnusedElaboratable=no
"""The paper's dot product of device lanes: simulated in plain gates, proven in device cells."""

import pytest
from lane_bench import CELLS, verilog_of
from test_hdl_dot import SHAPES, configuration, random_sums, run

from hw.flow import run_yosys
from hw.proof_cases import ProofCase
from hw.proof_run import prove
from pa_hdl.bases import BaseDecoder
from pa_hdl.cells.bases_xc7 import Xc7BaseDecoder
from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.compressor import CompressorDot, CompressorPe, count_digits
from pa_hdl.parameters import LayerParameters


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
@pytest.mark.parametrize("shape", SHAPES[:3])
def test_baked_matches_the_direct_sum(shape, base):
    config = configuration(**shape, base=base, loadable=False)
    parameters = LayerParameters.seeded(config, seed=3)
    folds, expected = random_sums(config, parameters.phi, seed=4)
    assert run(CompressorDot(config=config, parameters=parameters), config, folds) == expected


@pytest.mark.parametrize("target", ["xc7", "ecp5"])
def test_device_cells_are_proven(target, tmp_path):
    case = ProofCase(datapath="compressor", target=target, m=2, n=2, simd=2, pe=1)
    verdict = prove(case, cache=tmp_path, timeout=60)
    assert (verdict.equal, verdict.problem) == (True, "")


def engine(target, **options):
    shape = dict(in_channels=64, out_channels=2, height=3, width=3, m=4, n=5, simd=32, pe=2)
    return EngineConfig(**(shape | options), datapath="compressor", target=target)


@pytest.mark.parametrize(
    ("target", "base"), [("generic", "onehot"), ("xc7", "thermometer"), ("ecp5", "onehot")]
)
def test_loadable_engines_take_the_lanes_of_the_target(target, base):
    config = engine(target, base=base)
    dot = CompressorDot(config=config)
    text = verilog_of(dot, "dot")
    placed = {"xc7": "LUT6_2", "ecp5": "CCU2C"}.get(target)
    assert placed is None or placed in text
    assert text.count("module dot_and_popcount_32(") == 1
    assert CompressorDot.latency(config) == CompressorPe.latency(config)


def test_counts_are_cut_into_digits():
    digits = count_digits(engine("xc7"))
    assert digits[0] == [(0, bit) for bit in range(5)]
    assert digits[20] == [(lane, 5) for lane in range(5)], "what is left shares tables"
    assert sorted(bit for digit in digits for bit in digit) == [
        (lane, bit) for lane in range(20) for bit in range(6)
    ]
    assert count_digits(engine("xc7", simd=3))[0] == [(0, 0), (0, 1)]


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
def test_decoders_of_the_device_are_proven(base, tmp_path):
    texts = {}
    for kind, name in ((BaseDecoder, "gold"), (Xc7BaseDecoder, "gate")):
        texts[name] = verilog_of(kind(lanes=2, count=5, base=base), name)
    assert texts["gate"].count("LUT6_2 #(") == 3, "two bases share a LUT"
    (tmp_path / "decoders.v").write_text("".join(texts.values()))
    steps = [f"read_verilog {CELLS / 'xc7.v'}", "read_verilog decoders.v", "hierarchy", "proc"]
    steps += ["setattr -unset init w:*", "flatten", "miter -equiv -flatten gold gate miter"]
    steps += ["techmap", "async2sync", "dffunmap"]
    steps += ["sat -seq 2 -prove-skip 1 -prove trigger 0 -verify miter"]
    run_yosys(steps, tmp_path, tmp_path / "log")


def test_codes_of_more_than_five_bits_are_left_to_synthesis():
    assert "LUT6_2" not in verilog_of(Xc7BaseDecoder(lanes=1, count=32), "bases")
    assert "LUT6_2" in verilog_of(Xc7BaseDecoder(lanes=1, count=31), "bases")
