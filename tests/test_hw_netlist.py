"""Netlists made by hand: counting through instances, and flattening with shorted ports."""

import pytest

from hw.netlist import Netlist
from hw.targets import TARGETS, Uses


def lut(a, y):
    return {
        "type": "$lut",
        "port_directions": {"A": "input", "Y": "output"},
        "connections": {"A": a, "Y": [y]},
    }


def ff(d, q):
    return {
        "type": "$_DFF_P_",
        "port_directions": {"D": "input", "Q": "output"},
        "connections": {"D": [d], "Q": [q]},
    }


def instance(kind, **connections):
    return {"type": kind, "connections": connections}


def module(cells, *, inputs=(), outputs=(), names=(), **attributes):
    """Cells by name; ``inputs`` and ``outputs`` map a port to its bits."""
    ports = {name: {"direction": "input", "bits": bits} for name, bits in dict(inputs).items()}
    ports |= {name: {"direction": "output", "bits": bits} for name, bits in dict(outputs).items()}
    wires = {name: {"hide_name": 0, "bits": bits} for name, bits in dict(names).items()}
    return {"ports": ports, "cells": cells, "netnames": wires, "attributes": attributes}


PAIR = {
    "leaf": module({"l": lut([2, 3], 4), "f": ff(4, 5)}, inputs={"i": [2, 3]}, outputs={"o": [5]}),
    "wire": module({}, inputs={"i": [2]}, outputs={"o": [2]}),
    "pair": module(
        {
            "one": instance("leaf", i=[2, "1"], o=[6]),
            "through": instance("wire", i=[6], o=[7]),
            "two": instance("leaf", i=[7, 3], o=[8]),
        },
        inputs={"i": [2, 3]},
        outputs={"o": [8]},
        names={"between": [6]},
    ),
    "top": module(
        {
            "a": instance("pair", i=[2, 3], o=[4]),
            "b": instance("pair", i=[4, 3], o=[5]),
            "f": ff(5, 6),
        },
        inputs={"i": [2, 3]},
        outputs={"o": [6]},
    ),
}


def test_counts_every_instance():
    netlist = Netlist(PAIR)
    assert netlist.cells("top") == {"$lut": 4, "$_DFF_P_": 5}
    assert netlist.instances("top") == {"top": 1, "pair": 2, "leaf": 4, "wire": 2}
    assert netlist.uses("top", TARGETS["generic"]) == Uses(lut=4, ff=5)
    assert netlist.uses("leaf", TARGETS["generic"]) == Uses(lut=1, ff=1)


def test_black_boxes_are_leaves():
    netlist = Netlist({**PAIR, "leaf": module({}, blackbox="1")})
    assert netlist.cells("top") == {"leaf": 4, "$_DFF_P_": 1}


def test_flattening_keeps_cells_and_connects_them():
    flat = Netlist(PAIR).flatten("pair")
    cells = {cell.name: cell for cell in flat.cells}
    assert sorted(cells) == ["one.f", "one.l", "two.f", "two.l"]
    between = cells["one.f"].ports["Q"][0]
    assert cells["two.l"].ports["A"][0] == between, "a module that is only a wire is a wire"
    assert flat.names[between] == "between[0]"
    assert cells["two.f"].ports["Q"][0] in flat.read, "an output port is read"
    assert cells["one.l"].inputs == ("A",)


def test_constants_are_no_nets():
    flat = Netlist({"m": module({"l": lut(["1", "x"], 2)}, outputs={"o": [2]})}).flatten("m")
    assert flat.cells[0].ports["A"] == [None, None]


@pytest.mark.parametrize("top", ["leaf", "pair", "top"])
def test_flattening_agrees_with_counting(top):
    netlist = Netlist(PAIR)
    flat = netlist.flatten(top)
    assert len(flat.cells) == netlist.cells(top).total()
    assert all(
        net is None or net < flat.nets for c in flat.cells for p in c.ports.values() for net in p
    )


def test_load_reads_the_modules(tmp_path):
    path = tmp_path / "netlist.json"
    path.write_text('{"modules": {"m": {"ports": {}, "cells": {}, "netnames": {}}}}')
    assert Netlist.load(path).find(lambda name: name == "m") == ["m"]
