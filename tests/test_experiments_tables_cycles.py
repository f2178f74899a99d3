# amaranth: UnusedElaboratable=no
"""Cycles of engines beside the formulas of Table 8."""

import pytest

from experiments.tables_cycles import rows
from experiments.tables_latency import TAPS
from hw.designs import Case


@pytest.fixture(scope="module")
def found():
    return {(row.model, row.column): row for row in rows()}


def test_taps_are_those_of_the_engines():
    assert Case(m=4, n=5).config.taps == TAPS


def test_speedup_is_against_multipliers(found):
    multiply = found["Full precision, 8-bit multiply engine", "Latency [cycles], SIMD 64"].ours
    pa = found["PA-Net, popcount engine", "Latency [cycles], SIMD 64"].ours
    assert found["PA-Net, popcount engine", "Speedup in cycles, SIMD 64"].ours == multiply / pa


def test_engines_take_a_step_a_cycle(found):
    for model in (
        "Bi-Real Net, XNOR engine",
        "PA-Net, popcount engine",
        "PA-Net, gated lookup engine",
        "Full precision, 8-bit multiply engine",
    ):
        serial = found[model, "Latency [cycles], SIMD 1"]
        assert serial.agrees
        assert TAPS <= serial.ours < TAPS + 16
        assert 9 <= found[model, "Latency [cycles], SIMD 64"].ours < 9 + 20
