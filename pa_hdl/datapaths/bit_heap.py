"""Plans to reduce a heap of bits to two rows with :class:`~pa_hdl.cells.xc7_adders.CarrySave`.

A heap is a list of columns, column ``k`` of bits worth ``2**k``. Some of its bits, the *singles*,
are functions not looked up yet, which an adder's LUT can absorb. A chain of ``n`` columns removes
up to ``2 n`` bits at ``n`` LUTs. Planning is greedy with several policies; the cheapest plan wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

__all__ = ["Chain", "Column", "Plan", "plan_heap", "stages_of"]

_WIDE = 6
"""Bits that two positions count, besides the one that starts their chain."""


@dataclass(frozen=True)
class Column:
    """One position of a chain: its bits, whether a single as well, and whether one starts it."""

    bits: int
    single: bool = False
    starts: bool = False

    @property
    def taken(self) -> int:
        """Bits that it takes."""
        return self.bits + self.starts

    @property
    def high(self) -> bool:
        """Whether it gives a bit of the next column beside its sum."""
        return not self.single and 2 < self.bits < 5


@dataclass(frozen=True)
class Chain:
    """A chain in one stage, from its lowest column on."""

    stage: int
    lowest: int
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Plan:
    """Chains in the order of their stages, and the height of each column after the last."""

    chains: tuple[Chain, ...]
    heights: tuple[int, ...]

    @property
    def luts(self) -> int:
        """LUTs of all chains."""
        return sum(len(chain.columns) for chain in self.chains)


def stages_of(height: int) -> int:
    """Stages that any heap of columns up to ``height`` can be reduced in."""
    stages = 0
    while height > 2:
        height = 2 * -(-height // 4)
        stages += 1
    return stages + 1 if stages else 0


@dataclass(frozen=True)
class _Policy:
    """When chains start with seven bits, and go on with three or four; how short they may be."""

    wide: bool
    start: int
    go_on: int
    shortest: int


class _Heap:
    """Heights of the columns while one stage is planned."""

    def __init__(self, heights: Sequence[int], singles: Sequence[int]) -> None:
        self.heights = list(heights)
        self.singles = list(singles)
        self.out = [0] * (len(heights) + 2)

    def take(self, lowest: int, policy: _Policy) -> list[Column]:
        """The chain that starts at a column, of the bits that are left."""
        columns = self._first(lowest, policy)
        if not columns:
            return []
        for column in range(lowest + len(columns), len(self.heights)):
            bits = self.heights[column]
            if self.singles[column] and bits:
                columns.append(Column(1, single=True))
            elif bits >= policy.go_on:
                columns.append(Column(min(bits, 4)))
            else:
                break
        return columns

    def _first(self, column: int, policy: _Policy) -> list[Column]:
        bits = self.heights[column]
        if self.singles[column] and bits > 1:
            return [Column(1, single=True, starts=True)]
        if policy.wide and bits > _WIDE and column + 1 < len(self.heights):
            return [Column(_WIDE, starts=True), Column(0)]
        if bits >= policy.start:
            return [Column(2, starts=True) if bits == 3 else Column(min(bits, 4))]
        return []

    def apply(self, lowest: int, columns: Sequence[Column]) -> None:
        """Take the bits of a chain away, and note those that it gives."""
        for place, column in enumerate(columns):
            at = lowest + place
            self.heights[at] -= column.taken
            self.singles[at] -= column.single
            self.out[at] += 1
            self.out[at + 1] += column.high
        self.out[lowest + len(columns)] += 1

    def after(self) -> list[int]:
        """Heights after the stage."""
        return [old + new for old, new in zip(self.heights, self.out, strict=False)]


def _stage(heap: _Heap, policy: _Policy) -> list[tuple[int, list[Column]]]:
    """Chains of one stage by a policy, from the least significant column up."""
    chains = []
    lowest = 0
    while lowest < len(heap.heights):
        columns = heap.take(lowest, policy)
        if columns and len(columns) >= policy.shortest:
            heap.apply(lowest, columns)
            chains.append((lowest, columns))
        else:
            lowest += 1
    return chains


def _last_chain(heights: Sequence[int]) -> tuple[int, list[Column]] | None:
    """The one chain that leaves at most two bits in every column, if there is one."""
    tall = [column for column, height in enumerate(heights) if height > 2]
    if not tall:
        return 0, []
    columns: list[Column] = []
    incoming = 0
    for column in range(tall[0], len(heights)):
        height = heights[column]
        if height > 4 or (columns and column > tall[-1] and height + incoming + 1 <= 2):
            break
        if not height:
            break
        starts = not columns and height == 3
        columns.append(Column(height - starts, starts=starts))
        incoming = columns[-1].high
    heap = _Heap(heights, [0] * len(heights))
    heap.apply(tall[0], columns)
    return (tall[0], columns) if max(heap.after()) <= 2 else None


def _follow(
    heights: Sequence[int], singles: Sequence[int], stages: int, policies: Sequence[_Policy]
) -> Plan | None:
    """The plan of a policy for all stages but the last two, and one for those."""
    chains: list[Chain] = []
    early, late = policies
    for stage in range(stages):
        if not any(singles):
            last = _last_chain(heights)
            if last is not None:
                heap = _Heap(heights, singles)
                if last[1]:
                    heap.apply(*last)
                    chains.append(Chain(stage, last[0], tuple(last[1])))
                return Plan(tuple(chains), tuple(heap.after()))
        heap = _Heap(heights, singles)
        found = _stage(heap, early if stage < stages - 2 else late)
        chains += [Chain(stage, lowest, tuple(columns)) for lowest, columns in found]
        heights, singles = heap.after(), heap.singles
    done = max(heights, default=0) <= 2 and not any(singles)
    return Plan(tuple(chains), tuple(heights)) if done else None


def _policies() -> Iterator[tuple[_Policy, _Policy]]:
    for wide, (start, go_on) in product((True, False), ((3, 4), (4, 4), (3, 3), (3, 2))):
        for early, late in product((1, 2, 4, 6, 8), (1, 3)):
            yield _Policy(wide, start, go_on, early), _Policy(wide, start, go_on, late)


@cache
def plan_heap(heights: tuple[int, ...], singles: tuple[int, ...], stages: int) -> Plan | None:
    """The cheapest plan found that leaves at most two bits a column, and no single.

    Parameters
    ----------
    heights : tuple of :class:`int`
        Bits of each column; what a chain carries beyond the last column is dropped.
    singles : tuple of :class:`int`
        Functions of each column, to be absorbed.
    stages : :class:`int`
        Most chains that a bit may pass, one behind the other.
    """
    plans = [_follow(heights, singles, stages, policies) for policies in _policies()]
    return min((plan for plan in plans if plan), key=lambda plan: plan.luts, default=None)
