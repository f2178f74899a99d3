# amaranth: UnusedElaboratable=no
"""Simulation of all folds, or of many, tells equal dot products from unequal ones."""

import re

import pytest

from hw.proof_cases import ProofCase
from hw.proof_flow import gates
from hw.proof_simulate import exhaustive, folds_of, randomly

CASE = ProofCase(datapath="popcount", target="generic", m=2, n=3, simd=3, pe=1)
DIFFERS = r"accumulators differ after activation codes \[.*\] and weight codes \[.*\]"


@pytest.fixture(scope="module")
def miter():
    return CASE.miter()


@pytest.fixture(scope="module")
def whole(miter, tmp_path_factory):
    return gates(miter.verilog(), CASE.target, tmp_path_factory.mktemp("whole"))


def broken(miter, folder, pattern, replacement):
    text, count = re.subn(pattern, replacement, miter.verilog(), count=1)
    assert count == 1
    return gates(text, CASE.target, folder)


def test_counts_folds(miter):
    assert folds_of(miter) == (3 * 4) ** 3


def test_all_folds(miter, whole):
    assert exhaustive(miter, whole, seed=1) == ""


def test_random_folds(miter, whole):
    assert randomly(miter, whole, seed=1, folds=30_000) == ""


BREAKS = {
    "adder": (r"(assign .*) \+ ", r"\1 | "),
    "late accumulator": (r"    o_valid <= ", "    o_valid <= valid_5 & "),
    "table": (r"(assign product_1_\w+ = .*)1'h1 :", r"\g<1>1'h0 :"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken(miter, tmp_path, name):
    netlist = broken(miter, tmp_path, *BREAKS[name])
    assert exhaustive(miter, netlist, seed=1)
    assert randomly(miter, netlist, seed=1, folds=30_000)


def test_names_the_fold(miter, tmp_path):
    netlist = broken(miter, tmp_path, *BREAKS["table"])
    assert re.fullmatch(DIFFERS, exhaustive(miter, netlist, seed=1))


def test_random_folds_reset(miter, tmp_path):
    netlist = broken(
        miter, tmp_path, r"assign (\w+) = rst \? 1'h0 : valid_4", r"assign \1 = valid_4"
    )
    assert randomly(miter, netlist, seed=1, folds=30_000)


def test_needs_answers(miter, tmp_path):
    """Both silent are equal, but nothing was compared."""
    text = re.sub(r"    o_valid <= .*;", "    o_valid <= 1'h0;", miter.verilog())
    netlist = gates(text, CASE.target, tmp_path)
    assert exhaustive(miter, netlist, seed=1) == "no accumulators came out"
