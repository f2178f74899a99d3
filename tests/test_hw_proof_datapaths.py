# amaranth: UnusedElaboratable=no
"""Every datapath: proven equal when whole, and caught when a table entry or an adder is broken."""

import re
from dataclasses import replace

import pytest

from hw.proof_cases import ProofCase
from hw.proof_flow import gates, induction
from hw.proof_simulate import owed
from pa_hdl import dot

DATAPATHS = [name for name in dot.DATAPATHS if name != "popcount"]
DEVICES = [("lookup", "xc7"), ("lookup", "ecp5")]


def case_of(datapath, target="generic"):
    return ProofCase(datapath=datapath, target=target, m=1, n=1, simd=2, pe=1)


def prove(case, miter, verilog, folder):
    constant = owed(miter, gates(verilog, case.target, folder)) if miter.fixed else ""
    return induction(verilog, miter.latency, case.target, folder, timeout=60, owed=constant)


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_whole(datapath, tmp_path):
    case = case_of(datapath)
    miter = case.miter()
    assert prove(case, miter, miter.verilog(), tmp_path)


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_one_table_entry(datapath, tmp_path, monkeypatch):
    case = case_of(datapath)
    miter, create = case.miter(), dot.create
    phi = miter.parameters.phi.copy()
    phi[1, 1] ^= 1
    broken = replace(miter.parameters, phi=phi)

    def create_broken(config, parameters):
        return create(config, broken if config.datapath == datapath else parameters)

    monkeypatch.setattr(dot, "create", create_broken)
    assert not prove(case, miter, miter.verilog(), tmp_path)


@pytest.mark.parametrize(("datapath", "target"), DEVICES)
def test_one_adder_bit(datapath, target, tmp_path):
    """The LUT in front of one bit of a carry chain says the opposite."""
    case = case_of(datapath, target)
    miter = case.miter()
    whole = miter.verilog()

    def opposite(match):
        width = int(match[2])
        return f"{match[1]}{width}'h{int(match[3], 16) ^ (1 << width) - 1:x}"

    # The last one stands in the accumulator.
    place = whole.rindex(".INIT")
    tail, count = re.subn(r"(\.INIT[01]?\()(\d+)'h([0-9a-f]+)", opposite, whole[place:], count=1)
    assert count == 1
    assert prove(case, miter, whole, tmp_path)
    assert not prove(case, miter, whole[:place] + tail, tmp_path)
