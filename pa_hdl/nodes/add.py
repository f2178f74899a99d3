"""Sums of branches."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from numpy.typing import NDArray

from pa_hdl.nodes.node import StreamNode, Term, enabled, enabled_sum, shape_tuple
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.timing import Curve, Passage, one_per_cycle
from pa_hdl.popcount import tree_levels

__all__ = ["Add"]


class Add(StreamNode):
    """Add streams up exactly and saturate once, one beat a cycle, :attr:`latency` cycles late.

    A beat is taken when all inputs offer one.

    Parameters
    ----------
    shapes : iterable of :class:`StreamShape`
        The operands: one image and number of lanes, any number formats.
    bits, signed : :class:`int`, :class:`bool`
        Number format of the result, to which it saturates.

    Raises
    ------
    TypeError, ValueError
        If there is no operand, or if operands differ in image or lanes.
    """

    def __init__(self, *, shapes: Iterable[StreamShape], bits: int, signed: bool) -> None:
        operands = shape_tuple("operands of a sum", shapes)
        first = operands[0]
        result = StreamShape(
            channels=first.channels,
            height=first.height,
            width=first.width,
            lanes=first.lanes,
            bits=bits,
            signed=signed,
        )
        for shape in operands[1:]:
            for name in ("channels", "height", "width", "lanes"):
                wanted, given = getattr(first, name), getattr(shape, name)
                if given != wanted:
                    raise ValueError(
                        f"{name} of all operands of a sum must be {wanted!r}, not {given!r}"
                    )
        super().__init__(shapes_in=operands, shapes_out=(result,))

    @property
    def module_key(self) -> tuple[Any, ...]:
        formats = tuple((shape.bits, shape.signed) for shape in self.shapes_in)
        result = self.shapes_out[0]
        return (formats, result.bits, result.signed, result.lanes)

    @property
    def module_name(self) -> str:
        return f"add_{len(self.shapes_in)}"

    @property
    def latency(self) -> int:
        """Cycles from operands to their sum."""
        return tree_levels(len(self.shapes_in)) + 1

    def model(self, *frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """The saturated sum."""
        return np.clip(np.sum(frames, axis=0, dtype=np.int64), *self.shapes_out[0].range)

    def passage(self, *arrivals: Curve) -> Passage:
        """Cycles of the beats; see :mod:`pa_hdl.nodes.timing`."""
        taken = one_per_cycle(np.max(arrivals, axis=0))
        return Passage(accepted=(taken,) * len(arrivals), departed=(taken + self.latency,))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        enable, offered = Signal(), Signal()
        m.d.comb += [
            enable.eq(~self.o.valid | self.o.ready),
            offered.eq(Cat(port.valid for port in self.inputs).all()),
        ]
        for index, port in enumerate(self.inputs):
            others = [other.valid for k, other in enumerate(self.inputs) if k != index]
            m.d.comb += port.ready.eq(Cat(enable, *others).all())
        valid = enabled(m, enable, "valid", offered, self.latency, reset=True)
        last = enabled(m, enable, "last", self.inputs[0].p.last, self.latency)
        m.d.comb += [self.o.valid.eq(valid), self.o.p.last.eq(last)]
        for lane in range(self.shapes_out[0].lanes):
            terms = [
                Term(value=port.p.data[lane], low=shape.range[0], high=shape.range[1])
                for port, shape in zip(self.inputs, self.shapes_in, strict=True)
            ]
            total = enabled_sum(m, enable, f"sum_{lane}", terms)
            result = Signal(self.shapes_out[0].element, name=f"result_{lane}", reset_less=True)
            with m.If(enable):
                m.d.sync += result.eq(self._saturated(total))
            m.d.comb += self.o.p.data[lane].eq(result)
        return m

    def _saturated(self, total: Term) -> Value:
        low, high = self.shapes_out[0].range
        value = total.value
        if total.high > high:
            value = Mux(value > high, high, value)
        if total.low < low:
            value = Mux(total.value < low, low, value)
        return value
