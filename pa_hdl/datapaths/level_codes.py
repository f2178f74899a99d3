"""Codes and offsets of weight levels that make a table of six index bits cheap to look up.

An entry of the table is ``row[activation] + offset`` of the level whose code is asked for. Neither
the codes nor the offsets matter to a sum, whose correction they only change, but they decide which
index bits each table bit depends on: one of at most five shares a LUT6_2 with another, or with an
adder, one of six takes a LUT6 of its own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pa_hdl.config import unsigned_bits

__all__ = ["LevelCodes", "choose_codes", "plain_codes"]

_INDEX_BITS = 6
_STEPS = 25_000
_HOT, _COLD = 0.2, 0.01
_FULL = 1.0


@dataclass(frozen=True)
class LevelCodes:
    """Which level each code stands for, and what is added to the levels.

    Parameters
    ----------
    levels : tuple of :class:`int`
        Level of each code; a code that no weight needs repeats the level of another.
    offsets : tuple of :class:`int`
        What is added to the row of each level; entries are then at least 0.
    """

    levels: tuple[int, ...]
    offsets: tuple[int, ...]

    def code_of(self, level: int) -> int:
        """The lowest code of a level."""
        return self.levels.index(level)

    def table(self, rows: Sequence[Sequence[int]]) -> tuple[int, ...]:
        """Entries at ``code * len(row) + activation``."""
        return tuple(value + self.offsets[level] for level in self.levels for value in rows[level])


def plain_codes(rows: Sequence[Sequence[int]]) -> LevelCodes:
    """Codes that are the levels in their order, and offsets that let each row start at 0."""
    codes = range(1 << (len(rows) - 1).bit_length())
    levels = tuple(min(code, len(rows) - 1) for code in codes)
    return LevelCodes(levels, tuple(-min(row) for row in rows))


@cache
def choose_codes(rows: tuple[tuple[int, ...], ...]) -> LevelCodes:
    """Codes and offsets for a table of a row for each level.

    Entries are no wider than the widest row. Where no lookup of six index bits is at stake, these
    are :func:`plain_codes`; otherwise codes and offsets are searched for by simulated annealing
    from a fixed seed, in about a second.

    Parameters
    ----------
    rows : tuple of tuples of :class:`int`
        Table of each level; as many entries as activation codes, a power of two.
    """
    plain = plain_codes(rows)
    codes = len(plain.levels)
    if codes * len(rows[0]) != 1 << _INDEX_BITS:
        return plain
    return _Search(rows, codes).run(plain)


def _patterns(row: Sequence[int], bits: int) -> tuple[int, ...]:
    """Each bit of the entries of a row, as a function of the activation."""
    return tuple(
        sum((value >> bit & 1) << at for at, value in enumerate(row)) for bit in range(bits)
    )


_LOW = [
    sum(1 << at for at in range(1 << _INDEX_BITS) if not at >> bit & 1)
    for bit in range(_INDEX_BITS)
]


def _cost(functions: Sequence[int]) -> float:
    """LUTs of a lookup, when every two functions of fewer than six index bits share one.

    A function of six that hardly depends on one of them costs a little less: that way leads down.
    """
    total = 0.0
    for function in functions:
        differing = [
            ((function ^ function >> (1 << bit)) & low).bit_count() for bit, low in enumerate(_LOW)
        ]
        nearest = min(differing)
        total += _FULL + nearest / 64 if nearest else 0.5 if any(differing) else 0.0
    return total


@dataclass(frozen=True)
class _State:
    """A code for each level, the offsets, and the code bit in which spare codes differ from others.

    ``slots`` has the level of each code, ``None`` for a spare one.
    """

    slots: tuple[int | None, ...]
    offsets: tuple[int, ...]
    flips: tuple[int, ...]

    def levels(self) -> tuple[int, ...]:
        """Level of each code, spare ones included."""
        first = next(level for level in self.slots if level is not None)
        found, count = [], len(self.slots)
        for code, flip in enumerate(self.flips):
            near = [self.slots[code ^ each] for each in (0, flip, 1, 2, 4) if code ^ each < count]
            found.append(next((each for each in near if each is not None), first))
        return tuple(found)


class _Search:
    def __init__(self, rows: Sequence[Sequence[int]], codes: int) -> None:
        self.rows = rows
        self.codes = codes
        self.acts = len(rows[0])
        spans = [max(row) - min(row) for row in rows]
        self.bits = unsigned_bits(max(spans))
        self.patterns = [
            [
                _patterns([value - min(row) + offset for value in row], self.bits)
                for offset in range((1 << self.bits) - span)
            ]
            for row, span in zip(rows, spans, strict=True)
        ]

    def cost(self, state: _State) -> float:
        rows = [self.patterns[level][state.offsets[level]] for level in state.levels()]
        return _cost(
            [
                sum(row[bit] << (code * self.acts) for code, row in enumerate(rows))
                for bit in range(self.bits)
            ]
        )

    def neighbour(self, state: _State, rng: random.Random) -> _State:
        """A state with two codes exchanged, or another offset, or another use of a spare code."""
        slots, offsets, flips = list(state.slots), list(state.offsets), list(state.flips)
        kind = rng.random()
        if kind < 0.25:
            one, other = rng.sample(range(self.codes), 2)
            slots[one], slots[other] = slots[other], slots[one]
        elif kind < 0.9 or None not in slots:
            level = rng.randrange(len(offsets))
            offsets[level] = rng.randrange(len(self.patterns[level]))
        else:
            flips[rng.randrange(self.codes)] = 1 << rng.randrange(self.codes.bit_length() - 1)
        return _State(tuple(slots), tuple(offsets), tuple(flips))

    def run(self, plain: LevelCodes) -> LevelCodes:
        rng = random.Random(1)
        count = len(self.rows)
        slots = tuple(code if code < count else None for code in range(self.codes))
        state = best = _State(slots, (0,) * count, (1,) * self.codes)
        cost = lowest = self.cost(state)
        for step in range(_STEPS):
            heat = _HOT * (1 - step / _STEPS) + _COLD
            other = self.neighbour(state, rng)
            other_cost = self.cost(other)
            if other_cost <= cost or rng.random() < math.exp((cost - other_cost) / heat):
                state, cost = other, other_cost
                if cost < lowest:
                    best, lowest = state, cost
        offsets = (plain.offsets[level] + best.offsets[level] for level in range(count))
        return LevelCodes(best.levels(), tuple(offsets))
