"""What components take of a 7-series device, by formulas: no synthesis is run.

PA engines are :mod:`pa_hdl.cost`'s. Of the other nodes arithmetic is counted by its structure
(:mod:`pa_hdl.luts`), memories by what Yosys weighs against each other, and what leads a window over
an image as a constant. Constants come from small nodes synthesised by the flow of ``hw/``; ``python
-m hw.area`` shows how far all of this is from synthesis, also of what the constants were not taken
from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, lcm
from typing import Any

from pa_hdl import cost
from pa_hdl.config import EngineConfig, ceil_div
from pa_hdl.cost_memory import place_memory
from pa_hdl.engine import Engine
from pa_hdl.geometry import ConvGeometry
from pa_hdl.luts import digit_multiplier_luts, multiplier_luts
from pa_hdl.nodes.add import Add
from pa_hdl.nodes.concat import Concat
from pa_hdl.nodes.fifo import Fifo
from pa_hdl.nodes.fork import Fork
from pa_hdl.nodes.global_pool import GlobalPool
from pa_hdl.nodes.multiply import MultiplyEngine
from pa_hdl.nodes.pool import Pool
from pa_hdl.nodes.rescale import Rescale
from pa_hdl.nodes.width import WidthConverter
from pa_hdl.parameters import LayerParameters
from pa_hdl.schedule import Schedule

__all__ = [
    "Area",
    "add_area",
    "concat_area",
    "engine_area",
    "estimate",
    "fifo_area",
    "global_pool_area",
    "memory_area",
    "multiply_area",
    "pool_area",
    "rescale_area",
    "width_area",
]


@dataclass(frozen=True, kw_only=True)
class Area:
    """What a component takes.

    Parameters
    ----------
    luts : :class:`int`
        LUTs of six inputs, those of distributed memory included.
    block_rams : :class:`float`
        Blocks of 36 Kbit, counted in halves.
    bits : :class:`int`
        Bits of memory, of whatever kind.
    """

    luts: int = 0
    block_rams: float = 0.0
    bits: int = 0

    def __add__(self, other: Area) -> Area:
        return Area(
            luts=self.luts + other.luts,
            block_rams=self.block_rams + other.block_rams,
            bits=self.bits + other.bits,
        )

    @property
    def weight(self) -> float:
        """One number to compare by: a block of memory counts as the LUTs a device has for it."""
        return self.luts + LUTS_PER_BLOCK * self.block_rams


TARGET = "xc7"
"""Device family whose LUTs are counted."""

LUTS_PER_BLOCK = 400
"""LUTs of a 7-series device for each of its blocks of memory: Zynq 7045, 218 600 and 545."""

_CONTROL, _MASKED = 140, 25
"""LUTs of the guard and of the counters that lead a window over an image, and of padding."""


def memory_area(depth: int, width: int, *, writable: bool, block: bool = False) -> Area:
    """A memory with one registered read port and, if writable, a write port.

    ``block`` puts it in block RAM, as weights are, whatever Yosys would choose.
    """
    placed = place_memory(TARGET, depth, width, writable=writable, block=block)
    return Area(luts=placed.luts, block_rams=placed.blocks, bits=depth * width)


def fifo_area(depth: int, width: int) -> Area:
    """A queue of beats."""
    counters = Area(luts=3 * depth.bit_length() + 6)
    if depth <= 32:
        return counters + Area(luts=4 * ceil_div(width, 6), bits=depth * width)
    past = Area(luts=width + depth.bit_length())
    return memory_area(depth, width, writable=True) + past + counters


def width_area(lanes_in: int, lanes_out: int, bits: int) -> Area:
    """A converter between streams of different width: gathered beats shift, split ones load."""
    both = lcm(lanes_in, lanes_out)
    return Area(luts=8 + (both - lanes_out) * bits)


def engine_area(
    config: EngineConfig, parameters: LayerParameters, *, rows: int | None = None
) -> Area:
    """A PA convolution; ``rows`` of its line buffer, where they are known.

    Popcounts in plain logic count in LUTs of the 7-series, as everything else here does; other
    forms in those of their own target.
    """
    if (config.datapath, config.target) == ("popcount", "generic"):
        config = replace(config, target=TARGET)
    made = cost.estimate(config, parameters, rows=rows)
    rows = Schedule(config).rows if rows is None else rows
    bits = config.folds_per_pixel * config.weight_word_bits
    bits += rows * config.width * config.in_folds * config.simd * config.code_bits
    bits += config.in_folds * config.threshold_word_bits
    return Area(luts=made.lut, block_rams=made.bram, bits=bits)


def multiply_area(
    config: ConvGeometry,
    rows: int,
    *,
    code_bits: int,
    code_signed: bool,
    acc_bits: int,
    weight_bits: int = 8,
) -> Area:
    """A convolution of integer weights whose line buffer holds elements of ``code_bits``."""
    products = 1 if config.lanewise else config.simd
    multiplier = multiplier_luts(weight_bits, code_bits, signed=code_signed)
    tree = (products - 1) * (weight_bits + code_bits + 1)
    pe = products * multiplier + tree + acc_bits
    # Signed elements are differences from a zero point.
    zero = config.simd * code_bits if code_signed else 0
    weights = _weights(config, config.pe * products * weight_bits)
    window = _window(config, rows, code_bits, acc_bits)
    return Area(luts=round(config.pe * pe + zero)) + weights + window


def pool_area(
    config: ConvGeometry, rows: int, *, code_bits: int, acc_bits: int, largest: bool
) -> Area:
    """A maximum, or a sum, over a window."""
    lane = code_bits + 1 if largest else acc_bits + 1
    return Area(luts=config.simd * lane) + _window(config, rows, code_bits, acc_bits)


def rescale_area(
    lanes: int, folds: int, *, x_bits: int, mult_bits: int, bias_bits: int, kept: int
) -> Area:
    """Multipliers by a factor of each channel, and an offset; ``kept`` bits of each product."""
    constant = folds == 1
    lane = digit_multiplier_luts(x_bits, mult_bits, bias_bits, kept, constant=constant)
    luts = Area(luts=lanes * lane + 10)
    if constant:
        return luts
    return luts + memory_area(folds, lanes * (mult_bits + bias_bits), writable=False)


def add_area(lanes: int, operand_bits: Sequence[int], bits: int) -> Area:
    """A sum of streams that saturates."""
    adders = (len(operand_bits) - 1) * (max(operand_bits) + 1)
    return Area(luts=lanes * (adders + bits) + 2 * len(operand_bits))


def concat_area(lanes: int, operands: int, bits: int) -> Area:
    """A choice among streams."""
    return Area(luts=ceil((operands - 1) / 2) * lanes * bits + 4 * operands)


def global_pool_area(lanes: int, bits: int, folds: int) -> Area:
    """Sums of ``bits`` over an image."""
    sums = memory_area(folds, lanes * bits, writable=True) if folds > 1 else Area()
    return Area(luts=lanes * bits + 17) + sums


def _weights(config: ConvGeometry, word_bits: int) -> Area:
    return memory_area(config.folds_per_pixel, word_bits, writable=False, block=True)


def _window(config: ConvGeometry, rows: int, code_bits: int, acc_bits: int) -> Area:
    """Guard, line buffer, its counters, and the queue of results."""
    depth = rows * config.width * config.in_folds
    lines = memory_area(depth, config.simd * code_bits, writable=True)
    masks = config.simd * code_bits + _MASKED if any(config.pad) else 0
    results = Area(luts=4 * ceil_div(config.pe * acc_bits + 1, 6) + _RESULTS)
    return lines + results + Area(luts=_CONTROL + masks)


_RESULTS = 27
"""LUTs of the counters of the queue of results."""


def estimate(component: Any) -> Area:
    """Predicted area of an engine, a pool or another node of a network.

    Raises
    ------
    TypeError
        If there is no formula for such a component.
    """
    for kind, rule in _RULES.items():
        if isinstance(component, kind):
            return rule(component)
    raise TypeError(f"There is no area model of a {type(component).__name__}")


def _engine(engine: Engine) -> Area:
    if engine.parameters is None:
        raise TypeError("There is no area model of an engine that is loaded at run time")
    return engine_area(engine.config, engine.parameters, rows=engine.schedule.rows)


def _multiply(engine: MultiplyEngine) -> Area:
    config = engine.config
    return multiply_area(
        config,
        engine.schedule.rows,
        code_bits=config.code_bits,
        code_signed=config.code_signed,
        acc_bits=config.acc_bits,
        weight_bits=config.weight_bits,
    )


def _pool(pool: Pool) -> Area:
    config = pool.config
    return pool_area(
        config,
        pool.schedule.rows,
        code_bits=config.code_bits,
        acc_bits=config.acc_bits,
        largest=config.operation == "max",
    )


def _rescale(node: Rescale) -> Area:
    shape, scaler = node.shapes_in[0], node.scaler
    return rescale_area(
        shape.lanes,
        shape.folds,
        x_bits=shape.bits,
        mult_bits=scaler["mult"].width,
        bias_bits=scaler["bias"].width,
        kept=node.shift + node.shapes_out[0].bits,
    )


def _add(node: Add) -> Area:
    result = node.shapes_out[0]
    return add_area(result.lanes, [shape.bits for shape in node.shapes_in], result.bits)


def _concat(node: Concat) -> Area:
    result = node.shapes_out[0]
    return concat_area(result.lanes, len(node.shapes_in), result.bits)


def _fork(node: Fork) -> Area:
    return Area(luts=3 * len(node.shapes_out))


def _fifo(node: Fifo) -> Area:
    return fifo_area(node.depth, node.shapes_in[0].layout.size)


def _width(node: WidthConverter) -> Area:
    source, target = node.shapes_in[0], node.shapes_out[0]
    return width_area(source.lanes, target.lanes, source.bits)


def _global_pool(node: GlobalPool) -> Area:
    result = node.shapes_out[0]
    return global_pool_area(result.lanes, result.bits, node.shapes_in[0].folds)


_RULES: dict[type, Callable[[Any], Area]] = {
    Engine: _engine,
    MultiplyEngine: _multiply,
    Pool: _pool,
    Rescale: _rescale,
    Add: _add,
    Concat: _concat,
    Fork: _fork,
    Fifo: _fifo,
    WidthConverter: _width,
    GlobalPool: _global_pool,
}
