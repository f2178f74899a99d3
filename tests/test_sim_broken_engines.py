"""Tests of the tests: an engine that is broken on purpose fails its bench, and leaves no entry."""

import re
from dataclasses import replace

import numpy as np
import pytest

from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters
from sim import vectors
from sim.build import Design
from sim.generated import engine
from sim.report import read
from sim.runner import Bench, run
from sim.simulators import SIMULATORS

CONFIG = EngineConfig(
    in_channels=3,
    out_channels=2,
    height=4,
    width=4,
    m=2,
    n=3,
    simd=2,
    pe=2,
    loadable=False,
)
# Every code counts, so that no change of one is without effect.
PHI = np.array([[0, 0, 0, 0], [0, 5, -40, 70], [0, -9, 33, -127]])
PARAMETERS = replace(LayerParameters.seeded(CONFIG, 5), phi=PHI)
FRAMES = 2
# Icarus is the quicker one to build for.
SIMULATOR = next(
    SIMULATORS[name] for name in ("icarus", "verilator") if SIMULATORS[name].available()
)


def outcome(name, design, *, stalls=False):
    bench = Bench(
        name=f"broken.{name}",
        module="sim.engine_tb",
        tests=("frames",),
        design=design,
        simulator=SIMULATOR,
        seed=3,
        stalls=stalls,
        config=CONFIG.as_json(),
        scalars=vectors.engine_scalars(CONFIG, frames=FRAMES),
        arrays=vectors.engine_arrays(CONFIG, PARAMETERS, frames=FRAMES, cut_beats=1, seed=3),
    )
    return run(bench, record=False)


def broken(pattern, replacement):
    """The engine with the one place of its Verilog changed that a pattern finds."""
    design = engine(CONFIG, PARAMETERS)
    text, count = re.subn(pattern, replacement, design.verilog, count=1)
    assert count == 1, f"the Verilog has no {pattern}"
    assert text != design.verilog
    return Design(top=design.top, verilog=text, memories=design.memories)


def wrong_accumulators(result):
    return (result.measured.get("mismatches") or 0) > 0


@pytest.mark.parametrize("stalls", [False, True])
def test_whole_engine_passes(stalls):
    result = outcome("nowhere", engine(CONFIG, PARAMETERS), stalls=stalls)
    assert result.ok, result.problems
    assert (result.entry.tests, result.entry.passed) == (1, 1)
    assert result.measured["compared"] == FRAMES * CONFIG.out_height * CONFIG.out_width * 2


def test_one_lane_stuck_fails():
    design = broken(r"( lane_1_2 \(\s+\.act\()[^)]*\)", r"\g<1>2'h0)")
    assert wrong_accumulators(outcome("lane", design))


def test_one_phi_off_by_one_fails():
    phi = PARAMETERS.phi.copy()
    phi[1, 2] += 1 if phi[1, 2] < 0 else -1
    design = engine(CONFIG, replace(PARAMETERS, phi=phi))
    assert design.verilog != engine(CONFIG, PARAMETERS).verilog
    assert wrong_accumulators(outcome("phi", design))


def test_one_comparator_greater_instead_of_greater_or_equal_fails():
    design = broken(r"(\$signed\(\{ [^}]+ \}\)) >= (\$signed\(\{ thresholds)", r"\1 > \2")
    assert wrong_accumulators(outcome("comparator", design))


def test_padding_that_is_not_masked_fails():
    design = broken(r"<= taps__padding;", "<= 1'h0;")
    # In a simulator with unknown values the taps outside read words that were never written.
    assert not outcome("padding", design).ok


def test_a_stall_of_the_output_ignored_fails():
    design = broken(r"\.o__ready\(m_axis_tready\)", ".o__ready(1'h1)")
    assert outcome("stall", design).ok, "without stalls there is nothing to ignore"
    assert not outcome("stall", design, stalls=True).ok


def test_a_pause_of_the_input_ignored_fails():
    design = broken(r"\.i__valid\(s_axis_tvalid\)", ".i__valid(1'h1)")
    assert not outcome("pause", design, stalls=True).ok


def test_one_cycle_late_fails():
    scalars = vectors.engine_scalars(CONFIG, frames=FRAMES)
    scalars["schedule"]["cycles"] += 1
    bench = Bench(
        name="broken.schedule",
        module="sim.engine_tb",
        tests=("frames",),
        design=engine(CONFIG, PARAMETERS),
        simulator=SIMULATOR,
        seed=3,
        config=CONFIG.as_json(),
        scalars=scalars,
        arrays=vectors.engine_arrays(CONFIG, PARAMETERS, frames=FRAMES, cut_beats=1, seed=3),
    )
    result = run(bench, record=False)
    assert any("cycles" in problem for problem in result.problems), result.problems


def test_broken_engines_are_not_recorded():
    assert not [entry for entry in read() if entry["bench"].startswith("broken.")]
