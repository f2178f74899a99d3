"""Rows, targets and report of the datapaths, with synthesis replaced by figures made up."""

import json
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from hw import datapath_store
from hw.datapath import Finding, datapath_cases, measure, write
from hw.datapath_cases import Abc, Built, Multiply, Pa, Table, Xnor
from hw.datapath_goals import GOALS, goal_rows
from hw.datapath_report import errors
from hw.datapath_store import FIELDS
from hw.flow import UnitFigures
from hw.targets import TARGETS, Uses

FIGURES = UnitFigures(
    uses=Uses(lut=640, ff=50, carry=7),
    cells={},
    depth=4,
    carry_depth=3,
    lut_path="",
    carry_path="",
)
ALL = list(TARGETS)


def finding(case, lut=640, predicted=600):
    figures = replace(FIGURES, uses=replace(FIGURES.uses, lut=lut))
    built = Built(design=None, latency=9, acc_bits=16, predicted=predicted)
    return Finding(case=case, built=built, figures=figures)


def everything(targets=ALL):
    return [finding(case) for case in datapath_cases(targets)]


def test_every_row_has_a_name_of_its_own():
    rows = [each.row for each in everything()]
    assert all(set(row) == set(FIELDS["rows"]) for row in rows)
    counts = Counter((row["name"], row["target"]) for row in rows)
    assert counts.most_common(1)[0][1] == 1
    assert {row["target"] for row in rows} == set(TARGETS)


@pytest.mark.parametrize("target", ["xc7", "ecp5"])
def test_the_rivals_are_all_there(target):
    paths = {case.datapath for case in datapath_cases([target])}
    for kind in ("int2", "int3", "int4", "ternary2", "ternary3", "abc5x5", "w8a3"):
        assert f"{kind}-inside" in paths
        assert paths & {f"{kind}-gated", f"{kind}-lookup", f"{kind}-multiply"}
    assert {"xnor", "abc5x5-xnor"} <= paths


def test_the_shapes_of_the_targets_are_all_there():
    rows = [each.row for each in everything()]
    for m, n in ((4, 3), (4, 5), (4, 7), (6, 7), (8, 7)):
        for target, simd, pe in (("xc7", 32, 2), ("ecp5", 16, 8)):
            paths = {
                row["datapath"]
                for row in rows
                if (row["m"], row["n"], row["target"], row["simd"], row["pe"], row["fold"])
                == (m, n, target, simd, pe, None)
                and row["phi_bits"] == 8
            }
            assert {"popcount", "lookup", "gated"} <= paths
    folds = {row["fold"] for row in rows if row["datapath"] == "inside"}
    assert folds == {2, 4, 8}
    assert {8, 6, 16} <= {row["phi_bits"] for row in rows}


@pytest.mark.parametrize(
    ("case", "name", "datapath", "m", "target", "phi_bits"),
    [
        (
            Pa(m=4, n=5, path="gated", target="xc7", simd=32, pe=2),
            "dot-gated-m4n5p8-32x2", "gated", 4, "xc7", 8,
        ),
        (
            Pa(m=4, n=5, path="inside", fold=4, target="ecp5", simd=16, pe=8),
            "dot-inside-m4n5p8-16x8-fold4", "inside", 4, "ecp5", 8,
        ),
        (
            Table(kind="int3", path="lookup", target="xc7", simd=32, pe=2),
            "dot-int3-lookup-32x2", "int3-lookup", None, "xc7", 6,
        ),
        (
            Table(kind="ternary3", path="inside", fold=4, target="ecp5", simd=16, pe=8),
            "dot-ternary3-inside-16x8-fold4", "ternary3-inside", None, "ecp5", 4,
        ),
        (
            Abc(bases=(5, 5), target="xc7", simd=32, pe=2),
            "dot-abc5x5-xnor-32x2", "abc5x5-xnor", None, "xc7", None,
        ),
        (
            Multiply(bits=8, act_bits=3, target="xc7", simd=32, pe=2),
            "dot-w8a3-multiply-32x2", "w8a3-multiply", None, "xc7", None,
        ),
        (
            Multiply(bits=8, target="xc7-dsp", simd=32, pe=2),
            "dot-int8-multiply-dsp-32x2", "int8-multiply", None, "xc7", None,
        ),
        (Xnor(target="ecp5", simd=16, pe=8), "dot-xnor-16x8", "xnor", None, "ecp5", None),
    ],
)  # fmt: skip
def test_rows(case, name, datapath, m, target, phi_bits):
    row = finding(case).row
    assert (row["name"], row["datapath"], row["m"]) == (name, datapath, m)
    assert (row["target"], row["phi_bits"], row["latency_cycles"]) == (target, phi_bits, 9)
    assert row["lut_per_mac"] == 640 / (case.simd * case.pe)
    assert ("-nodsp" in row["flags"]) == (not case.target.endswith("-dsp"))
    assert row["fmax_mhz"] is None


def test_report_and_pictures_are_written(tmp_path):
    summary = write(tmp_path, everything(), ALL)
    parts = datapath_store.read(tmp_path / "datapath.json")
    assert len(parts["rows"]) == len(datapath_cases(ALL))
    assert {each["held_out"] for each in parts["model"]} == {True, False}
    text = (tmp_path / "datapath.md").read_text()
    for word in (
        "(4, 5)",
        "int4-multiply",
        "never fitted",
        "accumulator bits",
        TARGETS["xc7"].note,
    ):
        assert word in text
    for name in ("datapath.svg", "datapath-rivals.svg", "datapath-model.svg"):
        assert name in text
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")
    assert "7-series LUT6 a PA-MAC" in summary


def test_clock_rates_stay_while_nothing_else_changes(tmp_path):
    path = tmp_path / "datapath.json"
    some = everything(["ecp5"])
    write(tmp_path, some, ["ecp5"])
    routed = some[0].row["name"], some[1].row["name"]

    def fill(rows):
        return [
            row | {"fmax_mhz": [210.0, 212.5]} if row["name"] in routed else row for row in rows
        ]

    datapath_store.change(path, "rows", fill)
    some[1] = finding(some[1].case, lut=700)
    write(tmp_path, some, ["ecp5"])
    rates = {row["name"]: row["fmax_mhz"] for row in datapath_store.read(path)["rows"]}
    assert (rates[routed[0]], rates[routed[1]]) == ([210.0, 212.5], None)


def test_other_rows_stay(tmp_path):
    path = tmp_path / "datapath.json"
    mine = everything(["ecp5"])
    write(tmp_path, mine, ["ecp5"])
    placed = mine[0].row | {"name": "engine-routed", "unit": "engine", "fmax_mhz": [250.0]}
    datapath_store.change(path, "rows", lambda rows: [*rows, placed])
    write(tmp_path, everything(["xc7"]), ["xc7"])
    write(tmp_path, mine, ["ecp5"])
    rows = datapath_store.read(path)["rows"]
    assert [row["name"] for row in rows].count("engine-routed") == 1
    assert {row["target"] for row in rows} == {"xc7", "ecp5"}


def test_a_damaged_report_is_not_overwritten(tmp_path):
    (tmp_path / "datapath.json").write_text('{"rows": [')
    with pytest.raises(ValueError, match="is no datapath report"):
        write(tmp_path, everything(["ice40"]), ["ice40"])
    assert (tmp_path / "datapath.json").read_text() == '{"rows": ['


def test_targets_are_met_or_not():
    cases = [
        finding(Pa(m=4, n=n, path=path, target="xc7", simd=32, pe=2), lut=lut).row
        for n, path, lut in ((5, "lookup", 720), (5, "gated", 700), (7, "gated", 736))
    ]
    [line, *others] = goal_rows(cases)
    assert line[3:] == ["11.5", "gated", "met"]
    assert {each[5] for each in others} == {"not measured here"}
    assert GOALS[0].met(11.5)
    assert not GOALS[0].met(11.51)
    cases[2]["lut_per_mac"] = 11.6
    assert goal_rows(cases)[0][5] == "MISSED"


def test_a_clock_rate_must_be_reached_from_above():
    row = finding(Pa(m=4, n=5, path="gated", target="ecp5", simd=32, pe=8, unit="engine")).row
    for rates, verdict in (([190.0, 205.0, 210.0], "met"), ([190.0, 199.0, 210.0], "MISSED")):
        assert goal_rows([row | {"fmax_mhz": rates}])[-1][5] == verdict


def test_errors_are_relative():
    model = [
        {"predicted_lut": 90, "lut": 100, "held_out": True},
        {"predicted_lut": 100, "lut": 100, "held_out": False},
        {"predicted_lut": 0, "lut": 0, "held_out": True},
    ]
    assert errors(model, held_out=True) == pytest.approx([0.1])
    assert errors(model, held_out=False) == [0]


def test_literal_abc_net_is_built():
    built = Abc(bases=(2, 3), target="xc7", simd=4, pe=1).build()
    # 576 taps times six products of at most 127 each, and a sign.
    assert built.acc_bits <= (576 * 6 * 127).bit_length() + 1
    assert "module dot" in built.design.verilog


def test_a_rival_is_measured(tmp_path):
    """One case for all: from Verilog to a row."""
    found = measure(Xnor(target="ecp5", simd=8, pe=1), tmp_path)
    assert found.row["lut"] == found.figures.uses.lut > 8
    assert found.built.acc_bits == 10
    assert found.model is None
    assert json.dumps(found.row)
