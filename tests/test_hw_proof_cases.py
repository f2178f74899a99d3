"""Sizes, and the method that each allows."""

import pytest

from hw.proof_cases import METHODS, PIECES, ProofCase, matrix
from hw.targets import TARGETS
from pa_hdl.dot import DATAPATHS


def case(**changes):
    sizes = {"m": 4, "n": 5, "simd": 2, "pe": 1} | changes
    return ProofCase(datapath="popcount", target="generic", **sizes)


@pytest.mark.parametrize(
    ("simd", "pe", "method"),
    [
        (1, 2, "induction"),
        (3, 2, "induction"),
        (4, 1, "exhaustive"),
        (5, 1, "exhaustive"),
        (4, 8, "random"),
        (6, 1, "random"),
    ],
)
def test_strongest_method(simd, pe, method):
    assert case(simd=simd, pe=pe).method == method


def test_weights_inside_are_no_input():
    inside = ProofCase(datapath="inside", target="generic", m=4, n=5, simd=8, pe=2)
    assert inside.method == "exhaustive"


def test_names_itself():
    assert case().name == "popcount (4, 5) 2x1 generic"
    assert case().folder == "popcount-m4n5-2x1-generic"
    assert list(case().size) == ["datapath", "m", "n", "simd", "pe", "target"]


def everything(**options):
    return matrix(datapaths=list(DATAPATHS), targets=list(TARGETS), **options)


def test_covers_every_datapath_and_target():
    for quick in (False, True):
        found = everything(quick=quick)
        assert len(set(found)) == len(found)
        for pieces in ((1, 1), (2, 3), (4, 5), (8, 7)):
            same = {(c.datapath, c.target) for c in found if (c.m, c.n) == pieces}
            assert same == {(d, t) for d in DATAPATHS for t in TARGETS}


def test_every_method_of_all_pieces():
    found = {(c.m, c.n, c.method) for c in everything()}
    assert found == {(*pieces, method) for pieces in PIECES for method in METHODS}


def test_quick_is_proven():
    assert {c.method for c in everything(quick=True)} == {"induction"}


def test_one_size():
    [found] = matrix(datapaths=["popcount"], targets=["xc7"], size=(2, 3, 4, 5), seed=7)
    expected = ProofCase(datapath="popcount", target="xc7", m=2, n=3, simd=4, pe=5, seed=7)
    assert found == expected
