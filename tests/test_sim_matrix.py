import pytest

from sim.cases import matrix
from sim.matrix import main, sample, spread
from sim.simulators import SIMULATORS


def test_a_fraction_is_seeded_and_in_order():
    cases = matrix()
    quarter = sample(cases, 0.25, 1)
    assert len(quarter) == round(len(cases) / 4)
    assert quarter == sample(cases, 0.25, 1) != sample(cases, 0.25, 2)
    assert [case.name for case in quarter] == sorted(case.name for case in quarter)
    assert sample(cases, 1.0, 1) == cases
    assert len(sample(cases, 1e-6, 1)) == 1


def test_one_simulator_runs_everything():
    jobs = spread(matrix(), [SIMULATORS["verilator"]], 1)
    assert {job.simulator for job in jobs} == {"verilator"}
    assert "SIM=verilator python -m sim.matrix --seed 1 --only 00-" in jobs[0].replay


def test_list_prints_every_configuration(capsys):
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") == len(matrix())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fraction", "0"], "must be above 0 and at most 1, not '0'"),
        (["--fraction", "2"], "must be above 0 and at most 1, not '2'"),
        (["--seed", "x"], "'x'"),
        (["--what"], "--what"),
    ],
)
def test_bad_input_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_bad_simulator_is_one_line(monkeypatch, capsys):
    monkeypatch.setenv("SIM", "modelsim")
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
