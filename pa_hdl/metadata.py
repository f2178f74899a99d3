"""What a generator's user needs to know beside the Verilog, as numbers and as comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from amaranth.lib import wiring

from pa_hdl.axi import AxiEngine, byte_padded
from pa_hdl.config import EngineConfig
from pa_hdl.emit import ports_of
from pa_hdl.loader import WORD_BITS, word_map
from pa_hdl.memory import Ram
from pa_hdl.schedule import Schedule

__all__ = ["annotate", "metadata"]

_DECLARATION = re.compile(r"  (?:input|output|wire)(?: \[\d+:0\])? (\w+);")
_RASTER = "rows, columns, channels innermost"

_WAIVERS = {
    "DECLFILENAME": "one file holds every module of the engine",
    "PROCASSINIT": "registers have the same value at power-up as after reset",
    "CASEOVERLAP": "the selects of a case compare one value with different constants: one holds",
    "WIDTHEXPAND": "operands of a sum or comparison extend to the width it is computed in",
    "WIDTHTRUNC": "a table shifted by its index gives its lowest bit, a sum that wraps its lowest",
    "UNOPTFLAT": "twice a loaded coefficient repeats its bits on one bus, no bit depends on itself",
    "UNUSEDSIGNAL": (
        "padding of beats, bits of sums that wrap, and rst where nothing is reset lead nowhere"
    ),
}
"""Warnings of ``verilator -Wall`` that the text gives reason for, and why each is harmless."""


def metadata(
    config: EngineConfig,
    *,
    name: str,
    top: AxiEngine,
    rams: dict[str, Ram],
    files: Sequence[str],
    models: Sequence[str] = (),
) -> dict[str, Any]:
    """Everything about an engine that a program may want to know, as JSON holds it.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        Of the engine.
    name : :class:`str`
        Of its top module.
    top : :class:`~pa_hdl.axi.AxiEngine`
        Whose ports are listed.
    rams : :class:`dict`
        Memories by the names of their modules.
    files : sequence of :class:`str`
        Memory files that have to stand where the Verilog is read.
    models : sequence of :class:`str`
        Files of device cells, for simulators only.
    """
    schedule = Schedule(config)
    return {
        "name": name,
        "config": config.as_json(),
        "out_height": config.out_height,
        "out_width": config.out_width,
        "acc_bits": config.acc_bits,
        "threshold_bits": config.threshold_bits,
        "folds_per_frame": config.folds_per_frame,
        "latency_cycles": schedule.latency,
        "initiation_interval": schedule.initiation_interval,
        "cycles_per_frame": schedule.initiation_interval,
        "overhead_cycles": schedule.overhead,
        "first_frame_cycles": schedule.cycles(1),
        "clock": "clk",
        "reset": {"name": "rst", "synchronous": True, "active": 1},
        "ports": [
            {"name": "clk", "direction": "input", "width": 1},
            {"name": "rst", "direction": "input", "width": 1},
            *(
                {
                    "name": port,
                    "direction": "input" if flow == wiring.In else "output",
                    "width": len(value),
                }
                for port, flow, value in ports_of(top)
            ),
        ],
        "streams": _streams(config),
        "word_map": _word_map(config) if config.loadable else None,
        "memories": [
            {
                "module": module,
                "depth": ram.depth,
                "width": ram.width,
                "writable": ram.writable,
                "file": file if (file := f"{module}.mem") in files else None,
            }
            for module, ram in rams.items()
        ],
        "simulation_models": list(models),
    }


def _streams(config: EngineConfig) -> dict[str, Any]:
    def stream(
        direction: str, what: str, lanes: int, bits: int, signed: bool, beats: int, channels: int
    ) -> dict[str, Any]:
        return {
            "direction": direction,
            "element": what,
            "lanes": lanes,
            "lane_bits": bits,
            "signed": signed,
            "lane_order": "lane 0 least significant, no gaps",
            "tdata_bits": byte_padded(lanes * bits),
            "padding_bits": byte_padded(lanes * bits) - lanes * bits,
            "order": _RASTER,
            "channels": channels,
            "idle_lanes_of_last_beat": -channels % lanes,
            "beats_per_frame": beats,
            "tlast": "last beat of a frame",
        }

    streams: dict[str, Any] = {
        "s_axis": stream(
            "input", "activation", config.simd, config.act_bits, config.act_signed,
            config.in_beats, config.in_channels,
        ),
        "m_axis": stream(
            "output", "accumulator", config.pe, config.acc_bits, True,
            config.out_beats, config.out_channels,
        ),
    }  # fmt: skip
    if config.loadable:
        streams["s_axis_cfg"] = {
            "direction": "input",
            "element": "word of a load",
            "lanes": 1,
            "lane_bits": WORD_BITS,
            "tdata_bits": WORD_BITS,
            "order": "word_map",
            "beats": sum(section.words for section in word_map(config)),
            "tlast": "last word of a load",
        }
    return streams


def _word_map(config: EngineConfig) -> list[dict[str, Any]]:
    return [
        {
            "section": section.name,
            "offset": section.offset,
            "words": section.words,
            "layout": section.layout,
        }
        for section in word_map(config)
    ]


def annotate(verilog: str, facts: dict[str, Any]) -> str:
    """The Verilog with a header that says what it is, lint waivers, and a comment a port."""
    lines = [line for line in verilog.splitlines() if not line.startswith("/* Generated by")]
    start = next(at for at, line in enumerate(lines) if line.startswith(f"module {facts['name']}("))
    end = lines.index("endmodule", start)
    names = {port["name"] for port in facts["ports"]}
    inside = [
        line
        for line in lines[start + 1 : end]
        if not ((match := _DECLARATION.fullmatch(line)) and match[1] in names)
    ]
    waivers = [
        text
        for warning, reason in _WAIVERS.items()
        for text in (f"// {reason}:", f"// verilator lint_off {warning}")
    ]
    return "\n".join(
        [
            *(f"// {line}".rstrip() for line in _header(facts)),
            "",
            "// verilator lint_save",
            *waivers,
            *lines[:start],
            *_ports(facts),
            *inside,
            *lines[end:],
            "",
            "// verilator lint_restore",
            "",
        ]
    )


def _ports(facts: dict[str, Any]) -> list[str]:
    """Head of the top module, a line a port in the order of the metadata."""
    lines = []
    for port in facts["ports"]:
        span = "" if port["width"] == 1 else f" [{port['width'] - 1}:0]"
        comma = "" if port is facts["ports"][-1] else ","
        lines.append(
            f"  {port['direction']:6} wire{span} {port['name']}{comma}"
            f"  // {_port_comment(port['name'], facts)}"
        )
    return [f"module {facts['name']} (", *lines, ");"]


def _header(facts: dict[str, Any]) -> list[str]:
    config, streams = facts["config"], facts["streams"]
    c, o = config["in_channels"], config["out_channels"]
    kernel, stride = (" x ".join(map(str, config[name])) for name in ("kernel", "stride"))
    pad = " ".join(map(str, config["pad"]))
    sign = "two's complement" if config["act_signed"] else "unsigned"
    files = [memory["file"] for memory in facts["memories"] if memory["file"]]
    text = f"""\
{facts["name"]}: piecewise-approximated convolution, one frame after the other.

  acc[o][y][x] = sum over c, ky, kx of phi[w][a]
    w = code of the weight at (o, c, ky, kx), 0 to M = {config["m"]}
    a = number of the N = {config["n"]} thresholds that the input element reaches
    a tap that falls on padding adds 0

  input   {c} channels, {config["height"]} x {config["width"]}, {sign} {config["act_bits"]} bits
  output  {o} channels, {facts["out_height"]} x {facts["out_width"]}, two's complement
          {facts["acc_bits"]} bits
  kernel  {kernel}, stride {stride}, padding {pad} (top bottom left right)
  work    SIMD {config["simd"]} input x PE {config["pe"]} output channels a cycle
          {_arithmetic(config)}
  time    {facts["latency_cycles"]} cycles from the first beat in to the first beat out
          {facts["cycles_per_frame"]} cycles a frame

Streams are AXI4-Stream: lane 0 least significant, no gaps, beats padded to bytes.
  s_axis  {_lanes(streams["s_axis"])}
  m_axis  {_lanes(streams["m_axis"])}"""
    lines = [*text.splitlines(), *_load_header(facts)]
    if files:
        lines += ["", "Read by $readmemh: " + ", ".join(files)]
    if facts["simulation_models"]:
        lines += ["", "Cells of the device, for simulation: " + facts["simulation_models"][0]]
    return lines


def _arithmetic(config: dict[str, Any]) -> str:
    """Base and datapath; the form of a device only where there is one."""
    text = f"{config['base']} bases, {config['phi_bits']}-bit phi, {config['datapath']} datapath"
    return text if config["target"] == "generic" else f"{text}, cells of {config['target']}"


def _lanes(stream: dict[str, Any]) -> str:
    lanes, bits, beats = stream["lanes"], stream["lane_bits"], stream["beats_per_frame"]
    return f"{lanes} lanes of {bits} bits, {beats} beats a frame: {stream['order']}"


def _load_header(facts: dict[str, Any]) -> list[str]:
    if facts["word_map"] is None:
        return ["", "Weights, phi and thresholds are baked in."]
    words = facts["streams"]["s_axis_cfg"]["beats"]
    return [
        f"  s_axis_cfg  {words} words of 32 bits, TLAST on the last; by offset:",
        *(
            f"    {section['offset']:6}  {section['section']}: {section['layout']}"
            for section in facts["word_map"]
        ),
        "",
        "No frame is taken before a complete load.",
    ]


def _port_comment(port: str, facts: dict[str, Any]) -> str:
    fixed = {
        "clk": "clock, rising edge",
        "rst": "synchronous reset, active high",
        "frame_short": "sticky: TLAST came before the end of a frame; missing beats are padding",
        "frame_long": "sticky: TLAST came after the end of a frame; surplus beats are dropped",
        "cfg_loaded": "a good load is in place; frames are accepted",
        "cfg_error": "the last load was too short, too long or out of range",
    }
    if port in fixed:
        return fixed[port]
    stream, _, signal = port.rpartition("_")
    layout = facts["streams"][stream]
    if signal == "tdata":
        return f"{layout['lanes']} x {layout['lane_bits']} bits: {layout['element']}"
    if signal == "tlast":
        return layout["tlast"]
    return "handshake"
