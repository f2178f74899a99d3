"""Paths that place and route reports, told by the design's own components.

Cells of a routed netlist are named after the nets that they drive, and those begin with the
instances that they lie in: the longest known instance path at the start of a name is its component.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["PINS", "Names", "Step", "critical_steps", "slowest_by_component"]

PINS = "pins"
"""What stands for the flip-flops between the design and the pins."""

_MAPPED = re.compile(r"(_(TRELLIS_FF|LUT4|CCU2C|PFUMX|L6MUX21|TRELLIS_DPR16X4)_|\$).*")


@dataclass(frozen=True, kw_only=True)
class Step:
    """A stretch of a path: what delays the signal there, how long, and where it leads.

    Parameters
    ----------
    kind : :class:`str`
        ``clk-to-q``, ``logic``, ``routing`` or ``setup``.
    delay_ns : :class:`float`
        Its delay.
    component, net : :class:`str`
        Where it ends: component, and the net that the cell there drives.
    """

    kind: str
    delay_ns: float
    component: str
    net: str


class Names:
    """Which component a cell lies in.

    Parameters
    ----------
    components : iterable of :class:`str`
        Instance paths below the top module of the design.
    instance : :class:`str`
        The design's instance in the netlist.
    """

    def __init__(self, components: Iterable[str], instance: str) -> None:
        self._known = set(components)
        self._prefix = f"{instance}."

    def split(self, cell: str) -> tuple[str, str]:
        """Component of a cell, and the name of its net there."""
        if not cell.startswith(self._prefix):
            return PINS, _net(cell)
        parts = cell.removeprefix(self._prefix).split(".")
        for length in range(len(parts) - 1, 0, -1):
            if (path := ".".join(parts[:length])) in self._known:
                return path, _net(".".join(parts[length:]))
        return "", _net(".".join(parts))


def _net(cell: str) -> str:
    return _MAPPED.sub("", cell)


def critical_steps(report: dict[str, Any], names: Names) -> tuple[Step, ...]:
    """The path of a nextpnr report that limits its clock, from register to register.

    Raises
    ------
    :exc:`ValueError`
        If the report has none.
    """
    for path in report["critical_paths"]:
        if path["from"] == path["to"]:
            return tuple(_step(stretch, names) for stretch in path["path"])
    raise ValueError("the report of nextpnr must hold a path from clock to clock")


def _step(stretch: dict[str, Any], names: Names) -> Step:
    component, net = names.split(stretch["to"]["cell"])
    delay = round(stretch["delay"], 3)
    return Step(kind=stretch["type"], delay_ns=delay, component=component, net=net)


def slowest_by_component(report: dict[str, Any], names: Names) -> dict[str, float]:
    """Longest delay that ends in each kind of component, slowest first.

    Components that differ in a number alone, such as processing elements, are one kind.
    """
    slowest: dict[str, float] = {}
    for net in report["detailed_net_timings"]:
        for end in net["endpoints"]:
            if end["event"].startswith("posedge"):
                kind = re.sub(r"\d+", "*", names.split(end["cell"])[0])
                slowest[kind] = max(slowest.get(kind, 0.0), round(end["delay"][1], 3))
    return dict(sorted(slowest.items(), key=lambda item: -item[1]))
