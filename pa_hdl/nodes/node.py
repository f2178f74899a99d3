"""What all nodes have in common: their ports, and pipelines that halt as a whole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Shape, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.nodes.stream import StreamShape
from pa_hdl.popcount import range_shape

__all__ = ["StreamNode", "Term", "enabled", "enabled_sum", "port_name", "shape_tuple"]


def shape_tuple(what: str, shapes: Iterable[Any], lowest: int = 1) -> tuple[StreamShape, ...]:
    """The shapes, at least ``lowest`` of them, each a :class:`StreamShape`."""
    checked = tuple(shapes)
    for shape in checked:
        if not isinstance(shape, StreamShape):
            raise TypeError(f"{what} must be of type StreamShape, not {shape!r}")
    if len(checked) < lowest:
        raise ValueError(f"There must be at least {lowest} {what}, not {len(checked)!r}")
    return checked


def port_name(stem: str, index: int, count: int) -> str:
    """``i`` of a single port, ``i_0``, ``i_1``, ... of several."""
    return stem if count == 1 else f"{stem}_{index}"


class StreamNode(wiring.Component):
    """A component between streams of known shape.

    Parameters
    ----------
    shapes_in, shapes_out : iterable of :class:`StreamShape`
        What it takes and what it gives.

    Members
    -------
    i, or i_0, i_1, ... : the inputs
    o, or o_0, o_1, ... : the outputs
    """

    def __init__(
        self, *, shapes_in: Iterable[StreamShape], shapes_out: Iterable[StreamShape]
    ) -> None:
        self.shapes_in = shape_tuple("inputs of a node", shapes_in)
        self.shapes_out = shape_tuple("outputs of a node", shapes_out)
        members: dict[str, Any] = {}
        for stem, flow, shapes in (("i", In, self.shapes_in), ("o", Out, self.shapes_out)):
            for index, shape in enumerate(shapes):
                name = port_name(stem, index, len(shapes))
                members[name] = flow(stream.Signature(shape.layout))
        super().__init__(members)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The input streams, in order."""
        return self._ports("i", len(self.shapes_in))

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The output streams, in order."""
        return self._ports("o", len(self.shapes_out))

    def _ports(self, stem: str, count: int) -> tuple[Any, ...]:
        return tuple(getattr(self, port_name(stem, index, count)) for index in range(count))


def enabled(
    m: Module, enable: Value, name: str, value: Value, cycles: int, *, reset: bool = False
) -> Value:
    """``value`` after so many cycles in which ``enable`` was set; 0 after a reset if asked."""
    for cycle in range(cycles):
        stage = Signal.like(value, name=f"{name}_{cycle + 1}", init=0, reset_less=not reset)
        with m.If(enable):
            m.d.sync += stage.eq(value)
        value = stage
    return value


@dataclass(frozen=True, kw_only=True)
class Term:
    """``value << place``, known to lie in ``low << place`` to ``high << place``."""

    value: Value
    low: int
    high: int
    place: int = 0

    def registered(self, m: Module, enable: Value, name: str, kept: int | None = None) -> "Term":
        """The same a cycle later; bits from ``kept`` on may be lost."""
        shape = range_shape(self.low, self.high)
        width = shape.width if kept is None else min(shape.width, max(0, kept - self.place))
        stage = Signal(Shape(width, shape.signed and width > 0), name=name, reset_less=True)
        with m.If(enable):
            m.d.sync += stage.eq(self.value)
        return Term(value=stage, low=self.low, high=self.high, place=self.place)


def enabled_sum(
    m: Module, enable: Value, name: str, terms: Sequence[Term], kept: int | None = None
) -> Term:
    """Sum by a balanced tree of adders of two, a register behind each level.

    Takes :func:`~pa_hdl.popcount.tree_levels` cycles in which ``enable`` is set. Exact, or where
    ``kept`` is given, exact in so many bits.
    """
    level = 0
    while len(terms) > 1:
        level += 1
        sums = []
        for start in range(0, len(terms), 2):
            pair = terms[start : start + 2]
            place = min(term.place for term in pair)
            ups = [term.place - place for term in pair]
            values = [term.value << up for term, up in zip(pair, ups, strict=True)]
            total = Term(
                value=values[0] + values[1] if len(pair) == 2 else values[0],
                low=sum(term.low << up for term, up in zip(pair, ups, strict=True)),
                high=sum(term.high << up for term, up in zip(pair, ups, strict=True)),
                place=place,
            )
            sums.append(total.registered(m, enable, f"{name}_{level}_{start // 2}", kept))
        terms = sums
    return terms[0]
