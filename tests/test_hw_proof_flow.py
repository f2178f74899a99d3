# amaranth: UnusedElaboratable=no
"""Induction tells equal dot products from unequal ones."""

import re

import pytest

from hw.flow import FlowError
from hw.proof_cases import ProofCase
from hw.proof_flow import ProofTimeoutError, gates, induction, yosys
from hw.proof_miter import TOP

CASE = ProofCase(datapath="popcount", target="generic", m=2, n=3, simd=2, pe=1)


@pytest.fixture(scope="module")
def miter():
    return CASE.miter()


def prove(miter, verilog, folder, timeout=60):
    return induction(verilog, miter.latency, CASE.target, folder, timeout=timeout)


def once(pattern, replacement, text):
    changed, count = re.subn(pattern, replacement, text, count=1)
    assert count == 1, pattern
    return changed


def test_equal(miter, tmp_path):
    assert prove(miter, miter.verilog(), tmp_path)


BREAKS = {
    "adder": (r"(assign .*) \+ ", r"\1 | "),
    "late accumulator": (r"    o_valid <= ", "    o_valid <= valid_5 & "),
    "no reset": (r"assign (\w+) = rst \? 1'h0 : valid_4", r"assign \1 = valid_4"),
    "wrong start": (r"    first_3 <= first_2;", "    first_3 <= last_2;"),
    "table": (r"(assign product_1_\w+ = .*)1'h1 :", r"\g<1>1'h0 :"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken(miter, tmp_path, name):
    assert not prove(miter, once(*BREAKS[name], miter.verilog()), tmp_path)


def test_out_of_time(miter, tmp_path):
    big = ProofCase(datapath="popcount", target="generic", m=4, n=5, simd=3, pe=1).miter()
    with pytest.raises(ProofTimeoutError, match=r"^no proof in 1 s \(log: .*induction\.log\)$"):
        prove(big, big.verilog(), tmp_path, timeout=1)


def test_answers_must_be_possible(miter, tmp_path):
    """Of codes that do not exist everything could be proven."""
    never = once(r"assign legal = .*;", "assign legal = 1'h0;", miter.verilog())
    with pytest.raises(FlowError, match="model"):
        prove(miter, never, tmp_path)


def test_gates(miter, tmp_path):
    text = gates(miter.verilog(), CASE.target, tmp_path).read_text()
    assert set(re.findall(r'"type": "(.*?)"', text)) <= {
        *("$_AND_", "$_OR_", "$_XOR_", "$_NOT_", "$_MUX_", "$_DFF_P_", "$scopeinfo")
    }
    assert f'"{TOP}"' in text


def test_names_its_version():
    assert re.fullmatch(r"Yosys [0-9.]+", yosys())
