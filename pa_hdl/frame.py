"""Frames at the engine's ends: the right number of beats in, ``last`` on the final beat out."""

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Module, Mux, Shape, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.geometry import WindowConfig, ceil_div
from pa_hdl.nodes.stream import StreamShape

__all__ = [
    "Collector",
    "FrameGuard",
    "acc_layout",
    "act_layout",
    "advance",
    "encoder_members",
    "stream_shapes",
]


def act_layout(config: WindowConfig) -> data.StructLayout:
    """One beat of the engine's input."""
    act = Shape(config.act_bits, config.act_signed)
    return data.StructLayout({"data": data.ArrayLayout(act, config.simd), "last": 1})


def acc_layout(config: WindowConfig) -> data.StructLayout:
    """One beat of the engine's output."""
    acc = data.ArrayLayout(Shape(config.acc_bits, config.acc_signed), config.pe)
    return data.StructLayout({"data": acc, "last": 1})


def encoder_members(config: WindowConfig) -> dict[str, Any]:
    """Ports of whatever turns a beat of elements into what the line buffer holds."""
    return {
        "valid": In(1),
        "act": In(act_layout(config)["data"].shape),
        "padding": In(1),
        "fold": In(range(config.in_folds)),
        "o_valid": Out(1),
        "codes": Out(data.ArrayLayout(config.code_bits, config.simd)),
    }


def stream_shapes(config: WindowConfig) -> tuple[StreamShape, StreamShape]:
    """The engine's input and output as streams of a network, where lanes divide the channels."""
    return (
        StreamShape(
            channels=config.in_channels,
            height=config.height,
            width=config.width,
            lanes=config.simd,
            bits=config.act_bits,
            signed=config.act_signed,
        ),
        StreamShape(
            channels=config.out_channels,
            height=config.out_height,
            width=config.out_width,
            lanes=config.pe,
            bits=config.acc_bits,
            signed=config.acc_signed,
        ),
    )


def advance(m: Module, counter: Signal, count: int, by: Value | int = 1) -> Signal:
    """Step `counter` through ``0..count-1`` where `by` is set; true at its last value.

    What is returned is a register: no comparison stands between it and what it decides.
    """
    at_end = Signal(name=f"{counter.name}_at_end", init=count == 1)
    with m.If(by):
        m.d.sync += [
            counter.eq(Mux(at_end, 0, counter + 1)),
            at_end.eq(counter == (count - 2) % count),
        ]
    return at_end


class FrameGuard(wiring.Component):
    """Make every frame exactly as long as the configuration says, in the same cycle.

    A frame that ends early is filled up with padding beats, one per cycle; of one that goes on
    too long the surplus is dropped, up to and including the beat with ``last``. The next frame is
    whole either way.

    Parameters
    ----------
    config : :class:`~pa_hdl.geometry.WindowConfig`
        The engine.

    Members
    -------
    i : beats of a frame as they come, ``last`` with the final one
    o : beats of a frame of the right length; ``padding`` marks those that stand for nothing,
        ``fold`` is the index of the beat's channels
    hold : no frame may start
    idle : no frame is under way at the input
    started : a frame's first beat was accepted
    frame_short, frame_long : a frame ended early, or late, since reset
    """

    def __init__(self, *, config: WindowConfig) -> None:
        self.config = config
        beat = data.StructLayout(
            {
                "data": act_layout(config)["data"].shape,
                "padding": 1,
                "fold": range(config.in_folds),
            }
        )
        super().__init__(
            {
                "i": In(stream.Signature(act_layout(config))),
                "o": Out(stream.Signature(beat)),
                "hold": In(1),
                "idle": Out(1),
                "started": Out(1),
                "frame_short": Out(1),
                "frame_long": Out(1),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        config = self.config
        return (config.in_beats, config.in_folds, config.simd, config.act_bits, config.act_signed)

    @property
    def module_name(self) -> str:
        return "frame_guard"

    def model(self, beats: Iterable[tuple[Any, bool]]) -> list[Any]:
        """Data of the beats that come out, ``None`` for padding, given ``(data, last)`` pairs."""
        whole: list[Any] = []
        dropping = False
        for payload, last in beats:
            if not dropping:
                whole.append(payload)
            full = len(whole) % self.config.in_beats == 0
            dropping = full and not last
            if last and not full:
                whole += [None] * (-len(whole) % self.config.in_beats)
        return whole

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        moved = Signal()
        beat = Signal(range(self.config.in_beats))
        fold = Signal(range(self.config.in_folds))
        at_end = advance(m, beat, self.config.in_beats, moved)
        at_start = Signal(init=1)
        with m.If(moved):
            m.d.sync += at_start.eq(at_end)
        advance(m, fold, self.config.in_folds, moved)
        filling, dropping, open_ = Signal(), Signal(), Signal()
        last = self.i.p.last
        m.d.comb += [
            moved.eq(self.o.valid & self.o.ready),
            self.idle.eq(at_start & ~dropping),
            open_.eq(~filling & ~dropping & ~(self.idle & self.hold)),
            self.i.ready.eq(dropping | (open_ & self.o.ready)),
            self.o.valid.eq(filling | (open_ & self.i.valid)),
            self.o.p.data.eq(self.i.p.data),
            self.o.p.padding.eq(filling),
            self.o.p.fold.eq(fold),
            self.started.eq(moved & at_start),
        ]
        with m.If(moved & at_end):
            m.d.sync += filling.eq(0)
        with m.If(moved & ~filling & ~at_end & last):
            m.d.sync += [filling.eq(1), self.frame_short.eq(1)]
        with m.If(moved & ~filling & at_end & ~last):
            m.d.sync += [dropping.eq(1), self.frame_long.eq(1)]
        with m.If(dropping & self.i.valid & last):
            m.d.sync += dropping.eq(0)
        return m


class Collector(wiring.Component):
    """Queue accumulators for the output and hand out credits for the room in the queue.

    A beat leaves :attr:`LATENCY` cycles after it came in, at the earliest, and one per cycle. The
    accumulators come out of a pipeline that does not stop, so whoever starts one takes a credit
    first; it is returned when the beat has left.

    Parameters
    ----------
    config : :class:`~pa_hdl.geometry.WindowConfig`
        The engine.
    round_trip : :class:`int`
        Cycles from a credit's being taken to its return when the output is not stalled. The queue
        is as deep as this rate of credits needs.

    Members
    -------
    valid, acc : an accumulator for each PE
    o : output beats; surplus lanes of the last beat of a pixel are 0
    take : a credit is taken
    credit : there is a credit
    finished : the last accumulators of a frame came in
    """

    LATENCY = 2

    @staticmethod
    def depth_for(config: WindowConfig, round_trip: int) -> int:
        """Beats in the queue."""
        return max(4, ceil_div(round_trip, config.folds_per_output) + 2)

    def __init__(self, *, config: WindowConfig, round_trip: int) -> None:
        if round_trip < 1:
            raise ValueError(f"round_trip must be at least 1, not {round_trip!r}")
        self.config = config
        self.depth = self.depth_for(config, round_trip)
        super().__init__(
            {
                "valid": In(1),
                "acc": In(acc_layout(config)["data"].shape),
                "o": Out(stream.Signature(acc_layout(config))),
                "take": In(1),
                "credit": Out(1),
                "finished": Out(1),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        config = self.config
        return (config.geometry, config.acc_bits, config.acc_signed, self.depth)

    @property
    def module_name(self) -> str:
        return "collector"

    def model(self, accs: Iterable[list[int]]) -> list[tuple[list[int], bool]]:
        """Beats ``(lanes, last)`` of the output."""
        config = self.config
        beats = []
        for index, lanes in enumerate(accs):
            first = index % config.out_folds * config.pe
            kept = [a if first + p < config.out_channels else 0 for p, a in enumerate(lanes)]
            beats.append((kept, index % config.out_beats == config.out_beats - 1))
        return beats

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        layout = acc_layout(config)
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=layout.size, depth=self.depth)
        fold = Signal(range(config.out_folds))
        pixel = Signal(range(config.out_height * config.out_width))
        last_fold = advance(m, fold, config.out_folds, self.valid)
        last_pixel = advance(m, pixel, config.out_height * config.out_width, self.valid & last_fold)
        beat = Signal(layout)
        for lane in range(config.pe):
            surplus = (config.out_folds - 1) * config.pe + lane >= config.out_channels
            m.d.comb += beat.data[lane].eq(
                Mux(last_fold, 0, self.acc[lane]) if surplus else self.acc[lane]
            )
        left = Signal()
        # One less than the credits there are: negative when there is none.
        spare = Signal(range(-1, self.depth), init=self.depth - 1)
        m.d.comb += [
            beat.last.eq(last_fold & last_pixel),
            self.finished.eq(self.valid & beat.last),
            queue.w_en.eq(self.valid),
            queue.w_data.eq(beat),
            self.o.valid.eq(queue.r_rdy),
            self.o.payload.eq(queue.r_data),
            queue.r_en.eq(self.o.ready),
            left.eq(self.o.valid & self.o.ready),
            self.credit.eq(spare >= 0),
        ]
        m.d.sync += spare.eq(spare + left - self.take)
        return m
