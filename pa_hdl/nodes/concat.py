"""Images stacked along their channels."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from amaranth.hdl import Module, Signal
from numpy.typing import NDArray

from pa_hdl.frame import advance
from pa_hdl.nodes.node import StreamNode, shape_tuple
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.timing import Curve, Passage, one_per_cycle

__all__ = ["Concat"]


class Concat(StreamNode):
    """For each pixel the channels of one input after the other, in the same cycle.

    One beat a cycle: those of the other inputs wait meanwhile.

    Parameters
    ----------
    shapes : iterable of :class:`StreamShape`
        The operands: images of one size, in beats of one number of lanes.
    bits, signed : :class:`int`, :class:`bool`
        Number format of the result, which holds every operand.

    Raises
    ------
    TypeError, ValueError
        If operands differ in size or lanes, or if one does not fit the format.
    """

    def __init__(self, *, shapes: Iterable[StreamShape], bits: int, signed: bool) -> None:
        operands = shape_tuple("operands of a concatenation", shapes)
        channels = sum(shape.channels for shape in operands)
        result = replace(operands[0], channels=channels, bits=bits, signed=signed)
        for shape in operands:
            for name in ("height", "width", "lanes"):
                wanted, given = getattr(result, name), getattr(shape, name)
                if given != wanted:
                    raise ValueError(
                        f"{name} of all operands of a concatenation must be {wanted!r}, "
                        f"not {given!r}"
                    )
            if not result.range[0] <= shape.range[0] <= shape.range[1] <= result.range[1]:
                raise ValueError(
                    f"operands of a concatenation must fit {result.range[0]} to "
                    f"{result.range[1]}, not {shape.range[0]} to {shape.range[1]}"
                )
        super().__init__(shapes_in=operands, shapes_out=(result,))

    @property
    def module_key(self) -> tuple[Any, ...]:
        operands = tuple((shape.folds, shape.bits, shape.signed) for shape in self.shapes_in)
        result = self.shapes_out[0]
        return (operands, result.lanes, result.bits, result.signed)

    @property
    def module_name(self) -> str:
        return f"concat_{len(self.shapes_in)}"

    def model(self, *frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """The frames, stacked."""
        return np.concatenate(frames)

    def passage(self, *arrivals: Curve) -> Passage:
        """Cycles of the beats; see :mod:`pa_hdl.nodes.timing`."""
        folds = [shape.folds for shape in self.shapes_in]
        pixels = [np.reshape(some, (-1, n)) for some, n in zip(arrivals, folds, strict=True)]
        departed = one_per_cycle(np.concatenate(pixels, axis=1).reshape(-1))
        parts = np.split(departed.reshape(-1, sum(folds)), np.cumsum(folds)[:-1], axis=1)
        return Passage(accepted=tuple(part.reshape(-1) for part in parts), departed=(departed,))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        folds = self.shapes_out[0].folds
        fold = Signal(range(folds))
        advance(m, fold, folds, self.o.valid & self.o.ready)
        end = 0
        for index, (port, shape) in enumerate(zip(self.inputs, self.shapes_in, strict=True)):
            start, end = end, end + shape.folds
            chosen = Signal(name=f"chosen_{index}")
            m.d.comb += [
                chosen.eq((fold >= start) & (fold < end)),
                port.ready.eq(chosen & self.o.ready),
            ]
            with m.If(chosen):
                m.d.comb += [
                    self.o.valid.eq(port.valid),
                    # The frame is over with the last input's.
                    self.o.p.last.eq(port.p.last if end == folds else 0),
                ]
                for lane in range(shape.lanes):
                    m.d.comb += self.o.p.data[lane].eq(port.p.data[lane])
        return m
