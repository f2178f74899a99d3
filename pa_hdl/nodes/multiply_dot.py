"""Zero points, multipliers and adders of a convolution of integer weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import signed_bits
from pa_hdl.datapaths.signature import control
from pa_hdl.emit import add_submodule
from pa_hdl.frame import encoder_members
from pa_hdl.memory import Ram
from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.parameters import pack_rows
from pa_hdl.popcount import SumTree, delay, tree_levels

__all__ = ["MultiplyDot", "MultiplyPe", "ZeroPoint"]


class ZeroPoint(wiring.Component):
    """Subtract each channel's zero point, one beat per cycle; never stalls.

    Padding becomes 0, whatever the zero point.

    Parameters
    ----------
    config : :class:`~pa_hdl.nodes.multiply_config.MultiplyConfig`
        The engine.

    Members
    -------
    valid, act, padding, fold : a beat; ``fold`` is the index of its channels
    o_valid, codes : :meth:`latency` cycles later
    """

    def __init__(self, *, config: MultiplyConfig) -> None:
        self.config = config
        super().__init__(encoder_members(config))

    @property
    def module_key(self) -> tuple[Any, ...]:
        config = self.config
        formats = (config.act_bits, config.act_signed, config.code_bits)
        return (config.in_folds, config.simd, *formats, config.zero)

    @property
    def module_name(self) -> str:
        return "zero_point"

    @staticmethod
    def _varies(config: MultiplyConfig) -> bool:
        """Whether the zero points of a beat depend on its fold."""
        return config.zero != config.zero[: config.simd] * config.in_folds

    @classmethod
    def latency(cls, config: MultiplyConfig) -> int:
        """Cycles from a beat to its differences."""
        return 1 + cls._varies(config)

    def model(self, acts: Sequence[int], fold: int, padding: bool = False) -> list[int]:
        """Differences of one beat."""
        zero = self.config.zero[fold * self.config.simd :]
        return [0 if padding else act - zero[lane] for lane, act in enumerate(acts)]

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        wait = self.latency(config) - 1
        act = delay(m, "act", self.act.as_value(), wait)
        padding = delay(m, "padding", self.padding, wait)
        m.d.comb += self.o_valid.eq(delay(m, "valid", self.valid, wait + 1, reset=True))
        lanes = data.View(self.act.shape(), act)
        zero = self._zero_points(m, platform)
        for lane in range(config.simd):
            code = Signal(config.code_bits, name=f"code_{lane}", reset_less=True)
            m.d.sync += code.eq(Mux(padding, 0, lanes[lane] - zero[lane]))
            m.d.comb += self.codes[lane].eq(code)
        return m

    def _zero_points(self, m: Module, platform: Any) -> Any:
        """Zero point of each lane of the beat: constants, or read from a memory."""
        config = self.config
        if not self._varies(config):
            return [Const(zero) for zero in config.zero[: config.simd]]
        width = signed_bits(min(config.zero), max(config.zero))
        words = pack_rows(np.array(config.zero).reshape(config.in_folds, -1), width)
        memory = Ram(depth=config.in_folds, width=width * config.simd, init=words, name="zeros")
        add_submodule(m, platform, "zeros", memory)
        m.d.comb += memory.read_addr.eq(self.fold)
        return data.View(data.ArrayLayout(signed(width), config.simd), memory.read_data)


class MultiplyPe(wiring.Component):
    """One output channel: multiply pairs, add up, accumulate; one fold per cycle.

    ``acc`` is complete :meth:`latency` cycles after the last fold's weights came in. Operands,
    products and every level of the tree are registers.

    Parameters
    ----------
    config : :class:`~pa_hdl.nodes.multiply_config.MultiplyConfig`
        The engine.

    Members
    -------
    weight : weights
    act : what they are multiplied with, one cycle after the weights
    valid, first : ``latency - 1`` cycles after the weights: accumulate, start from 0
    acc : the accumulator
    """

    def __init__(self, *, config: MultiplyConfig) -> None:
        self.config = config
        self.act_shape = Shape(config.code_bits, config.code_signed)
        super().__init__(
            {
                "weight": In(data.ArrayLayout(signed(config.weight_bits), config.products)),
                "act": In(data.ArrayLayout(self.act_shape, config.products)),
                "valid": In(1),
                "first": In(1),
                "acc": Out(signed(config.acc_bits)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return self.key_of(self.config)

    @staticmethod
    def key_of(config: MultiplyConfig) -> tuple[Any, ...]:
        """What the hardware of one PE depends on."""
        return (config.products, config.weight_bits, config.code_range, config.acc_range)

    @property
    def module_name(self) -> str:
        return f"multiply_pe_{self.config.products}"

    @staticmethod
    def latency(config: MultiplyConfig) -> int:
        """Cycles from the weights of a fold to the accumulator that includes it."""
        return 2 + tree_levels(config.products) + 1

    def bound(self, start: int, end: int) -> tuple[int, int]:
        """Range of the sum of some products: any part of an accumulator is within its range."""
        low, high = ((end - start) * limit for limit in self.config.product_range)
        lowest, highest = self.config.acc_range
        return max(low, lowest), min(high, highest)

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[int]]]) -> int:
        """Accumulator of ``(elements, weights)`` folds."""
        return sum(
            act * weight for fold in folds for act, weight in zip(fold[0], fold[1], strict=True)
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        tree = SumTree(terms=config.products, bound=self.bound)
        add_submodule(m, platform, "tree", tree)
        for lane in range(config.products):
            weight = Signal(signed(config.weight_bits), name=f"weight_{lane}", reset_less=True)
            term = tree.i[str(lane)]
            product = Signal(term.shape(), name=f"product_{lane}", reset_less=True)
            m.d.sync += [weight.eq(self.weight[lane]), product.eq(weight * self.act[lane])]
            m.d.comb += term.eq(product)
        acc = Signal(signed(config.acc_bits), reset_less=True)
        with m.If(self.valid):
            m.d.sync += acc.eq(Mux(self.first, 0, acc) + tree.o)
        m.d.comb += self.acc.eq(acc)
        return m


class MultiplyDot(wiring.Component):
    """PE sums of products, one fold per cycle.

    Parameters
    ----------
    config : :class:`~pa_hdl.nodes.multiply_config.MultiplyConfig`
        The engine. If it is lanewise, each PE multiplies the element of its own lane.

    Members
    -------
    valid, first, last : one fold arrives; it is the first, the last of an output element
    act : SIMD differences
    weight : the weights of each PE
    o_valid, acc : one accumulator for each PE, :meth:`latency` cycles after its last fold
    """

    def __init__(self, *, config: MultiplyConfig) -> None:
        self.config = config
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "act": In(data.ArrayLayout(config.code_bits, config.simd)),
                "weight": In(
                    data.ArrayLayout(signed(config.weight_bits), config.pe * config.products)
                ),
                "o_valid": Out(1),
                "acc": Out(data.ArrayLayout(signed(config.acc_bits), config.pe)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        config = self.config
        return (config.simd, config.pe, config.lanewise, MultiplyPe.key_of(config))

    @property
    def module_name(self) -> str:
        return "multiply_dot"

    @staticmethod
    def latency(config: MultiplyConfig) -> int:
        """Cycles from the last fold of an output element to its accumulator."""
        return MultiplyPe.latency(config)

    def model(self, folds: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[int]:
        """Accumulator of each PE after ``(differences, weights)`` folds."""
        accs = np.zeros(self.config.pe, np.int64)
        for act, weight in folds:
            each = np.reshape(weight, (self.config.pe, -1))
            operand = np.reshape(act, (-1, 1) if self.config.lanewise else (1, -1))
            accs += (each * operand).sum(axis=1)
        return accs.tolist()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        valid, first = control(m, self, self.latency(config))
        act = delay(m, "act", self.act.as_value(), 1)
        weights = config.products * config.weight_bits

        def add_pe(index: int) -> None:
            pe = MultiplyPe(config=config)
            add_submodule(m, platform, f"pe_{index}", pe)
            own: Value = act.word_select(index, config.code_bits) if config.lanewise else act
            m.d.comb += [
                pe.weight.as_value().eq(self.weight.as_value().word_select(index, weights)),
                pe.act.as_value().eq(own),
                pe.valid.eq(valid),
                pe.first.eq(first),
                self.acc[index].eq(pe.acc),
            ]

        for index in range(config.pe):
            add_pe(index)
        return m
