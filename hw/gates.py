# amaranth: UnusedElaboratable=no
"""Lanes made of the paper's two gates: area, delay and power of AND lanes and of XNOR lanes.

The library ``gates.lib`` has the XNOR and the AND of the paper's Table 2 and nothing else. Both are
enough for any logic (an XNOR with one input tied low inverts), but ABC refuses a library of two
cells, so Yosys' ``techmap`` takes each operator to its gates, and the adders of :class:`GateLane`
are written as these gates want them.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import unsigned_bits
from pa_hdl.emit import ModuleLibrary

from .flow import run_yosys
from .netlist import FlatNetlist, Netlist

__all__ = [
    "KINDS",
    "Gate",
    "GateFigures",
    "GateLane",
    "lane_figures",
    "map_lane",
    "measure",
    "read_gates",
]

KINDS = ("and", "xnor")
"""How a pair of bits is multiplied: as 0 and 1, or as -1 and +1."""

_LIBRARY = Path(__file__).resolve().parent / "gates.lib"

_XNOR = r"""
module XNOR2 (input A, input B, output Y);
  wire x;
  \$_XOR_ g (.A(A), .B(B), .Y(x));
  \$_NOT_ h (.A(x), .Y(Y));
endmodule
"""
"""What an XNOR gate looks like before mapping."""

_REST = r"""
module \$_AND_ (input A, input B, output Y);
  AND2 g (.A(A), .B(B), .Y(Y));
endmodule
module \$_NOT_ (input A, output Y);
  XNOR2 g (.A(A), .B(1'b0), .Y(Y));
endmodule
module \$_XOR_ (input A, input B, output Y);
  wire x;
  XNOR2 g (.A(A), .B(B), .Y(x));
  XNOR2 h (.A(x), .B(1'b0), .Y(Y));
endmodule
"""
"""Every other operator in XNOR and AND gates."""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A gate of a library: area in nm^2, delay from any input to the output in ps, power in nW."""

    name: str
    area_nm2: float
    delay_ps: float
    power_nw: float


@dataclass(frozen=True, kw_only=True)
class GateFigures:
    """A mapped circuit.

    Parameters
    ----------
    gates : :class:`dict`
        How many of each gate.
    area_nm2, power_nw : :class:`float`
        Sums over all gates; wires are free.
    delay_ps : :class:`float`
        Along the slowest path from an input to an output.
    """

    gates: dict[str, int]
    area_nm2: float
    delay_ps: float
    power_nw: float


def read_gates(path: Path = _LIBRARY) -> dict[str, Gate]:
    """The gates of a liberty file whose figures are single numbers, as those of ``gates.lib`` are.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, holds no gate, or a gate lacks a figure.
    """
    gates = {}
    # A piece for each cell: its name, and all text up to the next one.
    for name, body in re.findall(
        r"\bcell\s*\(\s*(\w+)\s*\)(.*?)(?=\bcell\s*\(|\Z)", path.read_text(), re.DOTALL
    ):
        gates[name] = Gate(
            name=name,
            area_nm2=max(_numbers(path, name, r"\barea\s*:\s*([0-9.]+)", body)),
            delay_ps=max(_numbers(path, name, r'\bcell_(?:rise|fall)[^"]*"([0-9.]+)"', body)),
            power_nw=max(_numbers(path, name, r"\bcell_leakage_power\s*:\s*([0-9.]+)", body)),
        )
    if not gates:
        raise ValueError(f"No cell in {str(path)!r}")
    return gates


def _numbers(path: Path, cell: str, pattern: str, text: str) -> list[float]:
    found = [float(number) for number in re.findall(pattern, text)]
    if not found:
        raise ValueError(f"Cell {cell!r} of {str(path)!r} has nothing that matches {pattern!r}")
    return found


class GateLane(wiring.Component):
    """Multiply pairs of bits, and count the products that are 1, without a register.

    Parameters
    ----------
    kind : :class:`str`
        ``and`` for bits that stand for 0 and 1, ``xnor`` for bits that stand for -1 and +1.
    pairs : :class:`int`
        Pairs of bits, at least 1.
    count : :class:`bool`
        Whether the products are counted, or are the result themselves.

    Members
    -------
    act, weight : the operands
    o : number of products that are 1, or the products

    Raises
    ------
    TypeError, ValueError
        If the kind is unknown, or the number of pairs is not a positive integer.
    """

    def __init__(self, *, kind: str, pairs: int, count: bool = True) -> None:
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        if isinstance(pairs, bool) or not isinstance(pairs, int):
            raise TypeError(f"pairs must be an integer, not {pairs!r}")
        if pairs < 1:
            raise ValueError(f"pairs must be at least 1, not {pairs!r}")
        self.kind = kind
        self.pairs = pairs
        self.count = bool(count)
        width = unsigned_bits(pairs) if count else pairs
        super().__init__({"act": In(pairs), "weight": In(pairs), "o": Out(width)})

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.kind, self.pairs, self.count)

    @property
    def module_name(self) -> str:
        return f"{self.kind}_{self.pairs}"

    def model(self, act: int, weight: int) -> int:
        """Number of products that are 1, or the products."""
        mask = (1 << self.pairs) - 1
        products = act & weight if self.kind == "and" else ~(act ^ weight) & mask
        return products.bit_count() if self.count else products

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        products = Signal(self.pairs)
        both = self.act & self.weight if self.kind == "and" else ~(self.act ^ self.weight)
        m.d.comb += products.eq(both)
        if not self.count:
            m.d.comb += self.o.eq(products)
            return m
        bits: list[Value] = list(products)
        for weight in range(len(self.o)):
            carries: list[Value] = []
            while len(bits) > 1:
                taken, bits = bits[:3], bits[3:]
                total, carry = _add(m, f"{weight}_{len(carries)}", taken)
                bits.append(total)
                carries.append(carry)
            m.d.comb += self.o[weight].eq(bits[0])
            bits = carries
        return m


def _add(m: Module, name: str, bits: Sequence[Value]) -> tuple[Value, Value]:
    """Sum and carry of two or three bits.

    Three take four XNOR and two AND gates: with ``p = XNOR(a, b)`` the sum is ``XNOR(p, c)``, and
    the carry ``ab + c(a xor b)`` is ``ab xor c xor cp``, of which each XOR is an XNOR as there are
    two of them.
    """
    total, carry = Signal(name=f"sum_{name}"), Signal(name=f"carry_{name}")
    a, b, *rest = bits
    if not rest:
        m.d.comb += [total.eq(a ^ b), carry.eq(a & b)]
        return total, carry
    [c] = rest
    equal = Signal(name=f"equal_{name}")
    m.d.comb += [
        equal.eq(~(a ^ b)),
        total.eq(~(equal ^ c)),
        carry.eq(~(~((a & b) ^ c) ^ (c & equal))),
    ]
    return total, carry


def map_lane(kind: str, pairs: int, *, count: bool = True) -> Netlist:
    """Map a :class:`GateLane` with Yosys, as the module ``lane``.

    Raises
    ------
    TypeError, ValueError, :exc:`~hw.flow.FlowError`
        As :class:`GateLane`; and if Yosys refuses the lane.
    """
    library = ModuleLibrary(prefix="lane")
    library.add_top(GateLane(kind=kind, pairs=pairs, count=count))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in {"lane.v": library.verilog(), "xnor.v": _XNOR, "rest.v": _REST}.items():
            (folder / file).write_text(text)
        script = [
            "read_verilog lane.v",
            "synth -noabc -flatten -top lane",
            "extract -map xnor.v",
            "techmap -map rest.v",
            "opt_clean",
            # Directions of the pins of what is now a netlist of library cells.
            f"read_liberty -lib {_LIBRARY}",
            "write_json netlist.json",
        ]
        run_yosys(script, folder, folder / "log")
        return Netlist.load(folder / "netlist.json")


def lane_figures(kind: str, pairs: int, *, count: bool = True) -> GateFigures:
    """Area, delay and power of a :class:`GateLane`, mapped; errors as of :func:`map_lane`."""
    return measure(map_lane(kind, pairs, count=count).flatten("lane"), read_gates())


def measure(netlist: FlatNetlist, gates: Mapping[str, Gate]) -> GateFigures:
    """Add up the gates of a flattened netlist, and find its slowest path.

    Raises
    ------
    ValueError
        If there is a cell that is no gate of the library.
    """
    unknown = sorted({cell.type for cell in netlist.cells} - gates.keys() - {"$scopeinfo"})
    if unknown:
        raise ValueError(f"Cells without figures: {', '.join(unknown)}")
    cells = [cell for cell in netlist.cells if cell.type in gates]
    paths = nx.DiGraph()
    for cell in cells:
        [sink] = cell.ports["Y"]
        sources = [net for port in cell.inputs for net in cell.ports[port] if net is not None]
        paths.add_weighted_edges_from(
            (source, sink, gates[cell.type].delay_ps) for source in sources
        )
    return GateFigures(
        gates=dict(sorted(Counter(cell.type for cell in cells).items())),
        area_nm2=sum(gates[cell.type].area_nm2 for cell in cells),
        delay_ps=nx.dag_longest_path_length(paths),
        power_nw=sum(gates[cell.type].power_nw for cell in cells),
    )
