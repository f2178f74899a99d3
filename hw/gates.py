"""Circuits made of the paper's two gates: mapping, area, delay and power.

The library ``gates.lib`` has the XNOR and the AND of the paper's Table 2 and nothing else. Both are
enough for any logic (an XNOR with one input tied low inverts), but ABC refuses a library of two
cells, so Yosys' ``techmap`` takes each operator to its gates.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
from amaranth.lib import wiring

from pa_hdl.emit import ModuleLibrary

from .flow import run_yosys
from .netlist import FlatNetlist, Netlist

__all__ = ["TOP", "Gate", "GateFigures", "figures_of", "map_gates", "measure", "read_gates"]

TOP = "top"
"""Name of the module that is mapped."""

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
module \$_OR_ (input A, input B, output Y);
  wire equal, both;
  XNOR2 g (.A(A), .B(B), .Y(equal));
  AND2 h (.A(A), .B(B), .Y(both));
  XNOR2 i (.A(equal), .B(both), .Y(Y));
endmodule
module \$_MUX_ (input A, input B, input S, output Y);
  wire a, b, x;
  AND2 g (.A(A), .B(S), .Y(a));
  AND2 h (.A(B), .B(S), .Y(b));
  XNOR2 i (.A(A), .B(a), .Y(x));
  XNOR2 j (.A(x), .B(b), .Y(Y));
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


def map_gates(component: wiring.Component) -> Netlist:
    """Map a component without registers with Yosys, as the module ``top``.

    Raises
    ------
    :exc:`~hw.flow.FlowError`
        If Yosys refuses it.
    """
    library = ModuleLibrary(prefix=TOP)
    library.add_top(component)
    files = {"top.v": library.verilog(), "xnor.v": _XNOR, "rest.v": _REST}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text)
        script = [
            "read_verilog top.v",
            f"synth -noabc -flatten -top {TOP}",
            "extract -map xnor.v",
            "techmap -map rest.v",
            "opt_clean",
            # Directions of the pins of what is now a netlist of library cells.
            f"read_liberty -lib {_LIBRARY}",
            "write_json netlist.json",
        ]
        run_yosys(script, folder, folder / "log")
        return Netlist.load(folder / "netlist.json")


def figures_of(component: wiring.Component) -> GateFigures:
    """Map and measure a component; errors as of :func:`map_gates` and :func:`measure`."""
    return measure(map_gates(component).flatten(TOP), read_gates())


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
