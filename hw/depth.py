"""Logic depth of a mapped netlist: the longest path between registers, in LUT levels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .netlist import FlatCell, FlatNetlist
from .targets import Target

__all__ = ["METHOD", "Depth", "Path", "measure"]

METHOD = (
    "Longest path through the mapped netlist, flattened after mapping, between any two of "
    "flip-flops, block RAM, written LUT RAM and the unit's ports. depth is the most LUT levels of "
    "any path, carry_depth the most carry cells of any path; they need not be the same path. "
    "Every bit-to-bit arc of a carry cell is its own; an input that the function of a LUT6_2 does "
    "not depend on has none."
)


@dataclass(frozen=True)
class Path:
    """One longest path: its levels, the nets at both ends, and the types of cells on it."""

    levels: int
    start: str
    end: str
    cells: tuple[str, ...]

    def __str__(self) -> str:
        if not self.levels:
            return "none"
        return f"{self.start} -> {self.end} ({self.levels}: {' '.join(self.cells)})"


@dataclass(frozen=True)
class Depth:
    """Longest paths of a netlist by LUT levels, and by carry cells."""

    lut: Path
    carry: Path


class _Edge(NamedTuple):
    source: int
    sink: int
    cell: FlatCell
    lut: int
    carry: int


def _bits(cell: FlatCell, pin: str) -> list[int | None]:
    """Nets of ``"A"`` (every bit) or ``"A[2]"`` (one bit); none where the port is not connected."""
    match = re.fullmatch(r"(\w+)\[(\d+)\]", pin)
    if match is None:
        return cell.ports.get(pin, [])
    port, index = cell.ports.get(match[1], []), int(match[2])
    return port[index : index + 1]


def _ignored(cell: FlatCell, pin: str, outputs: tuple[str, ...]) -> bool:
    """Whether the function of a LUT with two outputs leaves an input out: no path leads there.

    Adders hand one output from column to column, past inputs that only the other one reads.
    """
    if cell.type != "LUT6_2" or cell.init is None:
        return False
    [output] = outputs
    span, place = 32 if output == "O5" else 64, int(pin[1:])
    rows = [row for row in range(span) if not row >> place & 1]
    return all(cell.init >> row & 1 == cell.init >> (row | 1 << place) & 1 for row in rows)


def _edges(netlist: FlatNetlist, target: Target) -> Iterator[_Edge]:
    for cell in netlist.cells:
        for arc in target.model_of(cell.type).arcs:
            sinks = [net for pin in arc.outputs for net in _bits(cell, pin) if net is not None]
            for pin in arc.inputs:
                if _ignored(cell, pin, arc.outputs):
                    continue
                for source in _bits(cell, pin):
                    if source is not None:
                        for sink in sinks:
                            yield _Edge(source, sink, cell, arc.lut, arc.carry)


def _topological(netlist: FlatNetlist, edges: list[_Edge]) -> list[_Edge]:
    """Edges in an order in which every net is complete before it is used.

    Raises
    ------
    :exc:`ValueError`
        If there is a combinational loop.
    """
    leaving: dict[int, list[_Edge]] = defaultdict(list)
    waiting = [0] * netlist.nets
    for edge in edges:
        leaving[edge.source].append(edge)
        waiting[edge.sink] += 1
    ready = [net for net in leaving if not waiting[net]]
    order = []
    while ready:
        for edge in leaving[ready.pop()]:
            order.append(edge)
            waiting[edge.sink] -= 1
            if not waiting[edge.sink]:
                ready.append(edge.sink)
    if len(order) < len(edges):
        cell = next(edge.cell for edge in edges if waiting[edge.sink])
        raise ValueError(f"Combinational loop through {cell.type} {cell.name!r}")
    return order


def _longest(netlist: FlatNetlist, order: list[_Edge], kind: str) -> Path:
    levels = [0] * netlist.nets
    arrived: dict[int, _Edge] = {}
    for edge in order:
        reached = levels[edge.source] + getattr(edge, kind)
        if reached > levels[edge.sink] or edge.sink not in arrived:
            levels[edge.sink] = reached
            arrived[edge.sink] = edge
    if not netlist.read:
        return Path(0, "nothing", "nothing", ())
    end = net = max(sorted(netlist.read), key=levels.__getitem__)
    types: list[str] = []
    while net in arrived:
        types.append(arrived[net].cell.type)
        net = arrived[net].source
    return Path(
        levels[end],
        netlist.names.get(net, f"net {net}"),
        _end_name(netlist, end),
        tuple(reversed(types)),
    )


def _end_name(netlist: FlatNetlist, net: int) -> str:
    """Name of the flip-flop that reads a net, or of the net: mapping renames what lies between."""
    for cell in netlist.cells:
        if "Q" in cell.ports and any(net in nets for nets in cell.ports.values()):
            known = [netlist.names[out] for out in cell.ports["Q"] if out in netlist.names]
            if known:
                return known[0]
    return netlist.names.get(net, f"net {net}")


def measure(netlist: FlatNetlist, target: Target) -> Depth:
    """Find the longest paths of a flattened netlist.

    Parameters
    ----------
    netlist : :class:`FlatNetlist`
        Mapped cells of one clock domain.
    target : :class:`Target`
        Whose table says which paths lead through a cell.

    Raises
    ------
    :exc:`ValueError`
        For a cell that the table does not know, and for a combinational loop.
    """
    order = _topological(netlist, list(_edges(netlist, target)))
    return Depth(_longest(netlist, order, "lut"), _longest(netlist, order, "carry"))
