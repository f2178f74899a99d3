"""Verdicts: kept by content, and a problem in one line when there is none."""

import re

import pytest

from hw import proof_run
from hw.datapath_store import FIELDS
from hw.proof_cases import ProofCase
from hw.proof_flow import ProofTimeoutError
from hw.proof_run import Verdict, prove


def case(**changes):
    sizes = {"m": 1, "n": 1, "simd": 2, "pe": 1} | changes
    return ProofCase(**({"datapath": "popcount", "target": "generic"} | sizes))


def run(folder, timeout=60, **changes):
    return prove(case(**changes), cache=folder, timeout=timeout)


def test_induction(tmp_path):
    verdict = run(tmp_path)
    assert verdict.equal
    assert re.fullmatch(r"Yosys [0-9.]+", verdict.tool)
    assert list(verdict.entry(case())) == list(FIELDS["equivalence"])


@pytest.mark.parametrize("simd", [8, 13])
def test_simulation(tmp_path, monkeypatch, simd):
    monkeypatch.setattr(proof_run, "RANDOM_FOLDS", 10_000)
    verdict = run(tmp_path, simd=simd)
    assert verdict.equal
    assert verdict.tool.startswith("bit-parallel simulation, Yosys")
    assert not list(tmp_path.rglob("gates.json"))


def forbid(*args, **options):
    raise AssertionError("compared again")


def test_compares_equal_hardware_once(tmp_path, monkeypatch):
    first = run(tmp_path)
    monkeypatch.setattr(proof_run, "induction", forbid)
    assert run(tmp_path) == first
    assert run(tmp_path, target="ice40") == first


def test_compares_again_when_cut_short(tmp_path):
    first = run(tmp_path)
    [known] = tmp_path.glob("*.json")
    known.write_text(known.read_text()[:9])
    assert run(tmp_path) == first


def test_unequal(tmp_path, monkeypatch):
    monkeypatch.setattr(proof_run, "induction", lambda *args, **options: False)
    verdict = run(tmp_path)
    assert verdict.equal is False
    assert re.fullmatch(r"accumulators can differ \(log: .*/induction\.log\)", verdict.problem)


def test_out_of_time(tmp_path, monkeypatch):
    def give_up(*args, **options):
        raise ProofTimeoutError("no proof in 1 s")

    monkeypatch.setattr(proof_run, "induction", give_up)
    verdict = run(tmp_path)
    assert verdict.equal is None
    assert verdict.problem == "no proof in 1 s"
    assert not list(tmp_path.glob("*.json"))


def test_impossible_hardware(tmp_path):
    verdict = run(tmp_path, m=300)
    assert verdict == Verdict(tool=verdict.tool, equal=None, problem="m must be 1 to 255, not 300")
