# amaranth: UnusedElaboratable=no
"""What stands on the paper's two gates computes what its model says, before and after mapping."""

import random

import pytest
from hdl_bench import outputs_of

from hw.gate_designs import KINDS, OPERATIONS, GateLane, GateOperation
from hw.gates import TOP, map_gates

EVALUATE = {"AND2": lambda a, b: a & b, "XNOR2": lambda a, b: 1 - (a ^ b)}


def outcome(module, operands):
    """Result of a mapped circuit, its gates evaluated until nothing changes."""
    known = {"0": 0, "1": 1}
    for port, value in operands.items():
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


def operands(bits, other):
    """All of them where they are few, and random ones otherwise."""
    if bits <= 3:
        return [(one, two) for one in range(1 << bits) for two in range(1 << other)]
    draw = random.Random(bits).getrandbits
    return [(draw(bits), draw(other)) for _ in range(40)]


def check(dut, names, pairs):
    expected = [dut.model(*pair) for pair in pairs]
    rows = [dict(zip(names, pair, strict=True)) for pair in pairs]
    assert outputs_of(dut, rows, "o", 0) == expected
    mapped = map_gates(dut).modules[TOP]
    assert [outcome(mapped, row) for row in rows] == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("pairs", "count"), [(3, True), (11, True), (3, False)])
def test_lane_matches_its_model_before_and_after_mapping(kind, pairs, count):
    lane = GateLane(kind=kind, pairs=pairs, count=count)
    check(lane, ("act", "weight"), operands(pairs, pairs))


@pytest.mark.parametrize(("kind", "bits"), [*((kind, 3) for kind in OPERATIONS), ("multiply", 6)])
def test_operation_matches_its_model_before_and_after_mapping(kind, bits):
    operation = GateOperation(kind=kind, bits=bits)
    check(operation, ("a", "b"), operands(bits, len(operation.b)))


def test_model_is_the_dot_product_of_the_values():
    assert GateLane(kind="and", pairs=3).model(0b110, 0b011) == 1
    # -1 +1 +1 times +1 +1 -1: one product of +1, which stands for 2 * 1 - 3.
    assert GateLane(kind="xnor", pairs=3).model(0b110, 0b011) == 1
    assert GateLane(kind="xnor", pairs=3, count=False).model(0b110, 0b011) == 0b010


def test_bad_lanes_are_refused():
    with pytest.raises(ValueError, match="kind must be one of and, xnor, not 'or'"):
        GateLane(kind="or", pairs=4)
    with pytest.raises(ValueError, match="pairs must be at least 1, not 0"):
        GateLane(kind="and", pairs=0)
    for pairs in (True, 2.0):
        with pytest.raises(TypeError, match=f"pairs must be an integer, not {pairs}"):
            GateLane(kind="and", pairs=pairs)


def test_bad_operations_are_refused():
    with pytest.raises(ValueError, match="kind must be one of count, add, multiply, compare, not"):
        GateOperation(kind="divide", bits=4)
    with pytest.raises(ValueError, match="bits must be at least 1, not -2"):
        GateOperation(kind="add", bits=-2)
    with pytest.raises(TypeError, match="bits must be an integer, not '4'"):
        GateOperation(kind="add", bits="4")
