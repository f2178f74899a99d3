# amaranth: UnusedElaboratable=no
"""Figures of circuits on the paper's two gates are sums, and longest paths."""

import pytest

from hw.gate_designs import GateLane, GateOperation
from hw.gates import Gate, figures_of, measure, read_gates
from hw.netlist import FlatCell, FlatNetlist


def test_library_has_the_two_gates_of_the_paper():
    assert read_gates() == {
        "XNOR2": Gate(name="XNOR2", area_nm2=2.90e3, delay_ps=10.87, power_nw=1.23e3),
        "AND2": Gate(name="AND2", area_nm2=1.45e3, delay_ps=9.62, power_nw=6.24e2),
    }


def lane(kind, pairs, *, count=True):
    return figures_of(GateLane(kind=kind, pairs=pairs, count=count))


def test_products_are_a_gate_each():
    for kind, gate in (("and", "AND2"), ("xnor", "XNOR2")):
        found = lane(kind, 5, count=False)
        one = read_gates()[gate]
        assert found.gates == {gate: 5}
        assert found.area_nm2 == 5 * one.area_nm2
        assert found.power_nw == 5 * one.power_nw
        assert found.delay_ps == one.delay_ps


def test_a_full_adder_is_four_xnor_and_two_and():
    found = lane("and", 3)
    assert found.gates == {"AND2": 3 + 2, "XNOR2": 4}
    assert found.area_nm2 == 5 * 1450 + 4 * 2900
    # A product, and the carry behind an XNOR, an AND and an XNOR.
    assert found.delay_ps == pytest.approx(9.62 + 10.87 + 9.62 + 10.87)


def test_an_operation_takes_longer_than_a_gate():
    found = figures_of(GateOperation(kind="multiply", bits=1))
    assert (found.gates, found.delay_ps) == ({"AND2": 1}, 9.62)
    deeper = figures_of(GateOperation(kind="count", bits=4))
    assert deeper.delay_ps > found.delay_ps


def test_lanes_differ_by_their_products_alone():
    products, signs = lane("and", 16), lane("xnor", 16)
    assert signs.area_nm2 - products.area_nm2 == 16 * (2900 - 1450)
    assert signs.delay_ps - products.delay_ps == pytest.approx(10.87 - 9.62)


def test_bad_libraries_are_refused(tmp_path):
    library = tmp_path / "some.lib"
    library.write_text("library (x) { }")
    with pytest.raises(ValueError, match=r"No cell in '.*some\.lib'"):
        read_gates(library)
    library.write_text("library (x) { cell (OR2) { area : 3; } }")
    with pytest.raises(ValueError, match=r"Cell 'OR2' of .* has nothing that matches .*cell_"):
        read_gates(library)
    netlist = FlatNetlist([FlatCell("u", "OR2", {"Y": [0]}, ())], 1, frozenset(), {})
    with pytest.raises(ValueError, match="Cells without figures: OR2"):
        measure(netlist, read_gates())
