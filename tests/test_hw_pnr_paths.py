"""Paths of a report, by component."""

import pytest

from hw.pnr_paths import PINS, Names, Step, critical_steps, slowest_by_component

NAMES = Names(["engine", "engine.dot", "engine.dot.pe_0", "engine.dot.pe_1"], "dut")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("dut.engine.dot.pe_0.acc_TRELLIS_FF_Q_7", ("engine.dot.pe_0", "acc")),
        ("dut.engine.dot.valid_3_LUT4_A_Z_LUT4_Z", ("engine.dot", "valid_3")),
        ("dut.engine.words.0.1", ("engine", "words.0.1")),
        ("dut.tready_LUT4_Z", ("", "tready")),
        ("dut.engine.dot.sum_CCU2C_S0$CCU2_COMB1", ("engine.dot", "sum")),
        ("sent_TRELLIS_FF_Q", (PINS, "sent")),
    ],
)
def test_a_cell_lies_in_the_deepest_component_that_its_name_starts_with(cell, expected):
    assert NAMES.split(cell) == expected


def stretch(kind, delay, cell):
    place = {"cell": cell, "loc": [1, 1], "port": "Q"}
    return {"type": kind, "delay": delay, "from": place, "to": place}


REPORT = {
    "critical_paths": [
        {"from": "<async>", "to": "posedge clk", "path": [stretch("source", 0, "i")]},
        {
            "from": "posedge clk",
            "to": "posedge clk",
            "path": [
                stretch("clk-to-q", 0.5, "dut.engine.dot.first_TRELLIS_FF_Q"),
                stretch("routing", 1.25, "dut.engine.dot.pe_1.acc_LUT4_Z"),
                stretch("setup", 0.0, "dut.engine.dot.pe_1.acc_TRELLIS_FF_Q"),
            ],
        },
    ],
    "detailed_net_timings": [
        {
            "endpoints": [
                {"cell": "dut.engine.dot.pe_0.acc_LUT4_Z", "delay": [1, 2.5], "event": "posedge c"},
                {"cell": "dut.engine.dot.pe_1.acc_LUT4_Z", "delay": [1, 3.5], "event": "posedge c"},
                {"cell": "dut.engine.dot.o_LUT4_Z", "delay": [1, 3.75], "event": "posedge c"},
                {"cell": "o$tr_io", "delay": [1, 9], "event": "<async>"},
            ]
        }
    ],
}


def test_the_critical_path_goes_from_clock_to_clock():
    assert critical_steps(REPORT, NAMES) == (
        Step(kind="clk-to-q", delay_ns=0.5, component="engine.dot", net="first"),
        Step(kind="routing", delay_ns=1.25, component="engine.dot.pe_1", net="acc"),
        Step(kind="setup", delay_ns=0.0, component="engine.dot.pe_1", net="acc"),
    )


def test_alike_components_are_one_kind():
    slowest = slowest_by_component(REPORT, NAMES)
    assert slowest == {"engine.dot": 3.75, "engine.dot.pe_*": 3.5}
    assert list(slowest) == ["engine.dot", "engine.dot.pe_*"]


def test_a_report_without_such_a_path_is_refused():
    with pytest.raises(ValueError, match="must hold a path from clock to clock"):
        critical_steps({"critical_paths": REPORT["critical_paths"][:1]}, NAMES)
