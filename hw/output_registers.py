"""Registers behind block RAM become the block's own: Yosys leaves them in logic.

An ECP5 block RAM takes 4.3 ns from clock to data without its output register and less than a
nanosecond with it. The tools of the vendors move a register that stands directly behind a memory
into the block; Yosys 0.70 does not. :func:`absorb` does so in a mapped netlist.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

__all__ = ["absorb"]

Cell = dict[str, Any]

_FF_IS_PLAIN = {"CEMUX": "1", "CLKMUX": "CLK", "REGSET": "RESET"}


def absorb(netlist: dict[str, Any]) -> int:
    """Move flip-flops into the DP16KD block RAMs whose data they hold; how many were moved.

    A port's data moves as a whole or not at all. It does when nothing but flip-flops reads it, one
    for each bit, all of the port's own clock, without enable or reset and 0 at power-up.

    Parameters
    ----------
    netlist : :class:`dict`
        What ``write_json`` writes; changed in place.
    """
    return sum(_absorb(module) for module in netlist["modules"].values())


def _absorb(module: dict[str, Any]) -> int:
    cells: dict[str, Cell] = module["cells"]
    readers: dict[int, list[str]] = defaultdict(list)
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"].get(port) != "output":
                for bit in bits:
                    readers[bit].append(name)
    for port in module["ports"].values():
        if port["direction"] != "input":
            for bit in port["bits"]:
                readers[bit].append("")
    moved: dict[int, int] = {}
    for cell in [cell for cell in cells.values() if cell["type"] == "DP16KD"]:
        for clock, sides in _read_ports(cell):
            flops = _registers(cell, clock, sides, cells, readers)
            for bit, name in flops.items():
                (out,) = cells.pop(name)["connections"]["Q"]
                moved[bit] = out
            if flops:
                cell["parameters"] |= {f"REGMODE_{side}": "OUTREG" for side in sides}
                for port in _data_ports(cell, sides):
                    bits = cell["connections"][port]
                    cell["connections"][port] = [moved.get(bit, bit) for bit in bits]
    for name in [n for n, net in module["netnames"].items() if moved.keys() & set(net["bits"])]:
        del module["netnames"][name]  # of wires that are gone
    return len(moved)


def _read_ports(cell: Cell) -> Iterator[tuple[str, str]]:
    """Side whose clock a read port has, and the sides whose data it has."""
    width = cell["parameters"]["DATA_WIDTH_A"]
    if (int(width, 2) if isinstance(width, str) else width) == 36:
        yield "B", "AB"
    else:
        yield "A", "A"
        yield "B", "B"


def _data_ports(cell: Cell, sides: str) -> list[str]:
    names = (f"DO{side}{bit}" for side in sides for bit in range(18))
    return [name for name in names if name in cell["connections"]]


def _registers(
    cell: Cell,
    clock: str,
    sides: str,
    cells: dict[str, Cell],
    readers: dict[int, list[str]],
) -> dict[int, str]:
    """The flip-flop that holds each data bit of a read port; none if not all of them have one."""
    parameters, wires = cell["parameters"], cell["connections"]
    if parameters[f"CLK{clock}MUX"] != f"CLK{clock}" or wires[f"OCE{clock}"] != ["1"]:
        return {}
    if wires[f"CE{clock}"] != ["1"] or wires[f"RST{clock}"] != ["0"]:
        return {}
    if any(parameters[f"REGMODE_{side}"] != "NOREG" for side in sides):
        return {}
    found = {}
    for port in _data_ports(cell, sides):
        for bit in wires[port]:
            names = readers.get(bit, [])
            if not names:
                continue
            if len(names) != 1 or not names[0]:
                return {}
            flop = cells[names[0]]
            if not _is_plain(flop) or flop["connections"]["CLK"] != wires[f"CLK{clock}"]:
                return {}
            if flop["connections"].get("DI") != [bit]:
                return {}
            found[bit] = names[0]
    return found


def _is_plain(cell: Cell) -> bool:
    return (
        cell["type"] == "TRELLIS_FF"
        and all(cell["parameters"][name].strip() == v for name, v in _FF_IS_PLAIN.items())
        and cell["connections"].get("LSR", ["0"]) == ["0"]
    )
