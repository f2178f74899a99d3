"""Rows of the cost tables: ratios, and no difference without a reason."""

import doctest

import pytest

from experiments import tables_rows
from experiments.tables_rows import Row, markdown


def row(**changes):
    given = {"table": 7, "model": "PA", "column": "Flops", "paper": 200.0, "ours": 201.0}
    return Row(**{**given, **changes})


def test_agreement_needs_no_reason_and_shows_none():
    for ours in (196.0, 200.0, 204.0):
        assert row(ours=ours, reason="said to no one").as_json() == {
            "table": 7,
            "model": "PA",
            "column": "Flops",
            "paper": 200.0,
            "ours": ours,
            "ratio": ours / 200,
            "reason": None,
        }


def test_a_difference_keeps_its_reason():
    assert row(ours=205.0, reason="a slip").as_json()["reason"] == "a slip"
    assert row(paper=None, reason="ours alone").as_json()["ratio"] is None
    nothing = row(paper=0, ours=1, reason="left out").as_json()
    assert (nothing["paper"], nothing["ratio"], nothing["reason"]) == (0, None, "left out")
    assert row(paper=0, ours=0).agrees


@pytest.mark.parametrize("given", [{"ours": 205.0}, {"paper": None}, {"paper": 0}])
def test_a_difference_without_a_reason_is_refused(given):
    with pytest.raises(ValueError, match=r"table 7, 'PA', 'Flops' needs a reason: .* here, .* in"):
        row(**given)


@pytest.mark.parametrize("name", ["paper", "ours"])
def test_numbers_are_finite(name):
    with pytest.raises(ValueError, match=f"{name} of table 7, 'PA', 'Flops' must be finite, not"):
        row(**{name: float("nan")})


def test_markdown_numbers_each_reason_once():
    off = {"ours": 300.0, "reason": "a slip"}
    text = markdown("Title", [row(), row(**off), row(column="Speedup", **off)], ["A note."])
    lines = text.splitlines()
    assert lines[:3] == ["## Title", "", "A note."]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    assert cells[2:] == [
        ["PA", "Flops", "200", "201", "1.005", ""],
        ["PA", "Flops", "200", "300", "1.500", "1"],
        ["PA", "Speedup", "200", "300", "1.500", "1"],
    ]
    assert lines[-1] == "1. a slip"


def test_examples():
    assert doctest.testmod(tables_rows) == (0, 1)
