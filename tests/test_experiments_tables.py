"""The command that writes all tables."""

import json

import pytest

from experiments import tables
from experiments.tables_rows import Row


@pytest.fixture
def quick(monkeypatch):
    """A row for each table, without synthesis."""

    def made(number):
        return lambda *_: [
            Row(table=number, model="x", column="y", paper=2.0, ours=1.0, reason=f"why {number}")
        ]

    monkeypatch.setattr(tables.tables_cycles, "rows", list)
    for number, module in ((2, "tables_gates"), (7, "tables_memory"), (8, "tables_latency")):
        monkeypatch.setattr(getattr(tables, module), "rows", made(number))


def test_both_files_are_written(quick, tmp_path, capsys):
    assert tables.main(["--reports", str(tmp_path)]) == 0
    rows = json.loads((tmp_path / "tables.json").read_text())["rows"]
    assert [(row["table"], row["ratio"], row["reason"]) for row in rows] == [
        (2, 0.5, "why 2"),
        (7, 0.5, "why 7"),
        (8, 0.5, "why 8"),
    ]
    assert set(rows[0]) == {"table", "model", "column", "paper", "ours", "ratio", "reason"}
    text = (tmp_path / "tables.md").read_text()
    assert text in capsys.readouterr().out
    assert [line for line in text.splitlines() if line.startswith("## Table")] == [
        "## Table 2: gates, and lanes made of them",
        "## Table 7: memory and operations",
        "## Table 8: latency of a convolution",
    ]
    assert "1. why 8" in text


def test_failures_are_one_line(quick, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert tables.main(["--reports", str(blocked)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("python -m experiments.tables: ")
    with pytest.raises(SystemExit) as stop:
        tables.main(["--report", "x"])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
