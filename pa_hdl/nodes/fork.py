"""One stream to several readers."""

from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Signal
from numpy.typing import NDArray

from pa_hdl.nodes.node import StreamNode
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.timing import Curve, Passage, one_per_cycle

__all__ = ["Fork"]


class Fork(StreamNode):
    """Offer every beat to each output at once, in the same cycle, one beat a cycle.

    Each output takes a beat when it likes; the input's beat goes when all have taken it.

    Parameters
    ----------
    shape : :class:`StreamShape`
        The stream.
    outputs : :class:`int`
        Readers, at least 2.

    Raises
    ------
    TypeError, ValueError
        If the number of outputs is not such a number.
    """

    def __init__(self, *, shape: StreamShape, outputs: int) -> None:
        if not isinstance(outputs, int) or isinstance(outputs, bool):
            raise TypeError(f"Outputs of a fork must be an integer, not {outputs!r}")
        if outputs < 2:
            raise ValueError(f"Outputs of a fork must be at least 2, not {outputs!r}")
        super().__init__(shapes_in=(shape,), shapes_out=(shape,) * outputs)

    @property
    def module_key(self) -> tuple[Any, ...]:
        shape = self.shapes_in[0]
        return (shape.lanes, shape.bits, shape.signed, len(self.shapes_out))

    @property
    def module_name(self) -> str:
        return f"fork_{len(self.shapes_out)}"

    def model(self, frame: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """The frame as it is, once for each output."""
        return (frame,) * len(self.shapes_out)

    def passage(self, arrivals: Curve) -> Passage:
        """Cycles of the beats; see :mod:`pa_hdl.nodes.timing`."""
        accepted = one_per_cycle(arrivals)
        return Passage(accepted=(accepted,), departed=(accepted,) * len(self.shapes_out))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        satisfied = []
        for index, output in enumerate(self.outputs):
            done = Signal(name=f"done_{index}")
            has = Signal(name=f"has_{index}")
            m.d.comb += [
                output.payload.eq(self.i.payload),
                output.valid.eq(self.i.valid & ~done),
                has.eq(done | output.ready),
            ]
            m.d.sync += done.eq(self.i.valid & has & ~self.i.ready)
            satisfied.append(has)
        m.d.comb += self.i.ready.eq(Cat(*satisfied).all())
        return m
