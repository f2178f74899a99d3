"""The command line of place and route, with a stand-in for nextpnr."""

import json
from types import SimpleNamespace

import pytest
from pnr_bench import DESIGN, fake_tool

from hw import pnr
from hw.pnr_cases import PnrCase


@pytest.fixture
def small(monkeypatch):
    """Every case is a counter; ``m`` 9 is an engine that cannot be."""

    def of(unit, *, m, **shape):
        if m == 9:
            raise ValueError("m must be at most 8, not 9")
        config = SimpleNamespace(**{"m": m, "loadable": False, **shape})
        return SimpleNamespace(
            name=f"engine-small-m{m}", unit=unit, config=config, fold=None, latency=7,
            design=lambda: DESIGN,
        )  # fmt: skip

    monkeypatch.setattr(PnrCase, "of", of)


def run(tmp_path, *options, modes=None):
    return pnr.main(
        [
            *options, "--nextpnr", fake_tool(tmp_path, modes), "--seeds", "3", "--timeout", "2",
            "--reports", str(tmp_path / "reports"), "--cache", str(tmp_path / "cache"),
        ]
    )  # fmt: skip


def rows(tmp_path):
    return json.loads((tmp_path / "reports" / "datapath.json").read_text())["rows"]


def test_reports_rates_of_every_seed(small, tmp_path, capsys):
    assert run(tmp_path) == 0
    (row,) = rows(tmp_path)
    assert (row["name"], row["fmax_mhz"]) == ("engine-small-m4", [251.23] * 3)
    assert row["ff"] == 8
    text = (tmp_path / "reports" / "pnr.md").read_text()
    assert "251.2 (seed 1), 251.2 (seed 2), 251.2 (seed 3)" in text
    assert "Critical path of seed 2: 1.60 ns (0.50 in cells, 1.10 on wires)" in text
    assert "251.2 to 251.2" in capsys.readouterr().out


def test_fills_the_row_that_is_there_and_leaves_others(small, tmp_path):
    run(tmp_path)
    path = tmp_path / "reports" / "datapath.json"
    parts = json.loads(path.read_text())
    (row,) = parts["rows"]
    others = [{**row, "name": "other", "fmax_mhz": None}, {**row, "lut": 1, "fmax_mhz": None}]
    path.write_text(json.dumps({**parts, "rows": others}))
    run(tmp_path)
    assert rows(tmp_path) == [others[0], {**others[1], "fmax_mhz": [251.23] * 3}]


def test_runs_that_fail_are_told_and_the_others_go_on(small, tmp_path, capsys):
    assert run(tmp_path, modes={2: "full", 3: "slow"}) == 1
    assert rows(tmp_path)[0]["fmax_mhz"] == [251.23]
    lines = [line for line in capsys.readouterr().err.splitlines() if "python -m" in line]
    full = "does not fit: LFE5U-85F has 83640 TRELLIS_COMB, not 90000"
    slow = "did not finish within 2 s (--timeout allows more)"
    start = "python -m hw.pnr: engine-small-m4 seed"
    assert sorted(lines) == [f"{start} 2: {full}", f"{start} 3: {slow}"]
    assert "did not finish" in (tmp_path / "reports" / "pnr.md").read_text()


def test_an_engine_that_cannot_be_is_told(small, tmp_path, capsys):
    assert run(tmp_path, "--m", "9") == 1
    assert "engine with datapath lookup: m must be at most 8, not 9" in capsys.readouterr().err
    assert rows(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--datapath", "magic"], "invalid choice: 'magic'"),
        (["--device", "90k"], "invalid choice: '90k'"),
        (["--unit", "lane"], "invalid choice: 'lane'"),
        (["--seeds", "0"], "argument --seeds: must be an integer of at least 1, not '0'"),
        (["--jobs", "two"], "argument --jobs: must be an integer of at least 1, not 'two'"),
        (["--timeout", "nan"], "argument --timeout: must be a number of at least 1, not 'nan'"),
        (["--freq", "inf"], "argument --freq: must be a number of at least 1, not 'inf'"),
        (["--nextpnr", "nosuch"], "--nextpnr must name a program that can be run, not 'nosuch'"),
    ],
)
def test_bad_options_are_one_line(options, message, capsys):
    with pytest.raises(SystemExit) as caught:
        pnr.main(options)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_report_that_is_none_stays_untouched(small, tmp_path, capsys):
    path = tmp_path / "reports" / "datapath.json"
    path.parent.mkdir()
    path.write_text("{")
    assert run(tmp_path) == 1
    assert "is no datapath report" in capsys.readouterr().err
    assert path.read_text() == "{"
