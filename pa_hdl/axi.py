"""AXI4-Stream at the edge of an engine: names and packing of the top-level module.

Lane 0 of a beat is least significant, lanes are packed without gaps, and the whole beat is padded
to bytes: padding bits are ignored on input and 0 on output. Clock ``clk``, synchronous reset
``rst``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.emit import add_submodule

if TYPE_CHECKING:
    from pa_hdl.engine import Engine

__all__ = [
    "AxiEngine",
    "byte_padded",
    "connect_sink",
    "connect_source",
    "sink_members",
    "source_members",
]


def byte_padded(bits: int) -> int:
    """Width of TDATA for a beat of ``bits``: whole bytes, at least one."""
    return max(1, -(-bits // 8)) * 8


class AxiEngine(wiring.Component):
    """An engine behind AXI4-Stream ports with their usual names, as the top of a design.

    Wires only, so that the engine's cycles hold at the ports. No combinational path leads from an
    input to an output, within a stream or between two. There is no TKEEP: every byte of every beat
    counts.

    Parameters
    ----------
    engine : :class:`~pa_hdl.engine.Engine`
        What it wraps.

    Members
    -------
    s_axis_tdata, s_axis_tvalid, s_axis_tready, s_axis_tlast : activations, SIMD a beat
    m_axis_tdata, m_axis_tvalid, m_axis_tready, m_axis_tlast : accumulators, PE a beat
    frame_short, frame_long : TLAST came early, or late, since reset
    s_axis_cfg_tdata, s_axis_cfg_tvalid, s_axis_cfg_tready, s_axis_cfg_tlast : 32-bit words of a
        load (loadable engines)
    cfg_loaded, cfg_error : the last load was good, or was not (loadable engines)
    """

    module_name = "top"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        config = engine.config
        members: dict[str, Any] = {
            **sink_members("s_axis", byte_padded(config.simd * config.act_bits)),
            **source_members("m_axis", byte_padded(config.pe * config.acc_bits)),
            "frame_short": Out(1),
            "frame_long": Out(1),
        }
        if config.loadable:
            members |= sink_members("s_axis_cfg", 32)
            members |= {"cfg_loaded": Out(1), "cfg_error": Out(1)}
        super().__init__(members)

    @property
    def module_key(self) -> Any:
        return self.engine.module_key

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        engine = self.engine
        add_submodule(m, platform, "engine", engine)
        connect_sink(m, self, "s_axis", engine.i)
        connect_source(m, self, "m_axis", engine.o)
        m.d.comb += [
            self.frame_short.eq(engine.frame_short),
            self.frame_long.eq(engine.frame_long),
        ]
        if engine.config.loadable:
            connect_sink(m, self, "s_axis_cfg", engine.cfg)
            m.d.comb += [
                self.cfg_loaded.eq(engine.cfg_loaded),
                self.cfg_error.eq(engine.cfg_error),
            ]
        return m


def connect_sink(m: Module, top: Any, name: str, sink: Any) -> None:
    """The AXI4-Stream ports of ``top`` called ``name`` feed a stream of beats."""
    m.d.comb += [
        Value.cast(sink.p.data).eq(getattr(top, f"{name}_tdata")),
        sink.p.last.eq(getattr(top, f"{name}_tlast")),
        sink.valid.eq(getattr(top, f"{name}_tvalid")),
        getattr(top, f"{name}_tready").eq(sink.ready),
    ]


def connect_source(m: Module, top: Any, name: str, source: Any) -> None:
    """A stream of beats feeds the AXI4-Stream ports of ``top`` called ``name``."""
    m.d.comb += [
        getattr(top, f"{name}_tdata").eq(Value.cast(source.p.data)),
        getattr(top, f"{name}_tlast").eq(source.p.last),
        getattr(top, f"{name}_tvalid").eq(source.valid),
        source.ready.eq(getattr(top, f"{name}_tready")),
    ]


def sink_members(name: str, width: int) -> dict[str, Any]:
    """Ports of an AXI4-Stream that comes in."""
    return {
        f"{name}_tdata": In(width),
        f"{name}_tvalid": In(1),
        f"{name}_tready": Out(1),
        f"{name}_tlast": In(1),
    }


def source_members(name: str, width: int) -> dict[str, Any]:
    """Ports of an AXI4-Stream that goes out."""
    return {port: member.flip() for port, member in sink_members(name, width).items()}
