"""Instances of generated Verilog, and which of them drive which, through Yosys."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.flow import run_yosys

__all__ = ["Instance", "Pin", "drivers", "instances", "modules"]

_CLOCKED = {"clk", "rst"}


@dataclass(frozen=True, kw_only=True)
class Instance:
    """An instance of a module."""

    name: str
    module: str


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A bit of a port of an instance, or of the module around it (``instance`` empty)."""

    instance: str
    port: str
    bit: int


def modules(verilog: str, memories: Mapping[str, str], *, top: str) -> dict[str, Any]:
    """Modules of a design by name, each a netlist of instances and word-level cells.

    Raises
    ------
    hw.flow.FlowError
        If Yosys refuses it.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name, text in {"design.v": verilog, **memories}.items():
            (place / name).write_text(text)
        steps = ["read_verilog design.v", f"hierarchy -check -top {top}", "proc"]
        run_yosys([*steps, "write_json netlist.json"], place, place / "log")
        netlist = json.loads((place / "netlist.json").read_text())
    return dict(netlist["modules"])


def instances(module: Mapping[str, Any]) -> list[Instance]:
    """Instances of other modules, in the order of their names."""
    return [
        Instance(name=name, module=cell["type"])
        for name, cell in sorted(module["cells"].items())
        if not cell["type"].startswith("$")
    ]


def drivers(module: Mapping[str, Any], instance: str, port: str) -> set[Pin]:
    """Bits that a port depends on, through whatever logic and registers lie between.

    ``instance`` empty stands for an output of the module.  Clocks, resets and constants are left
    out.
    """
    ends, logic = _sources(module)
    if instance:
        wanted = module["cells"][instance]["connections"][port]
    else:
        wanted = module["ports"][port]["bits"]
    found, seen, waiting = set(), set(), list(wanted)
    while waiting:
        net = waiting.pop()
        if net in seen or isinstance(net, str):
            continue
        seen.add(net)
        if net in ends:
            found.add(ends[net])
        else:
            waiting += logic.get(net, ())
    return {pin for pin in found if pin.port not in _CLOCKED}


def _sources(module: Mapping[str, Any]) -> tuple[dict[Any, Pin], dict[Any, list[Any]]]:
    """What drives each net: a pin, or the nets that a cell computes it from."""
    ends: dict[Any, Pin] = {}
    logic: dict[Any, list[Any]] = {}
    for name, port in module["ports"].items():
        if port["direction"] == "input":
            ends.update(_pins("", name, port["bits"]))
    for name, cell in module["cells"].items():
        inputs: list[Any] = []
        outputs: list[tuple[str, list[Any]]] = []
        for port, nets in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                inputs += nets
            else:
                outputs.append((port, nets))
        for port, nets in outputs:
            if cell["type"].startswith("$"):
                logic.update(dict.fromkeys(nets, inputs))
            else:
                ends.update(_pins(name, port, nets))
    return ends, logic


def _pins(instance: str, port: str, nets: list[Any]) -> Iterator[tuple[Any, Pin]]:
    for bit, net in enumerate(nets):
        yield net, Pin(instance=instance, port=port, bit=bit)
