"""LUTs of six inputs in arithmetic: what Yosys makes of adders, counters and tables.

Counted for a 7-series device (``synth_xilinx -family xc7``, no multiplier blocks, two small
functions never paired in one LUT). An adder is a carry chain: a LUT for each bit where both
operands vary, none where one is constant, and one for all bits beyond the sign of both.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Shape

from pa_hdl.config import ceil_div
from pa_hdl.popcount import AndPopcount, Popcount

__all__ = [
    "adder_luts",
    "and_popcount_luts",
    "digit_multiplier_luts",
    "multiplier_luts",
    "pair_luts",
    "popcount_luts",
]

_CONSTANT_TREE = 0.7
"""Share of the adders that remains where a multiplier is constant; of random ones, synthesised."""

_COUNT = (0, 0, 2, 2, 3, 3, 3)
"""LUTs that count so many bits: one group of a :class:`~pa_hdl.popcount.Popcount`, synthesised."""

_COUNT_PAIRS = (0, 1, 2, 2, 5, 7, 9, 9, 11, 15)
"""The same for pairs, one group of an :class:`~pa_hdl.popcount.AndPopcount`."""

_ARRAY, _SIGNED_ARRAY = 1.72, 2.1
"""LUTs of a multiplier for each pair of bits, with one operand unsigned and with both signed.

Of 8 bits by 4 to 12, synthesised.
"""


def adder_luts(first: Shape, second: Shape) -> int:
    """LUTs of an adder of two operands."""
    narrow, wide = sorted((first, second), key=lambda shape: shape.width)
    return wide.width if narrow.signed else narrow.width


def _count_tree(groups: Sequence[int]) -> int:
    """Adders of a balanced tree over counts, given by their highest values."""
    luts = 0
    counts = list(groups)
    while len(counts) > 1:
        pairs = [counts[at : at + 2] for at in range(0, len(counts), 2)]
        luts += sum(min(map(int.bit_length, pair)) for pair in pairs if len(pair) == 2)
        counts = [sum(pair) for pair in pairs]
    return luts


def _groups(bits: int, size: int) -> list[int]:
    whole, rest = divmod(bits, size)
    return [size] * whole + ([rest] if rest else [])


def popcount_luts(bits: int) -> int:
    """LUTs that count the set bits of a word."""
    groups = _groups(bits, Popcount.GROUP)
    return sum(_COUNT[size] for size in groups) + _count_tree(groups)


def and_popcount_luts(bits: int) -> int:
    """LUTs that count the positions set in both of two words."""
    return sum(pair_luts(bits))


def pair_luts(bits: int) -> tuple[int, int]:
    """The same, taken apart: LUTs that count groups of pairs, and those of the adders behind."""
    groups = _groups(bits, AndPopcount.GROUP**2)
    return sum(_COUNT_PAIRS[size] for size in groups), _count_tree(groups)


def multiplier_luts(weight_bits: int, bits: int, *, signed: bool) -> float:
    """LUTs of a product of a signed weight, as Yosys builds it."""
    return (_SIGNED_ARRAY if signed else _ARRAY) * weight_bits * bits


def digit_multiplier_luts(
    x_bits: int, mult_bits: int, bias_bits: int, kept: int, *, constant: bool = False
) -> int:
    """LUTs of a :class:`~pa_hdl.nodes.rescale.Scaler` that keeps so many bits of the sum.

    Two bits of a constant multiplier choose among wires, and some of them choose 0.
    """
    digits = max(1, ceil_div(min(mult_bits, kept), 2))
    terms = [(0, x_bits + 1)] + [(2 * index, x_bits + 3) for index in range(digits - 1)]
    terms += [(2 * (digits - 1), 1), (0, bias_bits)]
    tree = 0
    while len(terms) > 1:
        sums = []
        for at in range(0, len(terms), 2):
            pair = terms[at : at + 2]
            if len(pair) == 2:
                place, above = sorted(own for own, _ in pair)
                end = min(kept, max(own + width for own, width in pair))
                # Below the higher operand nothing is added, nor above a carry.
                tree += 1 if (above, 1) in pair else max(0, end - above)
                pair = [(place, min(kept, end + 1) - place)]
            sums += pair
        terms = sums
    return round(_CONSTANT_TREE * tree) if constant else digits * (x_bits + 1) + tree
