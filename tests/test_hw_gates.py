# amaranth: UnusedElaboratable=no
"""Lanes on the paper's two gates: they count right; figures are sums and longest paths."""

import random

import pytest
from hdl_bench import outputs_of

from hw.gates import KINDS, Gate, GateLane, lane_figures, map_lane, measure, read_gates
from hw.netlist import FlatCell, FlatNetlist

EVALUATE = {"AND2": lambda a, b: a & b, "XNOR2": lambda a, b: 1 - (a ^ b)}


def outcome(module, act, weight):
    """Result of a mapped lane, its gates evaluated until nothing changes."""
    known = {"0": 0, "1": 1}
    for port, value in (("act", act), ("weight", weight)):
        bits = module["ports"][port]["bits"]
        known |= {net: value >> place & 1 for place, net in enumerate(bits)}
    waiting = [cell for cell in module["cells"].values() if cell["type"] in EVALUATE]
    while waiting:
        left = []
        for cell in waiting:
            pins = {name: nets[0] for name, nets in cell["connections"].items()}
            if pins["A"] in known and pins["B"] in known:
                known[pins["Y"]] = EVALUATE[cell["type"]](known[pins["A"]], known[pins["B"]])
            else:
                left.append(cell)
        assert len(left) < len(waiting), "a loop, or an input that nothing drives"
        waiting = left
    return sum(known[net] << place for place, net in enumerate(module["ports"]["o"]["bits"]))


def operands(pairs):
    """All of them where they are few, and random ones otherwise."""
    if pairs <= 3:
        return [(act, weight) for act in range(1 << pairs) for weight in range(1 << pairs)]
    draw = random.Random(pairs).getrandbits
    return [(draw(pairs), draw(pairs)) for _ in range(40)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("pairs", "count"), [(1, True), (3, True), (11, True), (3, False)])
def test_lane_matches_its_model_before_and_after_mapping(kind, pairs, count):
    lane = GateLane(kind=kind, pairs=pairs, count=count)
    expected = [lane.model(*pair) for pair in operands(pairs)]
    rows = [{"act": act, "weight": weight} for act, weight in operands(pairs)]
    assert outputs_of(lane, rows, "o", 0) == expected
    mapped = map_lane(kind, pairs, count=count).modules["lane"]
    assert [outcome(mapped, *pair) for pair in operands(pairs)] == expected


def test_model_is_the_dot_product_of_the_values():
    assert GateLane(kind="and", pairs=3).model(0b110, 0b011) == 1
    # -1 +1 +1 times +1 +1 -1: one product of +1, which stands for 2 * 1 - 3.
    assert GateLane(kind="xnor", pairs=3).model(0b110, 0b011) == 1
    assert GateLane(kind="xnor", pairs=3, count=False).model(0b110, 0b011) == 0b010


def test_library_has_the_two_gates_of_the_paper():
    assert read_gates() == {
        "XNOR2": Gate(name="XNOR2", area_nm2=2.90e3, delay_ps=10.87, power_nw=1.23e3),
        "AND2": Gate(name="AND2", area_nm2=1.45e3, delay_ps=9.62, power_nw=6.24e2),
    }


def test_products_are_a_gate_each():
    for kind, gate in (("and", "AND2"), ("xnor", "XNOR2")):
        found = lane_figures(kind, 5, count=False)
        one = read_gates()[gate]
        assert found.gates == {gate: 5}
        assert found.area_nm2 == 5 * one.area_nm2
        assert found.power_nw == 5 * one.power_nw
        assert found.delay_ps == one.delay_ps


def test_a_full_adder_is_four_xnor_and_two_and():
    found = lane_figures("and", 3)
    assert found.gates == {"AND2": 3 + 2, "XNOR2": 4}
    assert found.area_nm2 == 5 * 1450 + 4 * 2900
    # A product, and the carry behind an XNOR, an AND and an XNOR.
    assert found.delay_ps == pytest.approx(9.62 + 10.87 + 9.62 + 10.87)


def test_lanes_differ_by_their_products_alone():
    products, signs = lane_figures("and", 16), lane_figures("xnor", 16)
    assert signs.area_nm2 - products.area_nm2 == 16 * (2900 - 1450)
    assert signs.delay_ps - products.delay_ps == pytest.approx(10.87 - 9.62)


def test_bad_lanes_are_refused():
    with pytest.raises(ValueError, match="kind must be one of and, xnor, not 'or'"):
        GateLane(kind="or", pairs=4)
    with pytest.raises(ValueError, match="pairs must be at least 1, not 0"):
        GateLane(kind="and", pairs=0)
    for pairs in (True, 2.0):
        with pytest.raises(TypeError, match=f"pairs must be an integer, not {pairs}"):
            GateLane(kind="and", pairs=pairs)


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
