"""What components take of a device with LUTs of six inputs, by formulas: no synthesis is run.

The formulas follow the structure of the hardware: so many carry chains of so many bits, so many
tables. What Yosys makes of each part (``synth_xilinx -family xc7``, no multiplier blocks, two
small functions never paired in one LUT) is one factor a kind of part, fitted to a few small engines
and nodes; ``python -m hw.area`` shows how far the formulas are from synthesis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, lcm
from typing import Any

from pa_hdl.config import EngineConfig, ceil_div
from pa_hdl.engine import Engine
from pa_hdl.geometry import ConvGeometry
from pa_hdl.nodes.add import Add
from pa_hdl.nodes.concat import Concat
from pa_hdl.nodes.fifo import Fifo
from pa_hdl.nodes.fork import Fork
from pa_hdl.nodes.global_pool import GlobalPool
from pa_hdl.nodes.multiply import MultiplyEngine
from pa_hdl.nodes.pool import Pool
from pa_hdl.nodes.rescale import Rescale
from pa_hdl.nodes.width import WidthConverter

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


LUTS_PER_BLOCK = 400
"""LUTs of a 7-series device for each of its blocks of memory: Zynq 7045, 218 600 and 545."""

_CONTROL = 150
"""LUTs of the counters that lead a window over an image."""

_BLOCKS = ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))
"""Words and bits of a block of 18 Kbit."""

_DISTRIBUTED_WORDS = 64
"""Most words that are kept in LUTs."""


def memory_area(depth: int, width: int, *, writable: bool) -> Area:
    """A memory with one registered read port and, if writable, a write port."""
    bits = depth * width
    if depth <= 1 and not writable:
        return Area(bits=bits)
    if depth <= _DISTRIBUTED_WORDS:
        if not writable:
            return Area(luts=width, bits=bits)
        # Four LUTs hold 32 words of six bits, or 64 words of three.
        return Area(luts=4 * ceil_div(width, 6 if depth <= 32 else 3), bits=bits)
    halves = min(ceil_div(depth, words) * ceil_div(width, each) for words, each in _BLOCKS)
    return Area(block_rams=halves / 2, bits=bits)


def fifo_area(depth: int, width: int) -> Area:
    """A queue of beats."""
    counters = 3 * depth.bit_length() + 6
    if depth <= 32:
        return Area(luts=4 * ceil_div(width, 6) + counters, bits=depth * width)
    past = Area(luts=width + depth.bit_length())
    return memory_area(depth, width, writable=True) + past + Area(luts=counters)


def width_area(lanes_in: int, lanes_out: int, bits: int) -> Area:
    """A converter between streams of different width."""
    both = lcm(lanes_in, lanes_out)
    # Gathering shifts whole beats, whose registers need no LUTs; splitting loads or shifts.
    return Area(luts=12 + (both * bits if both > lanes_out else 0))


def engine_area(config: EngineConfig, rows: int) -> Area:
    """A PA convolution whose line buffer has so many rows."""
    dot = config.n * config.simd * _decoded(config.n)
    dot += config.pe * _popcount_pe(config)
    comparators = config.simd * (config.n * config.threshold_bits * _COMPARED + _popcount(config.n))
    thresholds = memory_area(config.in_folds, config.threshold_word_bits, writable=False)
    weights = memory_area(config.folds_per_pixel, config.weight_word_bits, writable=False)
    window = _window(config, rows, config.code_bits, config.acc_bits)
    return Area(luts=round(dot + comparators)) + thresholds + weights + window


def multiply_area(
    config: ConvGeometry, rows: int, *, code_bits: int, acc_bits: int, weight_bits: int = 8
) -> Area:
    """A convolution of integer weights whose line buffer holds elements of ``code_bits``."""
    products = 1 if config.lanewise else config.simd
    tree = (products - 1) * (weight_bits + code_bits + 2)
    pe = products * _product(weight_bits, code_bits) + tree + acc_bits
    zero = config.simd * code_bits
    word = config.pe * products * weight_bits
    weights = memory_area(config.folds_per_pixel, word, writable=False)
    window = _window(config, rows, code_bits, acc_bits)
    return Area(luts=round(config.pe * pe + zero)) + weights + window


def pool_area(
    config: ConvGeometry, rows: int, *, code_bits: int, acc_bits: int, largest: bool
) -> Area:
    """A maximum, or a sum, over a window."""
    lane = 2 * code_bits if largest else acc_bits
    return Area(luts=config.simd * lane) + _window(config, rows, code_bits, acc_bits)


def rescale_area(lanes: int, x_bits: int, mult_bits: int, bias_bits: int, folds: int) -> Area:
    """Multipliers by a factor of each channel, and an offset."""
    lane = _product(mult_bits, x_bits) + max(bias_bits, x_bits + mult_bits)
    factors = memory_area(folds, lanes * (mult_bits + bias_bits), writable=False)
    return Area(luts=round(lanes * lane) + 10) + factors


def add_area(lanes: int, operand_bits: Sequence[int], bits: int) -> Area:
    """A sum of streams that saturates."""
    adders = (len(operand_bits) - 1) * (max(operand_bits) + 1)
    return Area(luts=lanes * (adders + 2 * bits) + 4)


def concat_area(lanes: int, operands: int, bits: int) -> Area:
    """A choice among streams."""
    muxes = ceil((operands - 1) / 2) * lanes * bits
    return Area(luts=muxes + 4 * operands + 10)


def global_pool_area(lanes: int, bits: int, folds: int) -> Area:
    """Sums of ``bits`` over an image."""
    return Area(luts=lanes * bits + 40) + memory_area(folds, lanes * bits, writable=True)


def _decoded(count: int) -> float:
    """LUTs of one bit of a base; with a single base it is the code itself."""
    return 0.0 if count == 1 else 1.0


_COMPARED = 0.75
"""LUTs of a bit of a comparison."""


def _popcount(bits: int) -> float:
    """LUTs that count the set bits of a word: groups of six, and a tree."""
    groups = ceil_div(bits, 6)
    return min(bits, 6).bit_length() * groups + 4.0 * (groups - 1)


def _and_popcount(pairs: int) -> float:
    """LUTs that count the pairs of set bits: groups of nine, and a tree."""
    groups, rest = divmod(pairs, 9)
    luts = 10.0 * groups
    if rest:
        threes = ceil_div(rest, 3)
        luts += (1 if rest == 1 else 2 * threes) + (0 if threes == 1 else 1 + threes)
    count = groups + bool(rest)
    return luts + sum(5.0 + level for level, adders in _levels(count) for _ in range(adders))


def _levels(count: int) -> list[tuple[int, int]]:
    """Level and number of adders of each level of a balanced tree."""
    levels: list[tuple[int, int]] = []
    while count > 1:
        levels.append((len(levels), count // 2))
        count = ceil_div(count, 2)
    return levels


def _popcount_pe(config: EngineConfig) -> float:
    lanes = config.m * config.n
    count_bits = config.simd.bit_length()
    digits = ceil_div(count_bits, 6)
    term = config.phi_bits - 1 + min(count_bits, 6)
    # A count of one bit is multiplied by an AND that the adder behind it takes in.
    product = 0.0 if count_bits == 1 else 0.85 * term * digits
    decode = config.m * config.simd * _decoded(config.m)
    terms = lanes * digits
    tree = (terms - 1) * (config.phi_bits + count_bits - 1)
    return decode + lanes * (_and_popcount(config.simd) + product) + tree + config.acc_bits


def _product(first: int, second: int) -> float:
    """LUTs of a product: two bits of one factor in a carry chain, and a tree of those."""
    few, many = min(first, second), max(first, second)
    partial = ceil_div(few, 2)
    return partial * (many + 2) + (partial - 1) * (many + 4.0)


def _window(config: ConvGeometry, rows: int, code_bits: int, acc_bits: int) -> Area:
    """Guard, line buffer, its counters, and the queue of results."""
    depth = rows * config.width * config.in_folds
    lines = memory_area(depth, config.simd * code_bits, writable=True)
    masks = Area(luts=config.simd * code_bits)
    results = fifo_area(8, config.pe * acc_bits + 1)
    return lines + masks + results + Area(luts=_CONTROL)


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
    return engine_area(engine.config, engine.schedule.rows)


def _multiply(engine: MultiplyEngine) -> Area:
    config = engine.config
    return multiply_area(
        config,
        engine.schedule.rows,
        code_bits=config.code_bits,
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
    shape = node.shapes_in[0]
    scaler = node.scaler
    return rescale_area(
        shape.lanes, shape.bits, scaler["mult"].width, scaler["bias"].width, shape.folds
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
