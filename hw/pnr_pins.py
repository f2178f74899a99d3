"""A design with more ports than a package has pins, behind three pins.

A shift register feeds every input, every output ends in a register, and those are folded into one
pin. All of them are flip-flops of the design's own clock, so a path into or out of the design
counts as it would beside a neighbour with registered ports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .flow import Design

__all__ = ["INSTANCE", "TOP", "Port", "ports_of", "with_pins"]

TOP = "pins"
"""Module that holds the pins."""

INSTANCE = "dut"
"""Instance of the design in it."""

_CLOCK = "clk"
_PORT = re.compile(r"\b(input|output)\s+(?:wire\s+|reg\s+)?(?:\[(\d+):0\]\s*)?(\w+)")


@dataclass(frozen=True)
class Port:
    """One port: its name, whether it is an output, and its bits."""

    name: str
    output: bool
    width: int


def ports_of(verilog: str, module: str) -> list[Port]:
    """Ports of a module, however its header is written.

    Raises
    ------
    :exc:`ValueError`
        If the text has no such module.
    """
    found = re.search(rf"^module {re.escape(module)}\s*\(.*?^endmodule", verilog, re.M | re.S)
    if not found:
        raise ValueError(f"the design must have a module {module!r}")
    text = re.sub(r"//.*", "", found[0])
    return [
        Port(name, direction == "output", int(high or 0) + 1)
        for direction, high, name in _PORT.findall(text)
    ]


def _connections(ports: list[Port], wire: str) -> list[str]:
    lines, at = [], 0
    for port in ports:
        lines.append(f"    .{port.name}({wire}[{at} +: {port.width}])")
        at += port.width
    return lines


def with_pins(design: Design) -> Design:
    """``design`` as the one instance of a new top module with the pins ``clk``, ``i`` and ``o``.

    Raises
    ------
    :exc:`ValueError`
        If the design has no clock ``clk``.
    """
    ports = ports_of(design.verilog, design.top)
    if _CLOCK not in [port.name for port in ports]:
        raise ValueError(f"module {design.top!r} must have a clock {_CLOCK!r}")
    inputs = [port for port in ports if not port.output and port.name != _CLOCK]
    outputs = [port for port in ports if port.output]
    sent = sum(port.width for port in inputs)
    caught = sum(port.width for port in outputs)
    connections = ",\n".join(
        [f"    .{_CLOCK}({_CLOCK})", *_connections(inputs, "sent"), *_connections(outputs, "out")]
    )
    text = f"""
module {TOP} (input clk, input i, output o);
  reg [{sent}:0] sent;
  reg [{caught - 1}:0] caught;
  reg [{caught}:0] folded;
  wire [{caught - 1}:0] out;
  assign o = folded[{caught}];
  always @(posedge clk) begin
    sent <= {{sent, i}};
    caught <= out;
    folded <= {{folded, 1'b0}} ^ caught;
  end
  {design.top} {INSTANCE} (
{connections}
  );
endmodule
"""
    keep = "|".join(part for part in (design.keep, re.escape(design.top)) if part)
    return replace(design, top=TOP, verilog=design.verilog + text, keep=keep)
