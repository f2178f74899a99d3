# amaranth: UnusedElaboratable=no
# Analyses ask for its formats and cycles without elaborating it.
"""Fixed-point scaling of accumulators, per channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from pa_hdl.config import ceil_div
from pa_hdl.emit import add_submodule
from pa_hdl.frame import advance
from pa_hdl.memory import Ram
from pa_hdl.nodes.node import StreamNode, Term, enabled, enabled_sum
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.timing import Curve, Passage, one_per_cycle
from pa_hdl.popcount import range_shape, tree_levels

__all__ = ["Rescale", "Scaler"]

_DIGIT = 2
"""Bits of the multiplier for each partial product."""


class Scaler(wiring.Component):
    """``(x * mult + bias) >> shift`` modulo ``2^out_bits``, each cycle, :attr:`latency` later.

    Each two bits of ``mult``, with the one below, select -2 to 2 times ``x`` (Booth): one LUT of
    five inputs for each bit of a partial product. A balanced tree with a register behind every
    adder sums them up; the pipeline moves in cycles in which ``enable`` is set.

    Parameters
    ----------
    x, mult, bias : :class:`~amaranth.hdl.Shape`
        Number formats of the operands.
    shift : :class:`int`
        Bits cut off.
    out_bits : :class:`int`
        Bits of the result.

    Members
    -------
    enable : the pipeline moves
    x, mult, bias : the operands
    o : the result's bits, :attr:`latency` enabled cycles later
    """

    def __init__(self, *, x: Shape, mult: Shape, bias: Shape, shift: int, out_bits: int) -> None:
        self.formats = (x, mult, bias)
        self.shift = shift
        self.out_bits = out_bits
        self.digits = self.digits_of(mult, shift + out_bits)
        super().__init__(
            {
                "enable": In(1),
                "x": In(x),
                "mult": In(mult),
                "bias": In(bias),
                "o": Out(out_bits),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (*((f.width, f.signed) for f in self.formats), self.shift, self.out_bits)

    @property
    def module_name(self) -> str:
        return "scaler"

    @property
    def latency(self) -> int:
        """Enabled cycles from operands to result."""
        return self.latency_of(self.digits)

    @staticmethod
    def digits_of(mult: Shape, kept: int) -> int:
        """Partial products; those beyond the ``kept`` bits of the sum cannot change it."""
        return ceil_div(min(mult.width + (not mult.signed), kept), _DIGIT)

    @staticmethod
    def latency_of(digits: int) -> int:
        """Latency with so many partial products; the bias and a last carry join them."""
        return 1 + tree_levels(digits + 2)

    def model(self, x: int, mult: int, bias: int) -> int:
        """The result's bits, unsigned."""
        return ((x * mult + bias) >> self.shift) & ((1 << self.out_bits) - 1)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kept = self.shift + self.out_bits
        mult = Signal(Shape(_DIGIT * self.digits, True))
        m.d.comb += mult.eq(self.mult)
        bits = Cat(Const(0, 1), mult)
        lowest, highest = _range_of(self.formats[0])
        low, high = min(2 * lowest, -2 * highest - 1), max(2 * highest, -2 * lowest - 1)
        carry: Value = Const(0, 1)
        terms = []
        for index in range(self.digits):
            below, own, above = bits[_DIGIT * index :][: _DIGIT + 1]
            twice = (above & ~own & ~below) | (~above & own & below)
            size = Mux(own ^ below, self.x, Mux(twice, self.x << 1, 0))
            product = Signal(range_shape(low, high), name=f"selected_{index}")
            # A negative one is inverted here; the 1 that is missing comes with the next.
            m.d.comb += product.eq(size ^ Mux(above, -1, 0))
            term = Term(value=product, low=low, high=high, place=_DIGIT * index)
            if index:
                term = Term(
                    value=Cat(carry, Const(0, _DIGIT - 1), product).as_signed(),
                    low=low << _DIGIT,
                    high=(high << _DIGIT) + 1,
                    place=_DIGIT * (index - 1),
                )
            terms.append(term.registered(m, self.enable, f"product_{index}", kept))
            carry = above
        last = Term(value=carry, low=0, high=1, place=_DIGIT * max(0, self.digits - 1))
        terms.append(last.registered(m, self.enable, "carry", kept))
        low, high = _range_of(self.formats[2])
        bias = Term(value=self.bias, low=low, high=high)
        terms.append(bias.registered(m, self.enable, "offset", kept))
        total = enabled_sum(m, self.enable, "sum", terms, kept)
        m.d.comb += self.o.eq((total.value << total.place) >> self.shift)
        return m


class Rescale(StreamNode):
    """``(x * mult_c + bias_c + half) >> shift`` of each channel ``c``, one beat a cycle.

    :attr:`latency` cycles late, arithmetic and exact, rounded half up, not saturated. The factors
    of a beat's channels are read from a memory of one word a beat of a pixel; a single word is a
    constant.

    Parameters
    ----------
    shape : :class:`StreamShape`
        The operand.
    mult, bias : sequence of :class:`int`
        Factor and offset of each channel.
    shift : :class:`int`
        Bits cut off.
    result_range : pair of :class:`int`
        Lowest and highest result; the output is the narrowest format that holds them.

    Raises
    ------
    TypeError, ValueError
        If there is not a factor and an offset for each channel, or the shift is negative.
    """

    def __init__(
        self,
        *,
        shape: StreamShape,
        mult: Iterable[int],
        bias: Iterable[int],
        shift: int,
        result_range: tuple[int, int],
    ) -> None:
        self.mult, self.bias = tuple(map(int, mult)), tuple(map(int, bias))
        for name, values in (("mult", self.mult), ("bias", self.bias)):
            if len(values) != shape.channels:
                raise ValueError(
                    f"{name} must have a value for each of {shape.channels} channels, "
                    f"not {len(values)!r}"
                )
        if not isinstance(shift, int) or isinstance(shift, bool):
            raise TypeError(f"shift must be an integer, not {shift!r}")
        if shift < 0:
            raise ValueError(f"shift must be at least 0, not {shift!r}")
        low, high = map(int, result_range)
        if low > high:
            raise ValueError(f"result_range must ascend, not {result_range!r}")
        self.shift = shift
        result = range_shape(low, high)
        out = replace(shape, bits=max(1, result.width), signed=result.signed)
        half = (1 << shift) >> 1
        self.offset = tuple(value + half for value in self.bias)
        self.scaler: dict[str, Any] = {
            "x": shape.element,
            "mult": range_shape(min(self.mult), max(self.mult)),
            "bias": range_shape(min(self.offset), max(self.offset)),
            "shift": shift,
            "out_bits": out.bits,
        }
        digits = Scaler.digits_of(self.scaler["mult"], shift + out.bits)
        self.latency = 1 + Scaler.latency_of(digits)
        super().__init__(shapes_in=(shape,), shapes_out=(out,))

    @classmethod
    def from_node(
        cls, node: Any, *, shape: StreamShape, operand_range: NDArray[np.int64] | None = None
    ) -> Rescale:
        """Hardware of a ``rescale`` of a ``.pa`` network.

        Parameters
        ----------
        node : :class:`pa_artifact.Node`
            Validated node.
        shape : :class:`StreamShape`
            The operand.
        operand_range : array (C, 2), optional
            Lowest and highest value of each channel; by default those of the number format.

        Raises
        ------
        ValueError
            If the node is not a rescale.
        """
        if node.kind != "rescale":
            raise ValueError(f"node {node.name!r} must be a rescale, not {node.kind!r}")
        mult, bias = node.tensors["mult"].tolist(), node.tensors["bias"].tolist()
        shift = int(node.tensors["shift"])
        bounds = [shape.range] * shape.channels if operand_range is None else operand_range.tolist()
        half = (1 << shift) >> 1
        results = [
            (value * factor + offset + half) >> shift
            for pair, factor, offset in zip(bounds, mult, bias, strict=True)
            for value in pair
        ]
        return cls(
            shape=shape,
            mult=mult,
            bias=bias,
            shift=shift,
            result_range=(min(results), max(results)),
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        source, target = self.shapes_in[0], self.shapes_out[0]
        formats = (source.lanes, source.bits, source.signed, target.bits, target.signed)
        return (*formats, self.mult, self.bias, self.shift)

    @property
    def module_name(self) -> str:
        return "rescale"

    def model(self, frame: NDArray[np.int64]) -> NDArray[np.int64]:
        """The scaled frame."""
        mult, offset = (np.array(v).reshape(-1, 1, 1) for v in (self.mult, self.offset))
        return (frame * mult + offset) >> self.shift

    def passage(self, arrivals: Curve) -> Passage:
        """Cycles of the beats; see :mod:`pa_hdl.nodes.timing`."""
        accepted = one_per_cycle(arrivals)
        return Passage(accepted=(accepted,), departed=(accepted + self.latency,))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        lanes = self.shapes_in[0].lanes
        enable = Signal()
        m.d.comb += [enable.eq(~self.o.valid | self.o.ready), self.i.ready.eq(enable)]
        valid = enabled(m, enable, "valid", self.i.valid, self.latency, reset=True)
        last = enabled(m, enable, "last", self.i.p.last, self.latency)
        m.d.comb += [self.o.valid.eq(valid), self.o.p.last.eq(last)]
        word = data.StructLayout(
            {"mult": self.scaler["mult"], "offset": self.scaler["bias"]},
        )
        factors = data.View(data.ArrayLayout(word, lanes), self._factors(m, platform, enable, word))
        beat = Signal.like(self.i.p.data, reset_less=True)
        with m.If(enable):
            m.d.sync += beat.eq(self.i.p.data)
        for lane in range(lanes):
            scaler = Scaler(**self.scaler)
            add_submodule(m, platform, f"scaler_{lane}", scaler)
            m.d.comb += [
                scaler.enable.eq(enable),
                scaler.x.eq(beat[lane]),
                scaler.mult.eq(factors[lane].mult),
                scaler.bias.eq(factors[lane].offset),
                self.o.p.data[lane].eq(scaler.o),
            ]
        return m

    def _factors(self, m: Module, platform: Any, enable: Value, word: data.StructLayout) -> Value:
        """Factors of the channels of the beat taken in the enabled cycle before."""
        shape = self.shapes_in[0]
        layout = data.ArrayLayout(word, shape.lanes)
        lanes = [
            {"mult": mult, "offset": offset}
            for mult, offset in zip(self.mult, self.offset, strict=True)
        ]
        words = [
            layout.const(lanes[start : start + shape.lanes]).as_bits()
            for start in range(0, shape.channels, shape.lanes)
        ]
        if len(words) == 1:
            return Const(words[0], layout.size)
        memory = Ram(depth=len(words), width=max(1, layout.size), init=words, name="factors")
        add_submodule(m, platform, "factors", memory)
        fold, following = Signal(range(len(words))), Signal(range(len(words)))
        advance(m, fold, len(words), enable & self.i.valid)
        with m.If(enable):
            m.d.sync += following.eq(fold)
        # While the pipeline halts, the word that is read stays.
        m.d.comb += memory.read_addr.eq(Mux(enable, fold, following))
        return memory.read_data


def _range_of(shape: Shape) -> tuple[int, int]:
    """Lowest and highest number of a format, which may have no bits."""
    if shape.signed:
        return -(1 << (shape.width - 1)), (1 << (shape.width - 1)) - 1
    return 0, (1 << shape.width) - 1
