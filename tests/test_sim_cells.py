"""Models of device cells go to the simulators, and nothing else does."""

import re
from pathlib import Path

import pytest

import pa_hdl
from sim.cells import cell_models

TARGETS = sorted(path.stem for path in (Path(pa_hdl.__file__).parent / "cells").glob("*.v"))


@pytest.mark.parametrize("target", TARGETS)
def test_models_of_a_device(target):
    assert re.search(r"^module LUT", cell_models(target), re.MULTILINE)


@pytest.mark.parametrize("target", ["generic", "ice40"])
def test_no_cells_no_models(target):
    assert cell_models(target) == ""
