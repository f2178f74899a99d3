"""The command line, with synthesis replaced by figures that are made up."""

import json
import re

import pytest

from hw import datapath, datapath_cases, synth
from hw.designs import Built, Case
from hw.flow import FlowError, UnitFigures
from hw.report import COLUMNS
from hw.targets import TARGETS, Uses

FIGURES = UnitFigures(
    uses=Uses(lut=100, ff=50, carry=7, bram=2),
    cells={},
    depth=4,
    carry_depth=3,
    lut_path="a -> b (4: LUT6)",
    carry_path="c -> d (3: CARRY4)",
)


@pytest.fixture
def quick(monkeypatch):
    """Nothing is generated, nothing synthesised."""

    def run(targets, jobs, cache):
        built = {
            case: Built(design=None, cycles={"engine": (70, 36864), "dot": (11, 36864)})
            for case in synth.cases()
        }
        return built, {
            (case, target): {"engine": FIGURES, "dot": FIGURES}
            for case in synth.cases()
            for target in targets
        }

    def run_datapaths(targets, jobs, cache):
        built = datapath_cases.Built(design=None, latency=7, acc_bits=16, predicted=90)
        return [
            datapath.Finding(case=case, built=built, figures=FIGURES)
            for case in datapath.datapath_cases(targets)
        ]

    monkeypatch.setattr(synth, "_run", run)
    monkeypatch.setattr(synth, "_run_datapaths", run_datapaths)


def test_writes_every_row(quick, tmp_path, capsys):
    assert synth.main(["--reports", str(tmp_path / "reports")]) == 0
    rows = json.loads((tmp_path / "reports/synth.json").read_text())["rows"]
    assert all(tuple(row) == COLUMNS for row in rows)
    for target in TARGETS:
        here = [row for row in rows if row["target"] == target]
        for unit in ("engine", "dot"):
            shapes = [(r["m"], r["n"], r["loadable"]) for r in here if r["unit"] == unit]
            assert shapes == [
                (1, 1, False),
                (3, 3, False),
                (4, 5, False),
                (8, 7, False),
                (4, 5, True),
            ]
    assert rows[0]["lut"] == 100
    assert (rows[0]["latency_cycles"], rows[1]["latency_cycles"]) == (70, 11)
    assert "xc7 m4n5 dot, LUTs: a -> b" in (tmp_path / "reports/synth.md").read_text()
    assert (tmp_path / "reports/synth.svg").read_text().startswith("<?xml")
    rows = json.loads((tmp_path / "reports/datapath.json").read_text())["rows"]
    assert {row["target"] for row in rows} == set(TARGETS)
    assert (tmp_path / "reports/datapath.md").read_text().startswith("# Datapaths and their rivals")
    out = capsys.readouterr().out
    assert "xc7" in out
    assert "7-series LUT6 a PA-MAC" in out


def test_targets_can_be_chosen(quick, tmp_path):
    assert synth.main(["--reports", str(tmp_path), "--target", "ice40", "--target", "xc7"]) == 0
    for name in ("synth.json", "datapath.json"):
        rows = json.loads((tmp_path / name).read_text())["rows"]
        assert list(dict.fromkeys(row["target"] for row in rows)) == ["xc7", "ice40"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--target", "stratix"], r"invalid choice: 'stratix' \(choose from .*ice40"),
        (["--jobs", "0"], "must be an integer of at least 1, not '0'"),
        (["--jobs", "many"], "must be an integer of at least 1, not 'many'"),
        (["--frob"], "unrecognized arguments: --frob"),
    ],
)
def test_bad_arguments_are_one_line(quick, argv, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_info:
        synth.main(argv)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error)
    assert list(tmp_path.iterdir()) == []


def test_failed_synthesis_is_one_line_and_writes_nothing(monkeypatch, tmp_path, capsys):
    def fail(*_):
        raise FlowError("Can't open it (log: x.log)")

    monkeypatch.setattr(synth, "_run", fail)
    assert synth.main(["--reports", str(tmp_path / "reports")]) == 1
    assert capsys.readouterr().err == "python -m hw.synth: Can't open it (log: x.log)\n"
    assert not (tmp_path / "reports").exists()


def test_a_damaged_report_is_one_line(quick, tmp_path, capsys):
    (tmp_path / "datapath.json").write_text("{")
    assert synth.main(["--reports", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is no datapath report" in error


def test_unwritable_reports_are_one_line(quick, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert synth.main(["--reports", str(tmp_path / "file/reports")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_one_row_a_unit():
    case = Case(m=3, n=3)
    rows = synth.rows_of(case, {"engine": (5, 9), "dot": (2, 9)}, "ecp5", {"dot": FIGURES})
    assert len(rows) == 1
    assert (rows[0]["unit"], rows[0]["m"], rows[0]["latency_cycles"]) == ("dot", 3, 2)
    assert (rows[0]["flags"], rows[0]["dsp"]) == (TARGETS["ecp5"].flags, 0)
