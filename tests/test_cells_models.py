"""Models of device cells, where hardware places any."""

import re
from pathlib import Path

import pytest

import pa_hdl
from pa_hdl.cells.models import cell_models, models_for

TARGETS = sorted(path.stem for path in (Path(pa_hdl.__file__).parent / "cells").glob("*.v"))


@pytest.mark.parametrize("target", TARGETS)
def test_models_of_a_device(target):
    assert re.search(r"^module LUT", cell_models(target), re.MULTILINE)


@pytest.mark.parametrize("target", ["generic", "ice40"])
def test_no_cells_no_models(target):
    assert cell_models(target) == ""


def test_models_go_only_where_cells_are_placed():
    placed = "  LUT6_2 #(\n    .INIT(64'h1)\n  ) one (\n"
    assert models_for(placed, "xc7") == cell_models("xc7")
    assert models_for(placed, "ice40") == ""
    assert models_for("  my_dot dot (\n", "xc7") == ""
