"""Tables taken apart into functions of single bits, and which of those share a LUT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pa_hdl.cells.xc7 import reduced, support
from pa_hdl.config import unsigned_bits

__all__ = ["Single", "TermSplit", "merged", "terms_per_lookup"]

_SHARED_BITS = 5


def terms_per_lookup(index_bits: int) -> int:
    """How many terms are best added up by the lookup itself, in a LUT of six inputs."""
    return {1: 5, 2: 2, 3: 2}.get(index_bits, 1)


def merged(tables: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """One table of the sum of several, the index of the first one least significant."""
    sums = [0]
    for table in tables:
        sums = [low + high for high in table for low in sums]
    return tuple(sums)


@dataclass(frozen=True)
class Single:
    """A table bit for an adder to look up: its column, and a function of at most 5 index bits."""

    column: int
    chosen: tuple[int, ...]
    function: int


@dataclass(frozen=True)
class TermSplit:
    """One table as functions of single bits.

    Parameters
    ----------
    groups : tuple of tuples of :class:`int`
        Functions of the whole index, one or two for each LUT.
    columns : tuple of :class:`int`
        What the functions of the groups, one after the other, are worth: powers of two.
    constants : tuple of :class:`int`
        Columns whose bit is 1 at every index.
    singles : tuple of :class:`Single`
        Bits that found no partner to share a LUT with.
    """

    groups: tuple[tuple[int, ...], ...]
    columns: tuple[int, ...]
    constants: tuple[int, ...]
    singles: tuple[Single, ...] = ()

    @classmethod
    def of(cls, table: Sequence[int], columns: int, taken: Sequence[int]) -> TermSplit:
        """Split a table of up to 64 entries, modulo 2 to the number of columns.

        ``taken`` is how many singles there are in each column already; the fewer the better.
        """
        index_bits = (len(table) - 1).bit_length()
        width = min(columns, unsigned_bits(max(table)))
        functions = [
            sum((value >> column & 1) << at for at, value in enumerate(table))
            for column in range(width)
        ]
        ones = (1 << len(table)) - 1
        constants = tuple(column for column in range(width) if functions[column] == ones)
        supports = {
            column: frozenset(support(function, index_bits))
            for column, function in enumerate(functions)
            if function not in (0, ones)
        }
        pairs, left = _paired(supports, taken)
        alone = [(column,) for column in supports if len(supports[column]) > _SHARED_BITS]
        groups = [*pairs, *alone]
        singles = []
        for column in left:
            chosen = tuple(sorted(supports[column]))
            singles.append(Single(column, chosen, reduced(functions[column], chosen)))
        return cls(
            tuple(tuple(functions[column] for column in group) for group in groups),
            tuple(column for group in groups for column in group),
            constants,
            tuple(singles),
        )

    def without_singles(self, index_bits: int) -> TermSplit:
        """The same with a LUT for each single."""
        expanded = [
            sum(
                (each.function >> _pick(at, each.chosen) & 1) << at for at in range(1 << index_bits)
            )
            for each in self.singles
        ]
        return replace(
            self,
            groups=(*self.groups, *((function,) for function in expanded)),
            columns=(*self.columns, *(each.column for each in self.singles)),
            singles=(),
        )


def _pick(index: int, chosen: Sequence[int]) -> int:
    return sum((index >> bit & 1) << place for place, bit in enumerate(chosen))


def _paired(
    supports: dict[int, frozenset[int]], taken: Sequence[int]
) -> tuple[list[tuple[int, ...]], list[int]]:
    """Pairs of columns that depend on at most five index bits together, and columns left over."""
    wide = len(frozenset().union(*supports.values())) > _SHARED_BITS
    small = sorted(
        (column for column in supports if len(supports[column]) <= _SHARED_BITS),
        key=lambda column: (-len(supports[column]) * wide, -taken[column], column),
    )
    pairs: list[tuple[int, ...]] = []
    left = []
    while small:
        first = small.pop(0)
        mates = [other for other in small if len(supports[first] | supports[other]) <= _SHARED_BITS]
        if mates:
            small.remove(mates[0])
            pairs.append((first, mates[0]))
        else:
            left.append(first)
    return pairs, left
