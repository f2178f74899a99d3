"""What every node with a line buffer has in common: its ports, its parts and how they are wired."""

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.emit import add_submodule
from pa_hdl.frame import Collector, FrameGuard, acc_layout, act_layout, stream_shapes
from pa_hdl.geometry import WindowConfig
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.timing import Curve, Passage
from pa_hdl.passage import window_passage
from pa_hdl.popcount import delay
from pa_hdl.schedule import Schedule
from pa_hdl.window import Window

__all__ = ["WindowNode"]


class WindowNode(wiring.Component):
    """A window slid over a stream of frames, one fold per cycle; subclasses bring the arithmetic.

    A frame takes ``schedule.initiation_interval`` cycles in steady state, its first output beat
    comes ``schedule.latency`` cycles after its first input beat. Stalls on either side change
    nothing but time; no combinational path leads from one stream to the other.

    ::

                   ┌───────┐   ┌─────────┐   ┌────────┐   ┌────────────┐   ┌───────────┐
        i (acts) ─▶│ guard │──▶│ encoder │──▶│ window │──▶│ arithmetic │──▶│ collector │─▶ o (accs)
                   └───────┘   └─────────┘   └────────┘   └────────────┘   └───────────┘
                       ▲ room in the line buffer ┘ ▲  weights ──┘                │
                                                   └─────── credits ◀────────────┘

    Behind the guard nothing stops: a beat enters when the line buffer has room for it, and a fold
    that completes an output is issued when the output queue has.

    Parameters
    ----------
    config : :class:`~pa_hdl.geometry.WindowConfig`
        Shape and formats.
    schedule : :class:`~pa_hdl.schedule.Schedule`
        Of that configuration, with the latencies of encoder and arithmetic.
    members : mapping of :class:`str` to member, optional
        Further ports.

    Members
    -------
    i : activations, SIMD channels a beat, ``last`` with a frame's last beat
    o : accumulators, PE channels a beat, ``last`` with a frame's last beat
    frame_short, frame_long : a frame ended early, or late, since reset
    """

    def __init__(
        self, config: Any, *, schedule: Schedule, members: dict[str, Any] | None = None
    ) -> None:
        self.config = config
        self.schedule = schedule
        super().__init__(
            {
                "i": In(stream.Signature(act_layout(config))),
                "o": Out(stream.Signature(acc_layout(config))),
                "frame_short": Out(1),
                "frame_long": Out(1),
                **(members or {}),
            }
        )

    @property
    def shapes_in(self) -> tuple[StreamShape, ...]:
        """What it takes in a network, where lanes divide the channels."""
        return stream_shapes(self.config)[:1]

    @property
    def shapes_out(self) -> tuple[StreamShape, ...]:
        """What it gives in a network."""
        return stream_shapes(self.config)[1:]

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The input stream."""
        return (self.i,)

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The output stream."""
        return (self.o,)

    def passage(self, arrivals: Curve) -> Passage:
        """When each beat of whole frames is taken, and when each output beat leaves."""
        return window_passage(self.schedule, arrivals)

    def _place(
        self,
        m: Module,
        platform: Any,
        *,
        encoder: tuple[str, Any],
        arithmetic: tuple[str, Any],
        weights: Any = None,
    ) -> tuple[FrameGuard, Collector]:
        """Place all parts, two of them under the names given, and wire them up."""
        config: WindowConfig = self.config
        guard = FrameGuard(config=config)
        window = Window(config=config, rows=self.schedule.rows)
        collector = Collector(config=config, round_trip=self.schedule.credit_round_trip)
        parts = {"guard": guard, encoder[0]: encoder[1], "window": window}
        if weights is not None:
            parts["weights"] = weights
        parts |= {arithmetic[0]: arithmetic[1], "collector": collector}
        for name, part in parts.items():
            add_submodule(m, platform, name, part)
        self._connect_input(m, guard, encoder[1], window)
        self._connect_output(m, window, weights, arithmetic[1], collector)
        return guard, collector

    def _connect_input(self, m: Module, guard: Any, encoder: Any, window: Any) -> None:
        accepted = Signal()
        wiring.connect(m, wiring.flipped(self.i), guard.i)
        m.d.comb += [
            self.frame_short.eq(guard.frame_short),
            self.frame_long.eq(guard.frame_long),
            guard.o.ready.eq(window.room),
            accepted.eq(guard.o.valid & guard.o.ready),
            window.reserve.eq(accepted),
            encoder.valid.eq(accepted),
            encoder.act.eq(guard.o.p.data),
            encoder.padding.eq(guard.o.p.padding),
            encoder.fold.eq(guard.o.p.fold),
            window.valid.eq(encoder.o_valid),
            window.codes.eq(encoder.codes),
        ]

    def _connect_output(
        self, m: Module, window: Any, weights: Any, arithmetic: Any, collector: Any
    ) -> None:
        m.d.comb += [
            arithmetic.valid.eq(window.o_valid),
            arithmetic.first.eq(window.first),
            arithmetic.last.eq(window.last),
            arithmetic.act.eq(window.o_codes),
            collector.valid.eq(arithmetic.o_valid),
            collector.acc.eq(arithmetic.acc),
            collector.take.eq(window.take),
            window.credit.eq(collector.credit),
        ]
        if weights is not None:
            m.d.comb += [
                weights.read_addr.eq(window.weight_addr),
                arithmetic.weight.eq(weights.read_data),
            ]
        elif hasattr(arithmetic, "fold"):
            fold = delay(m, "fold", window.weight_addr, Window.WEIGHT_LATENCY)
            m.d.comb += arithmetic.fold.eq(fold)
        wiring.connect(m, collector.o, wiring.flipped(self.o))
