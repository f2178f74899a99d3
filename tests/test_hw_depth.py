"""Longest paths of netlists made by hand; those of mapped designs are in test_hw_flow."""

import pytest

from hw.depth import measure
from hw.netlist import FlatCell, FlatNetlist
from hw.targets import TARGETS


def flat(*cells, read=()):
    """Cells as (type, inputs, outputs), their ports as {name: nets}; -1 stands for a constant."""
    made, nets, readers = [], 0, set(read)
    for index, (kind, inputs, outputs) in enumerate(cells):
        ports = {
            name: [None if net < 0 else net for net in bits]
            for name, bits in {**inputs, **outputs}.items()
        }
        made.append(FlatCell(f"c{index}", kind, ports, tuple(inputs)))
        used = {net for bits in ports.values() for net in bits if net is not None}
        nets = max(nets, *used) if used else nets
        readers |= {net for name in inputs for net in ports[name] if net is not None}
    return FlatNetlist(made, nets + 1, frozenset(readers), {n: f"n{n}" for n in range(nets + 1)})


def lut(a, y):
    return ("$lut", {"A": a}, {"Y": [y]})


def ff(d, q):
    return ("$_DFF_P_", {"D": [d]}, {"Q": [q]})


def test_counts_lut_levels_between_registers():
    netlist = flat(
        ff(0, 1), lut([1, -1], 2), lut([2, 1], 3), lut([3, 2], 4), ff(4, 5), lut([5], 6), ff(6, 7)
    )
    depth = measure(netlist, TARGETS["generic"])
    assert (depth.lut.levels, depth.carry.levels) == (3, 0)
    assert str(depth.lut) == "n1 -> n5 (3: $lut $lut $lut)"
    assert str(depth.carry) == "none"


def test_no_cell_is_no_depth():
    depth = measure(FlatNetlist([], 0, frozenset(), {}), TARGETS["generic"])
    assert (depth.lut.levels, depth.carry.levels) == (0, 0)


def test_what_nothing_reads_is_no_path():
    netlist = flat(ff(0, 1), lut([1], 2), lut([2], 3))
    assert measure(netlist, TARGETS["generic"]).lut.levels == 1
    assert measure(flat(lut([1], 2), lut([2], 3), read=[3]), TARGETS["generic"]).lut.levels == 2


def test_carry_stages_reach_only_later_ones():
    """S[3] of a CARRY4 does not reach O[0]: a loop through both would be false."""

    def carry(s, o):
        return ("CARRY4", {"S": s}, {"O": o})

    fold_back = flat(carry([0, 1, 2, 3], [4, 5, 6, 7]), ("LUT1", {"I0": [4]}, {"O": [3]}), read=[7])
    depth = measure(fold_back, TARGETS["xc7"])
    assert (depth.lut.levels, depth.carry.levels) == (1, 2)


@pytest.mark.parametrize(
    ("target", "cells", "expected"),
    [
        pytest.param(
            "ecp5",
            [
                ("CCU2C", {"A0": [0], "CIN": [-1]}, {"COUT": [1], "S0": [2]}),
                ("CCU2C", {"A1": [3], "CIN": [1]}, {"S1": [4]}),
                ("TRELLIS_FF", {"DI": [4]}, {"Q": [5]}),
            ],
            (1, 2),
            id="the LUT in front of an ECP5 carry is a level, its carry input is none",
        ),
        pytest.param(
            "ice40",
            [
                ("SB_CARRY", {"I0": [0], "CI": [-1]}, {"CO": [1]}),
                ("SB_CARRY", {"I1": [0], "CI": [1]}, {"CO": [2]}),
                ("SB_LUT4", {"I3": [2]}, {"O": [3]}),
                ("SB_DFF", {"D": [3]}, {"Q": [4]}),
            ],
            (1, 2),
            id="iCE40 sums in the LUT behind its carry",
        ),
        pytest.param(
            "xc7",
            [
                ("LUT6", {"I0": [0]}, {"O": [1]}),
                ("MUXF7", {"I0": [1]}, {"O": [2]}),
                ("RAM32M", {"ADDRA": [2], "DIA": [2]}, {"DOA": [3]}),
                ("FDRE", {"D": [3]}, {"Q": [4]}),
            ],
            (2, 0),
            id="LUT RAM reads in one level, a wide mux in none",
        ),
        pytest.param(
            "xc7",
            [
                ("LUT6", {"I0": [0]}, {"O": [1]}),
                ("RAMB36E1", {"ADDRARDADDR": [1]}, {"DOADO": [2]}),
                ("LUT6", {"I0": [2]}, {"O": [3]}),
                ("FDRE", {"CE": [3]}, {"Q": [4]}),
            ],
            (1, 0),
            id="paths end and start at block RAM",
        ),
    ],
)
def test_cells_of_targets(target, cells, expected):
    depth = measure(flat(*cells), TARGETS[target])
    assert (depth.lut.levels, depth.carry.levels) == expected


def test_refuses_a_loop():
    with pytest.raises(ValueError, match=r"Combinational loop through \$lut 'c\d'"):
        measure(flat(ff(0, 1), lut([1, 3], 2), lut([2], 3)), TARGETS["generic"])


def test_refuses_a_cell_it_does_not_know():
    with pytest.raises(ValueError, match="no model of cell type 'FROB'"):
        measure(flat(("FROB", {"A": [0]}, {"Y": [1]})), TARGETS["generic"])


@pytest.mark.parametrize(("init", "levels"), [(0x6666666688888888, 2), (0x66666666AAAAAAAA, 1)])
def test_an_output_that_leaves_an_input_out_is_no_path_from_it(init, levels):
    """The lower half of the table is O5: the AND of two inputs, or the first one alone."""
    first = FlatCell("a", "LUT6_2", {"I0": [0], "O6": [1]}, ("I0",), 0xAAAAAAAAAAAAAAAA)
    ports = {"I0": [2], "I1": [1], "O5": [3]}
    second = FlatCell("b", "LUT6_2", ports, ("I0", "I1"), init)
    netlist = FlatNetlist([first, second], 4, frozenset({0, 1, 2, 3}), {})
    assert measure(netlist, TARGETS["xc7"]).lut.levels == levels
