"""The table of predicted and synthesised areas."""

import re

import pytest

from hw import area
from hw.flow import UnitFigures
from hw.targets import Uses


def figures(luts, cells):
    return UnitFigures(
        uses=Uses(lut=luts), cells=cells, depth=0, carry_depth=0, lut_path="", carry_path=""
    )


def test_names_are_unique():
    names = [case.name for case in area.CASES]
    assert len(set(names)) == len(names)
    assert {case.fit for case in area.CASES} == {True, False}


def test_a_design_is_one_unit():
    [case] = [case for case in area.CASES if case.name == "engine-1-1-16x4"]
    design = case.design()
    assert design.module_of("part") == "part"
    assert "part_pe" in design.kept
    assert design.blocks == ["part_weights"]


def test_block_rams_are_of_36_kbit():
    assert area.block_rams({"RAMB18E1": 3, "RAMB36E1": 2, "LUT6": 9, "RAM32M": 4}) == 3.5


def test_the_table(monkeypatch, capsys, tmp_path):
    seen = []

    def synthesise(design, target, cache):
        seen.append((design.name, target, cache))
        return {"part": figures(50, {"RAMB18E1": 1})}

    monkeypatch.setattr(area, "synthesise", synthesise)
    assert area.main(["--only", "fifo-4", "--cache", str(tmp_path)]) == 0
    assert seen == [("area-fifo-4x32", "xc7", tmp_path)]
    assert re.search(r"fifo-4x32 +fit +50 +39 +-22% +0\.5 +0", capsys.readouterr().out)


def test_no_such_case(capsys):
    with pytest.raises(SystemExit) as caught:
        area.main(["--only", "nothing"])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "--only must be part of a case's name, not 'nothing'" in error
    assert error.count("\n") == 1
