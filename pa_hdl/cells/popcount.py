"""Compressors of bits sorted by what they are worth: stages of counters, and one adder at the end.

A stage counts up to ``most`` bits of a column at a time: three result bits take their place. The
last adder finishes when there are few enough left. Every device has counters and adders of its own;
:func:`plan` finds how many LUTs they add up to, and the stages that take the fewest.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["Columns", "Costs", "Plan", "compress", "heights", "lowest", "plan"]

Count = Callable[[Module, str, Sequence[Value]], Iterable[Value]]
"""Places a counter: module, name, bits; the bits of their sum."""


class Columns:
    """Bits that are added up, those of column ``k`` worth ``2**k``.

    Parameters
    ----------
    width : :class:`int`
        Number of columns. The sum is known to fit, so bits beyond are 0 and left out.
    """

    def __init__(self, width: int) -> None:
        self._columns: list[list[Value]] = [[] for _ in range(width)]

    @property
    def heights(self) -> tuple[int, ...]:
        """Number of bits of each column."""
        return tuple(map(len, self._columns))

    def add(self, column: int, bit: Value) -> None:
        """Put a bit into a column."""
        if column < len(self._columns):
            self._columns[column].append(bit)

    def take(self, column: int, count: int) -> list[Value]:
        """Remove the oldest bits of a column."""
        taken, self._columns[column] = self._columns[column][:count], self._columns[column][count:]
        return taken

    def registered(self, m: Module, stage: str, new: Columns | None = None) -> Columns:
        """These bits, which wait, and new ones, one cycle later.

        A reset clears those that wait: a few of them behind one another would become a shift
        register, and cost a LUT, without.
        """
        after = Columns(len(self._columns))
        for source, waits in ((self, new is not None), (new, False)):
            for column, bits in enumerate(source._columns if source else ()):
                for bit in bits:
                    place = len(after._columns[column])
                    held = Signal(name=f"{stage}_{column}_{place}", reset_less=not waits)
                    m.d.sync += held.eq(bit)
                    after.add(column, held)
        return after

    def value(self) -> Value:
        """The sum, when no column holds more than one bit."""
        return Cat(*(bits[0] if bits else 0 for bits in self._columns))


def heights(bits: Iterable[tuple[int, int]], width: int) -> tuple[int, ...]:
    """Number of bits of each column, from pairs of a column and a change of its height."""
    result = [0] * width
    for column, change in bits:
        if column < width:
            result[column] += change
    return tuple(result)


def lowest(found: Sequence[int]) -> int:
    """The first column of more than one bit."""
    return next((column for column, height in enumerate(found) if height > 1), len(found))


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Counters and the last adder of a device, and LUTs that they take.

    Parameters
    ----------
    most, least : :class:`int`
        Bits that a large counter can take, and fewest that are worth one; the small one takes 3.
    large, small : :class:`int`
        LUTs of each.
    position : :class:`int`
        Bits that a position of the last adder can take.
    passes : :class:`int`
        Bits from which on a position passes one to the next, beside the carry.
    position_luts : :class:`int`
        LUTs of a position.
    """

    most: int
    least: int
    large: int
    small: int
    position: int
    passes: int
    position_luts: int

    def positions(self, found: Sequence[int]) -> int | None:
        """Positions of the last adder over columns of these heights, ``None`` if it cannot."""
        count = passed = 0
        for column in range(lowest(found), len(found)):
            here = found[column] + passed
            if not here and not any(found[column:]):
                break
            if here > self.position:
                return None
            passed = int(here >= self.passes)
            count += 1
        return count

    def stage(
        self, found: Sequence[int], *, leftovers: bool, threes: bool
    ) -> tuple[tuple[int, ...], ...]:
        """Sizes of the counters of each column: the largest, and one of what is left."""
        stage = []
        for height in found:
            full, left = divmod(height, self.most)
            sizes = [self.most] * full
            if leftovers and left >= self.least:
                sizes.append(left)
            elif threes and left >= 3:
                sizes.append(3)
            stage.append(tuple(sizes))
        return tuple(stage)


class Plan(NamedTuple):
    """LUTs, stages with that of the last adder, and sizes of the counters of each column before."""

    luts: int
    cycles: int
    stages: tuple[tuple[tuple[int, ...], ...], ...]


@functools.cache
def plan(found: tuple[int, ...], costs: Costs) -> Plan:
    """The compressor of fewest LUTs for columns of these heights."""
    plans = []
    positions = costs.positions(found)
    if positions is not None:
        plans.append(Plan(positions * costs.position_luts, int(positions > 0), ()))
    for leftovers, threes in itertools.product((False, True), repeat=2):
        stage = costs.stage(found, leftovers=leftovers, threes=threes)
        if any(stage):
            changes, luts = list(enumerate(found)), 0
            for column, size in ((c, size) for c, sizes in enumerate(stage) for size in sizes):
                changes += [(column, 1 - size), (column + 1, 1), (column + 2, int(size > 3))]
                luts += costs.large if size > 3 else costs.small
            rest = plan(heights(changes, len(found)), costs)
            plans.append(Plan(luts + rest.luts, 1 + rest.cycles, (stage, *rest.stages)))
    return min(plans)


def compress(
    m: Module, columns: Columns, planned: Plan, count: Count, add: Callable[[Columns], Columns]
) -> Columns:
    """Stages and the last adder of a plan, registered: one bit in each column at the end."""
    width = len(columns.heights)
    for index, stage in enumerate(planned.stages):
        late = Columns(width)
        for column, sizes in enumerate(stage):
            for place, size in enumerate(sizes):
                bits = columns.take(column, size)
                counted = count(m, f"count_{index}_{column}_{place}", bits)
                for above, bit in enumerate(counted):
                    late.add(column + above, bit)
        columns = columns.registered(m, f"stage_{index}", late)
    if planned.cycles > len(planned.stages):
        columns = add(columns).registered(m, "sum")
    return columns
