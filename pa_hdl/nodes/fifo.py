"""A queue of beats, which goes on an edge of the network."""

from typing import Any

import numpy as np
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory
from numpy.typing import NDArray

from pa_hdl.emit import add_submodule
from pa_hdl.frame import advance
from pa_hdl.memory import Ram
from pa_hdl.nodes.node import StreamNode
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.timing import Curve, Passage, one_per_cycle

__all__ = ["Fifo"]

_DISTRIBUTED = 32
"""Most beats that are kept in distributed memory, which is read within the cycle."""


class Fifo(StreamNode):
    """Hold up to ``depth`` beats; one in and one out every cycle at any depth.

    A beat can be read :attr:`LATENCY` cycles after it was written into an empty queue. Where a
    queue is full, a beat can be written :attr:`RELEASE` cycles after one was read. Both
    ``i.ready`` and ``o.valid`` come from registers.

    Parameters
    ----------
    shape : :class:`StreamShape`
        The stream.
    depth : :class:`int`
        Beats that fit, at least 2.

    Raises
    ------
    TypeError, ValueError
        If the depth is not such a number.
    """

    LATENCY = 1
    RELEASE = 1

    def __init__(self, *, shape: StreamShape, depth: int) -> None:
        if not isinstance(depth, int) or isinstance(depth, bool):
            raise TypeError(f"Depth of a queue must be an integer, not {depth!r}")
        if depth < 2:
            raise ValueError(f"Depth of a queue must be at least 2, not {depth!r}")
        self.depth = depth
        super().__init__(shapes_in=(shape,), shapes_out=(shape,))

    @property
    def module_key(self) -> tuple[Any, ...]:
        # Frames do not matter to a queue of beats.
        shape = self.shapes_in[0]
        return (shape.lanes, shape.bits, shape.signed, self.depth)

    @property
    def module_name(self) -> str:
        return f"fifo_{self.depth}"

    @property
    def storage_bits(self) -> int:
        """Bits of its memory."""
        return self.depth * self.shapes_in[0].layout.size

    def model(self, frame: NDArray[np.int64]) -> NDArray[np.int64]:
        """The frame as it is."""
        return frame

    def passage(self, arrivals: Curve) -> Passage:
        """Cycles of the beats; see :mod:`pa_hdl.nodes.timing`."""
        accepted = one_per_cycle(arrivals)
        return Passage(accepted=(accepted,), departed=(accepted + self.LATENCY,))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        level = Signal(range(self.depth + 1))
        write, read = Signal(range(self.depth)), Signal(range(self.depth))
        full, put, taken = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            put.eq(self.i.valid & self.i.ready),
            taken.eq(self.o.valid & self.o.ready),
        ]
        with m.If(put & ~taken):
            m.d.sync += [
                level.eq(level + 1),
                full.eq(level == self.depth - 1),
                self.o.valid.eq(1),
            ]
        with m.Elif(taken & ~put):
            m.d.sync += [level.eq(level - 1), full.eq(0), self.o.valid.eq(level != 1)]
        advance(m, write, self.depth, put)
        last_word = advance(m, read, self.depth, taken)

        def distributed() -> None:
            m.submodules.beats = beats = memory.Memory(
                shape=self.shapes_in[0].layout, depth=self.depth, init=[]
            )
            writer, reader = beats.write_port(), beats.read_port(domain="comb")
            m.d.comb += [
                writer.en.eq(put),
                writer.addr.eq(write),
                writer.data.eq(self.i.payload),
                reader.addr.eq(read),
                self.o.payload.eq(reader.data),
            ]

        def block() -> None:
            """Read ahead. A beat that the queue's head has to wait for goes past the memory."""
            width = self.shapes_in[0].layout.size
            beats = Ram(depth=self.depth, width=width, writable=True, name="beats")
            add_submodule(m, platform, "beats", beats)
            past, head = Signal(), Signal(width, reset_less=True)
            following = Signal(range(self.depth))
            m.d.comb += [
                beats.write_en.eq(put),
                beats.write_addr.eq(write),
                beats.write_data.eq(self.i.payload),
                following.eq(Mux(last_word, 0, read + 1)),
                beats.read_addr.eq(Mux(taken, following, read)),
                self.o.payload.eq(Mux(past, head, beats.read_data)),
            ]
            m.d.sync += [head.eq(self.i.payload), past.eq(put & (level == taken))]

        if self.depth <= _DISTRIBUTED:
            distributed()
        else:
            block()
        return m
