"""Where a memory goes on each target, by what Yosys weighs against each other: no synthesis is run.

A memory has one registered read port and, if it is writable, a write port. Yosys puts it in blocks,
in LUTs used as memory, or, where it is read only, in logic: whichever costs least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pa_hdl.config import ceil_div

__all__ = ["Placed", "place_memory", "rom_luts"]


@dataclass(frozen=True)
class _Blocks:
    """Block RAM of a target: shapes ``(words, bits)`` of one block, and what it weighs."""

    shapes: tuple[tuple[int, int], ...]
    weight: int
    share: float = 1.0


@dataclass(frozen=True)
class _Distributed:
    """LUT RAM of a target: words and bits of one unit, its LUTs, and what it weighs."""

    words: int
    bits: int
    luts: int
    weight: int


_BLOCKS = {
    "generic": _Blocks(((512, 72),), 256),
    "xc7": _Blocks(
        ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)), 129, share=0.5
    ),
    "ecp5": _Blocks(((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)), 128),
    "ice40": _Blocks(((256, 16), (512, 8), (1024, 4), (2048, 2)), 64),
}

_DISTRIBUTED = {
    "xc7": (_Distributed(32, 6, 4, 8), _Distributed(64, 3, 4, 8)),
    "ecp5": (_Distributed(16, 4, 6, 4),),
}

_LUT_BITS = {"generic": 6, "xc7": 6, "ecp5": 4, "ice40": 4}
"""Inputs of a LUT."""

_CONSTANTS_PER_WEIGHT = 16
"""Bits of contents in logic that weigh as much as a LUT."""


@dataclass(frozen=True)
class Placed:
    """What a memory takes: LUTs, and blocks (of 36 Kbit, in halves, on ``xc7``)."""

    luts: int = 0
    blocks: float = 0.0


def place_memory(
    target: str, depth: int, width: int, *, writable: bool, block: bool = False
) -> Placed:
    """What a memory of ``depth`` words of ``width`` bits takes.

    ``block`` puts it in block RAM, as weights are, whatever Yosys would choose.
    """
    blocks = _BLOCKS[target]
    weight, count, choices = min(
        (
            ceil_div(depth, words) * ceil_div(width, bits) * blocks.weight
            + (ceil_div(depth, words) - 1) * width,
            ceil_div(depth, words) * ceil_div(width, bits),
            _choice_luts(target, ceil_div(depth, words), width),
        )
        for words, bits in blocks.shapes
    )
    in_blocks = Placed(choices, count * blocks.share)
    if block:
        return in_blocks
    if not writable:
        if depth * width < weight * _CONSTANTS_PER_WEIGHT:
            # Few words have few different columns; of many, each LUT holds as many as it has rows.
            columns = min(width, 2**depth - depth - 2) if depth < 16 else width
            return Placed(max(0, columns) * ceil_div(depth, 1 << _LUT_BITS[target]))
        return in_blocks
    for unit in _DISTRIBUTED.get(target, ()):
        banks = ceil_div(depth, unit.words)
        if banks > 1 and unit is not _DISTRIBUTED[target][-1]:
            continue
        units = banks * ceil_div(width, unit.bits)
        choice = (banks - 1) * width
        if units * unit.weight + choice < weight:
            return Placed(units * unit.luts + choice + (banks if banks > 1 else 0))
        break
    return in_blocks


def _choice_luts(target: str, banks: int, width: int) -> int:
    """LUTs that choose among the words of several banks."""
    if banks == 1:
        return 0
    return ceil_div(banks - 1, 3 if _LUT_BITS[target] == 6 else 1) * width


def rom_luts(words: Sequence[int], width: int, target: str) -> int:
    """LUTs of a table in logic: one, or several, for each different bit that is no wire."""
    depth = len(words)
    columns = set(zip(*(f"{word:0{width}b}" for word in words), strict=True))
    wires = {("0",) * depth, ("1",) * depth} | {
        tuple(str((row >> bit) & 1) for row in range(depth))
        for bit in range((depth - 1).bit_length())
    }
    return len(columns - wires) * ceil_div(depth, 1 << _LUT_BITS[target])
