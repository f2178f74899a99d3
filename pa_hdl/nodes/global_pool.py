"""Sums over whole images."""

from dataclasses import replace
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data
from numpy.typing import NDArray

from pa_hdl.emit import add_submodule
from pa_hdl.frame import advance
from pa_hdl.memory import Ram
from pa_hdl.nodes.node import StreamNode, enabled
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.timing import Curve, Passage, one_per_cycle
from pa_hdl.popcount import range_shape

__all__ = ["GlobalPool"]


class GlobalPool(StreamNode):
    """Exact sum over the image of each channel, one beat a cycle, frames back to back.

    Sums leave :attr:`LATENCY` cycles after the beats of the image's last pixel.

    Parameters
    ----------
    shape : :class:`StreamShape`
        The images.
    """

    LATENCY = 2

    def __init__(self, *, shape: StreamShape) -> None:
        if not isinstance(shape, StreamShape):
            raise TypeError(f"shape of a pool must be a StreamShape, not {shape!r}")
        self.pixels = shape.height * shape.width
        total = range_shape(*(bound * self.pixels for bound in shape.range))
        result = replace(shape, height=1, width=1, bits=total.width)
        super().__init__(shapes_in=(shape,), shapes_out=(result,))

    @property
    def module_key(self) -> tuple[Any, ...]:
        shape = self.shapes_in[0]
        return (shape.folds, shape.lanes, shape.bits, shape.signed, self.pixels)

    @property
    def module_name(self) -> str:
        return "global_pool"

    def model(self, frame: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sums over the image."""
        return frame.sum(axis=(1, 2), keepdims=True)

    def passage(self, arrivals: Curve) -> Passage:
        """Cycles of the beats; see :mod:`pa_hdl.nodes.timing`."""
        accepted = one_per_cycle(arrivals)
        shape = self.shapes_in[0]
        final = accepted.reshape(-1, self.pixels, shape.folds)[:, -1].reshape(-1)
        return Passage(accepted=(accepted,), departed=(final + self.LATENCY,))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        shape, result = self.shapes_in[0], self.shapes_out[0]
        enable, taken = Signal(), Signal()
        m.d.comb += [
            enable.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(enable),
            taken.eq(self.i.valid & enable),
        ]
        fold = Signal(range(shape.folds))
        pixel = Signal(range(self.pixels))
        last_fold = advance(m, fold, shape.folds, taken)
        last_pixel = advance(m, pixel, self.pixels, taken & last_fold)

        valid = enabled(m, enable, "valid", self.i.valid, 1, reset=True)
        beat = enabled(m, enable, "beat", self.i.p.data.as_value(), 1)
        flags = enabled(m, enable, "flags", Cat(pixel == 0, last_pixel, last_fold), 1)
        beat = data.View(self.i.p.data.shape(), beat)
        first, final, last = flags[0], flags[1], flags[2]
        sums = Signal(result.layout["data"].shape)
        so_far = data.View(sums.shape(), self._memory(m, platform, enable, valid, fold, sums))
        for lane in range(shape.lanes):
            m.d.comb += sums[lane].eq(beat[lane] + Mux(first, 0, so_far[lane]))
        with m.If(enable):
            m.d.sync += [
                self.o.valid.eq(valid & final),
                self.o.p.data.eq(sums),
                self.o.p.last.eq(last),
            ]
        return m

    def _memory(
        self, m: Module, platform: Any, enable: Value, valid: Value, fold: Signal, sums: Any
    ) -> Value:
        """Sums of the channels of the beat taken in the enabled cycle before.

        A word is read again two cycles after its beat was taken at the earliest, when it has been
        written; with one word for all channels that is too late, and a register serves.
        """
        folds = self.shapes_in[0].folds
        width = len(sums.as_value())
        write = Signal()
        m.d.comb += write.eq(enable & valid)
        if folds == 1:
            kept = Signal(width, name="kept", reset_less=True)
            with m.If(write):
                m.d.sync += kept.eq(sums)
            return kept
        memory = Ram(depth=folds, width=width, writable=True, name="sums")
        add_submodule(m, platform, "sums", memory)
        current = enabled(m, enable, "fold", fold, 1)
        m.d.comb += [
            # While the pipeline halts, the word that is read stays.
            memory.read_addr.eq(Mux(enable, fold, current)),
            memory.write_en.eq(write),
            memory.write_addr.eq(current),
            memory.write_data.eq(sums),
        ]
        return memory.read_data
