import pytest

from sim import simulators
from sim.build import BuildError, Design, build
from sim.runner import Bench, run
from sim.simulators import SIMULATORS, chosen, simulator
from sim.unit import get, put

SIMULATOR = next(
    SIMULATORS[name] for name in ("icarus", "verilator") if SIMULATORS[name].available()
)

REGISTER = """
module register(input clk, input [3:0] d, output reg [3:0] q);
  {more}
  always @(posedge clk) q <= d;
endmodule
"""


def bench(name, *, more="", expected=(1, 2, 3), tests=("matches",), memories=None):
    scalars = {
        "constants": {},
        "puts": [put({"d": [1, 2, 3]})],
        "gets": [get({"q": list(expected)}, delay=1)],
        "cycles": 100,
    }
    return Bench(
        name=f"test.{name}",
        module="sim.unit_tb",
        tests=tests,
        design=Design(top="register", verilog=REGISTER.format(more=more), memories=memories or {}),
        simulator=SIMULATOR,
        seed=1,
        scalars=scalars,
    )


def test_pass():
    outcome = run(bench("pass"), record=False)
    assert outcome.ok, outcome.problems
    entry = outcome.entry
    assert (entry.tests, entry.passed, entry.failed, entry.skipped) == (1, 1, 0, 0)
    assert outcome.waves is None


def test_fail_says_what_was_wrong():
    outcome = run(bench("fail", expected=(1, 2, 4)), record=False)
    assert (outcome.entry.passed, outcome.entry.failed) == (0, 1)
    assert "q: item 2: 3, not 4" in outcome.problems[0]


def test_no_test_collected_is_a_failure():
    outcome = run(bench("none", tests=("absent",)), record=False)
    assert (outcome.entry.passed, outcome.entry.failed) == (0, 1)
    assert not outcome.ok


def test_one_test_missing_is_a_failure():
    outcome = run(bench("some", tests=("matches", "absent")), record=False)
    assert (outcome.entry.passed, outcome.entry.failed) == (1, 1)
    assert outcome.problems == ("absent: not collected",)


MEMORY = 'reg [3:0] m [0:1]; initial $readmemh("words.mem", m);'


def test_memory_files_lie_where_the_simulation_runs():
    assert run(bench("memory", more=MEMORY, memories={"words.mem": "1\n2\n"}), record=False).ok


def test_a_missing_memory_file_is_a_failure():
    outcome = run(bench("missing", more=MEMORY), record=False)
    assert outcome.entry.passed == 0
    assert "words.mem" in " ".join(outcome.problems)


def test_waves():
    outcome = run(bench("waves"), waves=True, record=False)
    assert outcome.ok
    assert outcome.waves.stat().st_size > 100


def test_content_is_built_once():
    design = bench("cache").design
    folder = build(design, SIMULATOR)
    stamp = (folder / "complete").stat().st_mtime_ns
    assert build(design, SIMULATOR) == folder
    assert (folder / "complete").stat().st_mtime_ns == stamp


def test_refused_verilog_names_its_log():
    with pytest.raises(BuildError, match=r"refused .*build\.log"):
        build(Design(top="register", verilog="module register(\n"), SIMULATOR)


def test_unknown_simulator(monkeypatch):
    monkeypatch.setenv("SIM", "modelsim")
    with pytest.raises(ValueError, match="SIM must be one of verilator, icarus, not 'modelsim'"):
        chosen()


def test_chosen_simulator(monkeypatch):
    monkeypatch.setenv("SIM", SIMULATOR.name)
    assert chosen() == [simulator(SIMULATOR.name)]


def test_missing_icarus_is_skipped_with_one_line(monkeypatch, capsys):
    monkeypatch.delenv("SIM", raising=False)
    monkeypatch.setattr(simulators.shutil, "which", lambda name: None)
    assert [each.name for each in chosen()] == ["verilator"]
    assert capsys.readouterr().err.count("\n") == 1


def test_missing_icarus_that_was_asked_for(monkeypatch):
    monkeypatch.setenv("SIM", "icarus")
    monkeypatch.setattr(simulators.shutil, "which", lambda name: None)
    with pytest.raises(ValueError, match="iverilog is not on PATH"):
        chosen()
