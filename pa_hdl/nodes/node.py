"""What all nodes have in common: their ports, and pipelines that halt as a whole."""

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.nodes.stream import StreamShape

__all__ = ["StreamNode", "enabled", "port_name", "shape_tuple"]


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
