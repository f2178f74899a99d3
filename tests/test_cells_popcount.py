# amaranth: UnusedElaboratable=no
"""Columns of bits, and plans of counters that bring them down to one bit each."""

import pytest
from amaranth.hdl import Module, Signal
from hdl_bench import outputs_of

from pa_hdl.cells.popcount import Columns, Costs, heights, lowest, plan
from pa_hdl.cells.popcounts import LANES

COSTS = Costs(most=7, least=5, large=2, small=1, position=4, passes=3, position_luts=1)


def test_columns_pass_bits_on_in_order():
    a, b, c = Signal(name="a"), Signal(name="b"), Signal(name="c")
    columns = Columns(2)
    for column, bit in ((0, a), (0, b), (1, c), (2, c)):
        columns.add(column, bit)
    assert columns.heights == (2, 1), "what lies beyond the sum is 0"
    (oldest,) = columns.take(0, 1)
    assert oldest is a
    assert len(columns.value()) == 2
    assert columns.registered(Module(), "next", columns).heights == (2, 2)


def test_heights_and_lowest():
    assert heights([(0, 3), (1, 1), (0, -2), (5, 9)], 3) == (1, 1, 0)
    assert (lowest((1, 0, 2)), lowest((1, 1))) == (2, 2)


@pytest.mark.parametrize(
    ("found", "luts", "cycles"),
    [
        ((1, 1), 0, 0),
        ((2, 0), 1, 1),
        ((4, 3, 0, 0), 3, 1),
        ((7, 0, 0), 2, 1),
        ((15, 0, 0, 0), 7, 4),
    ],
)
def test_plans_of_few_bits(found, luts, cycles):
    made = plan(found, COSTS)
    assert made[:2] == (luts, cycles)
    assert made.cycles - len(made.stages) in (0, 1)


@pytest.mark.parametrize("target", LANES)
def test_lanes_keep_the_signature_and_say_their_latency(target):
    lane = LANES[target](bits=6)
    assert lane.latency == type(lane).latency_of(6)
    assert lane.module_name == "and_popcount_6"
    assert lane.module_key == LANES[target](bits=6).module_key
    assert lane.model(0b110101, 0b100111) == 3
    with pytest.raises(ValueError, match="Bit count must be at least 1, not 0"):
        LANES[target](bits=0)


def test_portable_lanes_simulate():
    for target in ("generic", "ice40"):
        lane = LANES[target](bits=2)
        inputs = [{"act": a, "weight": w} for a in range(4) for w in range(4)]
        assert outputs_of(lane, inputs, "o", lane.latency) == [
            (a & w).bit_count() for a in range(4) for w in range(4)
        ]
