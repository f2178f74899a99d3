"""Mapped netlists as Yosys writes them in JSON: counting and flattening through the hierarchy."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .targets import Target, Uses

__all__ = ["FlatCell", "FlatNetlist", "Netlist"]

_CONSTANTS = "01xz"


@dataclass(frozen=True)
class FlatCell:
    """A leaf cell with its instance path.

    Members
    -------
    name, type : instance path, and type of the cell
    ports : the net of each bit of each port, ``None`` for a constant
    inputs : names of the ports that are inputs
    init : the parameter ``INIT``, which holds the function of a LUT; ``None`` without one
    """

    name: str
    type: str
    ports: dict[str, list[int | None]]
    inputs: tuple[str, ...]
    init: int | None = None


@dataclass(frozen=True)
class FlatNetlist:
    """Every leaf cell below one module.

    Members
    -------
    cells : the cells
    nets : how many nets there are, numbered from 0
    read : nets that an input of a cell, or an output of the module, reads
    names : a readable name for the nets that have one
    """

    cells: list[FlatCell]
    nets: int
    read: frozenset[int]
    names: dict[int, str]


class _Aliases:
    """Nets as disjoint sets: ports of a module may be shorted inside it."""

    def __init__(self) -> None:
        self._parent: list[int] = []

    def __len__(self) -> int:
        return len(self._parent)

    def new(self) -> int:
        self._parent.append(len(self._parent))
        return len(self._parent) - 1

    def find(self, net: int) -> int:
        while self._parent[net] != net:
            self._parent[net] = self._parent[self._parent[net]]
            net = self._parent[net]
        return net

    def join(self, one: int, other: int) -> None:
        self._parent[self.find(one)] = self.find(other)


class Netlist:
    """A hierarchy of modules of mapped cells.

    Parameters
    ----------
    modules : :class:`dict`
        The member ``modules`` of what ``write_json`` writes. A cell whose type is not one of
        them, or is one that is marked as a black box, is a leaf.
    """

    def __init__(self, modules: dict[str, Any]) -> None:
        self.modules = {
            name: module
            for name, module in modules.items()
            if not any(
                int(str(module.get("attributes", {}).get(mark, "0")), 2)
                for mark in ("blackbox", "whitebox")
            )
        }

    @classmethod
    def load(cls, path: Path) -> Netlist:
        """Read the JSON file at ``path``."""
        return cls(json.loads(path.read_text())["modules"])

    def find(self, matches: Callable[[str], bool]) -> list[str]:
        """Names of the modules for which ``matches`` holds, sorted."""
        return sorted(name for name in self.modules if matches(name))

    def instances(self, top: str) -> Counter[str]:
        """How often each module below ``top`` stands in it, ``top`` itself once."""
        return self._tally(top, leaves=False)

    def cells(self, top: str) -> Counter[str]:
        """How many leaf cells of each type ``top`` holds, each module times its instances."""
        return self._tally(top, leaves=True)

    def _tally(self, top: str, *, leaves: bool) -> Counter[str]:
        done: dict[str, Counter[str]] = {}

        def tally(name: str) -> Counter[str]:
            if name not in done:
                here: Counter[str] = Counter() if leaves else Counter({name: 1})
                kinds = Counter(cell["type"] for cell in self.modules[name]["cells"].values())
                for kind, count in kinds.items():
                    if kind in self.modules:
                        for inner, each in tally(kind).items():
                            here[inner] += each * count
                    elif leaves:
                        here[kind] += count
                done[name] = here
            return done[name]

        return tally(top)

    def uses(self, top: str, target: Target) -> Uses:
        """What ``top`` takes of ``target``."""
        total = Uses()
        for kind, count in self.cells(top).items():
            total += target.model_of(kind).uses.times(count)
        return total

    def flatten(self, top: str) -> FlatNetlist:
        """Dissolve the hierarchy below ``top``: one number for each electrical net."""
        aliases = _Aliases()
        names: dict[int, str] = {}
        ports = {
            name: [aliases.new() for _ in port["bits"]]
            for name, port in self.modules[top]["ports"].items()
        }
        cells = list(self._expand(top, "", ports, aliases, names))
        read: set[int] = set()
        for name, port in self.modules[top]["ports"].items():
            if port["direction"] != "input":
                read.update(map(aliases.find, ports[name]))
        for cell in cells:
            for nets in cell.ports.values():
                nets[:] = [None if net is None else aliases.find(net) for net in nets]
            for name in cell.inputs:
                read.update(net for net in cell.ports[name] if net is not None)
        readable = {aliases.find(net): name for net, name in names.items()}
        return FlatNetlist(cells, len(aliases), frozenset(read), readable)

    def _expand(
        self,
        name: str,
        path: str,
        outside: Mapping[str, Sequence[int | None]],
        aliases: _Aliases,
        names: dict[int, str],
    ) -> Iterator[FlatCell]:
        module = self.modules[name]
        nets: dict[int | str, int | None] = dict.fromkeys(_CONSTANTS)

        def resolve(bits: Iterable[int | str]) -> list[int | None]:
            for bit in bits:
                if bit not in nets:
                    nets[bit] = aliases.new()
            return [nets[bit] for bit in bits]

        for port, given in outside.items():
            for inner, outer in zip(resolve(module["ports"][port]["bits"]), given, strict=True):
                if inner is not None and outer is not None:
                    aliases.join(inner, outer)
        for label, wire in module["netnames"].items():
            if not wire["hide_name"]:
                for index, net in enumerate(resolve(wire["bits"])):
                    if net is not None:
                        names.setdefault(net, f"{path}{label}[{index}]")
        for label, cell in module["cells"].items():
            ports = {port: resolve(bits) for port, bits in cell["connections"].items()}
            if cell["type"] in self.modules:
                yield from self._expand(cell["type"], f"{path}{label}.", ports, aliases, names)
            else:
                directions = cell["port_directions"].items()
                inputs = tuple(port for port, direction in directions if direction != "output")
                yield FlatCell(f"{path}{label}", cell["type"], ports, inputs, _init(cell))


def _init(cell: Mapping[str, Any]) -> int | None:
    """The parameter ``INIT``: Yosys writes constants as bits, those it does not know as ``x``."""
    bits = cell.get("parameters", {}).get("INIT")
    if not isinstance(bits, str) or not bits or set(bits) - {"0", "1"}:
        return None
    return int(bits, 2)
