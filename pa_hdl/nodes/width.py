"""The same image with another number of channels a beat."""

from math import lcm
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data
from numpy.typing import NDArray

from pa_hdl.frame import advance
from pa_hdl.nodes.node import StreamNode
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.timing import Curve, Passage

__all__ = ["WidthConverter"]


class WidthConverter(StreamNode):
    """Regroup the channels of a stream; a frame takes ``max(beats in, beats out)`` cycles.

    Beats are gathered into words whose lanes are the least common multiple of both widths, and
    those are split. Gathering presents a word one cycle after its last beat, and splitting a part
    one cycle after its word; either is absent where one width divides the other.

    Parameters
    ----------
    shape_in : :class:`StreamShape`
        The stream.
    lanes : :class:`int`
        Channels a beat of the output, another divisor of the channels.

    Raises
    ------
    TypeError, ValueError
        If the lanes do not divide the channels, or are those of the input.
    """

    def __init__(self, *, shape_in: StreamShape, lanes: int) -> None:
        shape_out = StreamShape(
            channels=shape_in.channels,
            height=shape_in.height,
            width=shape_in.width,
            lanes=lanes,
            bits=shape_in.bits,
            signed=shape_in.signed,
        )
        if lanes == shape_in.lanes:
            raise ValueError(
                f"lanes of a converter's output must differ from those of its input, not {lanes!r}"
            )
        self.gathered = lcm(shape_in.lanes, lanes) // shape_in.lanes
        self.parts = lcm(shape_in.lanes, lanes) // lanes
        super().__init__(shapes_in=(shape_in,), shapes_out=(shape_out,))

    @property
    def module_key(self) -> tuple[Any, ...]:
        source, target = self.shapes_in[0], self.shapes_out[0]
        return (source.lanes, target.lanes, source.bits, source.signed)

    @property
    def module_name(self) -> str:
        return f"width_{self.shapes_in[0].lanes}_to_{self.shapes_out[0].lanes}"

    def model(self, frame: NDArray[np.int64]) -> NDArray[np.int64]:
        """The frame as it is."""
        return frame

    def passage(self, arrivals: Curve) -> Passage:
        """Cycles of the beats; see :mod:`pa_hdl.nodes.timing`."""
        gathered, parts = self.gathered, self.parts
        offered = np.reshape(arrivals, (-1, gathered))
        place = np.arange(gathered)
        # When each word leaves the gathering, for the splitting or, without one, for the output.
        earliest = (offered + (gathered - 1) - place).max(axis=1) + (gathered > 1)
        words = np.arange(len(earliest)) * max(gathered, parts)
        passed = np.maximum.accumulate(earliest - words) + words
        if gathered == 1:
            accepted = passed
        else:
            # A word's first beat is accepted no earlier than the word before it leaves.
            bound = offered.copy()
            bound[1:, 0] = np.maximum(bound[1:, 0], passed[:-1])
            accepted = (np.maximum.accumulate(bound - place, axis=1) + place).reshape(-1)
        departed = passed if parts == 1 else (passed[:, None] + 1 + np.arange(parts)).reshape(-1)
        return Passage(accepted=(accepted,), departed=(departed,))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = self.shapes_in[0].lanes * self.gathered
        word = Signal(data.ArrayLayout(self.shapes_in[0].element, lanes))
        valid, ready, last = Signal(), Signal(), Signal()

        def gather() -> None:
            moved = Signal(name="gather_moved")
            place = Signal(range(self.gathered))
            complete = advance(m, place, self.gathered, moved)
            collected = Signal(len(word.as_value()), reset_less=True)
            beat = self.i.p.data.as_value()
            m.d.comb += [
                self.i.ready.eq(~valid | ready),
                moved.eq(self.i.valid & self.i.ready),
                word.eq(collected),
            ]
            with m.If(moved):
                m.d.sync += [
                    collected.eq(Cat(collected[len(beat) :], beat)),
                    last.eq(self.i.p.last),
                ]
            with m.If(self.i.ready):
                m.d.sync += valid.eq(moved & complete)

        def split() -> None:
            moved, taken = Signal(name="split_moved"), Signal()
            part = Signal(range(self.parts))
            complete = advance(m, part, self.parts, moved)
            held, held_last = Signal(len(word.as_value()), reset_less=True), Signal()
            beat = self.o.p.data.as_value()
            m.d.comb += [
                moved.eq(self.o.valid & self.o.ready),
                ready.eq(~self.o.valid | (moved & complete)),
                taken.eq(valid & ready),
                beat.eq(held),
                self.o.p.last.eq(held_last & complete),
            ]
            with m.If(taken):
                m.d.sync += [held.eq(word), held_last.eq(last)]
            with m.Elif(moved):
                m.d.sync += held.eq(held[len(beat) :])
            with m.If(ready):
                m.d.sync += self.o.valid.eq(valid)

        if self.gathered > 1:
            gather()
        else:
            m.d.comb += [word.eq(self.i.p.data), valid.eq(self.i.valid), last.eq(self.i.p.last)]
            m.d.comb += self.i.ready.eq(ready)
        if self.parts > 1:
            split()
        else:
            m.d.comb += [self.o.p.data.eq(word), self.o.valid.eq(valid), self.o.p.last.eq(last)]
            m.d.comb += ready.eq(self.o.ready)
        return m
