"""AXI4-Stream at the edge of an engine: skid buffers and the top-level module.

Lane 0 of a beat is least significant, lanes are packed without gaps, and the whole beat is padded
to bytes: padding bits are ignored on input and 0 on output. Clock ``clk``, synchronous reset
``rst``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.emit import add_submodule

if TYPE_CHECKING:
    from pa_hdl.engine import Engine

__all__ = ["AxiEngine", "SkidBuffer", "byte_padded"]


def byte_padded(bits: int) -> int:
    """Width of TDATA for a beat of ``bits``: whole bytes, at least one."""
    return max(1, -(-bits // 8)) * 8


class SkidBuffer(wiring.Component):
    """Hand a stream on, one cycle late, a beat a cycle, with every output a register.

    Neither ``valid`` and payload nor ``ready`` pass through combinationally. Not ready in reset.

    Parameters
    ----------
    width : :class:`int`
        Bits of the payload, at least 1.

    Members
    -------
    i : beats
    o : the same beats, in order
    """

    def __init__(self, *, width: int) -> None:
        if not isinstance(width, int) or isinstance(width, bool):
            raise TypeError(f"Skid buffer width must be an integer, not {width!r}")
        if width < 1:
            raise ValueError(f"Skid buffer width must be at least 1, not {width!r}")
        self.width = width
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    @property
    def module_key(self) -> int:
        return self.width

    @property
    def module_name(self) -> str:
        return f"skid_{self.width}"

    def model(self, beats: list[int]) -> list[int]:
        """The beats that come out."""
        return beats

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        ready = Signal()
        spare = Signal(self.width)
        spare_valid = Signal()
        accept = self.i.valid & ready
        m.d.comb += self.i.ready.eq(ready)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(spare_valid | accept),
                spare_valid.eq(0),
                ready.eq(1),
            ]
            with m.If(spare_valid):
                m.d.sync += self.o.payload.eq(spare)
            with m.Else():
                m.d.sync += self.o.payload.eq(self.i.payload)
        with m.Elif(accept):
            m.d.sync += [spare.eq(self.i.payload), spare_valid.eq(1), ready.eq(0)]
        return m


class AxiEngine(wiring.Component):
    """An engine behind AXI4-Stream ports with their usual names, as the top of a design.

    A skid buffer at each stream adds one cycle, so that every output is a register and no path
    crosses the module. There is no TKEEP: every byte of every beat counts.

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
            **_sink("s_axis", byte_padded(config.simd * config.act_bits)),
            **_source("m_axis", byte_padded(config.pe * config.acc_bits)),
            "frame_short": Out(1),
            "frame_long": Out(1),
        }
        if config.loadable:
            members |= _sink("s_axis_cfg", 32)
            members |= {"cfg_loaded": Out(1), "cfg_error": Out(1)}
        super().__init__(members)

    @property
    def module_key(self) -> Any:
        return self.engine.module_key

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        engine = self.engine
        add_submodule(m, platform, "engine", engine)
        self._connect_sink(m, platform, "s_axis", engine.i)
        self._connect_source(m, platform, "m_axis", engine.o)
        m.d.comb += [
            self.frame_short.eq(engine.frame_short),
            self.frame_long.eq(engine.frame_long),
        ]
        if engine.config.loadable:
            self._connect_sink(m, platform, "s_axis_cfg", engine.cfg)
            m.d.comb += [
                self.cfg_loaded.eq(engine.cfg_loaded),
                self.cfg_error.eq(engine.cfg_error),
            ]
        return m

    def _connect_sink(self, m: Module, platform: Any, name: str, sink: Any) -> None:
        lanes = Value.cast(sink.p.data)
        skid = SkidBuffer(width=len(lanes) + 1)
        add_submodule(m, platform, f"{name}_skid", skid)
        m.d.comb += [
            skid.i.payload.eq(
                Cat(getattr(self, f"{name}_tdata")[: len(lanes)], getattr(self, f"{name}_tlast"))
            ),
            skid.i.valid.eq(getattr(self, f"{name}_tvalid")),
            getattr(self, f"{name}_tready").eq(skid.i.ready),
            lanes.eq(skid.o.payload),
            sink.p.last.eq(skid.o.payload[-1]),
            sink.valid.eq(skid.o.valid),
            skid.o.ready.eq(sink.ready),
        ]

    def _connect_source(self, m: Module, platform: Any, name: str, source: Any) -> None:
        lanes = Value.cast(source.p.data)
        skid = SkidBuffer(width=len(lanes) + 1)
        add_submodule(m, platform, f"{name}_skid", skid)
        m.d.comb += [
            skid.i.payload.eq(Cat(lanes, source.p.last)),
            skid.i.valid.eq(source.valid),
            source.ready.eq(skid.i.ready),
            getattr(self, f"{name}_tdata").eq(skid.o.payload[:-1]),
            getattr(self, f"{name}_tlast").eq(skid.o.payload[-1]),
            getattr(self, f"{name}_tvalid").eq(skid.o.valid),
            skid.o.ready.eq(getattr(self, f"{name}_tready")),
        ]


def _sink(name: str, width: int) -> dict[str, Any]:
    return {
        f"{name}_tdata": In(width),
        f"{name}_tvalid": In(1),
        f"{name}_tready": Out(1),
        f"{name}_tlast": In(1),
    }


def _source(name: str, width: int) -> dict[str, Any]:
    return {port: member.flip() for port, member in _sink(name, width).items()}
