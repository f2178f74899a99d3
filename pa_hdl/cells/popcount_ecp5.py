"""AND-popcount lane of the ECP5: counters on carry chains, one behind the other.

Half a CCU2C gives ``sum = LUT4(A, B, C, D) ^ carry`` and passes on ``LUT4 ? carry : LUT2(A, B)``,
where LUT2 is the LUT4 at C = D = 0. Three contents of the LUT4 are all that is used:

- ``A & B ^ C & D`` adds two ANDed pairs to the carry; the AND costs nothing.
- ``A ^ B ^ C ^ D`` adds four bits; the ``A & B`` and ``C & D`` that remain worth two are added by
  the first kind, one position higher.
- 0 when C and D are 1 ends a counter, whose carry it gives out, and starts the next one, for which
  it generates the carry ``A & B``: the third pair of a full adder.

Exclusive pairs are added by the second kind, whose carry is ``A ^ B``, and so is their carry in.

So each half removes one bit, except the one at the end of each counter.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from amaranth.hdl import Const, Instance, Module, Signal, Value

from pa_hdl.cells.popcount import Columns, heights
from pa_hdl.config import unsigned_bits
from pa_hdl.popcount import AndPopcount

__all__ = ["Ecp5AndPopcount"]

_ZERO, _ONE = Const(0, 1), Const(1, 1)
_PAIRS, _FOUR, _BETWEEN, _BETWEEN_EXCLUSIVE = 0x7888, 0x6996, 0x0008, 0x0006
_CHAIN = 24
"""Halves of a carry chain, about: more would make the longest path."""

_TAKES = {"pairs": (2,), "four": (4, 0), "three": (3, 1)}
"""Bits that a step of a counter takes from its column and from the one above."""

_SHAPES = tuple(
    tuple(shape.split())
    for shape in (
        "four",
        "four four",
        "four four pairs",
        "three four",
        "pairs",
        "pairs four",
        "pairs pairs",
        "pairs four pairs",
        "pairs pairs four",
        "pairs pairs pairs",
        "pairs pairs pairs pairs",
        "pairs four four",
    )
)
_BEAM = 30
"""Plans followed at a time."""


class _Counter(NamedTuple):
    """Lowest column of a counter, and its steps; without a carry in if it is not to start."""

    column: int
    steps: tuple[str, ...]
    starts: bool = True

    @property
    def positions(self) -> int:
        """Columns that it covers."""
        return sum(len(_TAKES[step]) for step in self.steps)

    def taken(self) -> Iterator[tuple[int, int]]:
        """Columns and how many bits the counter takes of each."""
        if self.starts:
            yield self.column, 1
        column = self.column
        for step in self.steps:
            for take in _TAKES[step]:
                yield column, take
                column += 1

    def fits(self, found: Sequence[int]) -> bool:
        """Whether there are bits to fill it."""
        if self.column + self.positions > len(found):
            return False
        return all(
            found[column] >= take
            for column, take in enumerate(heights(list(self.taken()), len(found)))
        )


def _halves(counters: Sequence[_Counter]) -> int:
    """Halves of the CCU2Cs of counters on as many chains as are needed."""
    total = 0
    for chain in _on_chains(counters):
        used = sum(counter.positions + 1 for counter in chain) + chain[0].starts
        total += used + used % 2
    return total


def _on_chains(counters: Sequence[_Counter]) -> list[list[_Counter]]:
    chains: list[list[_Counter]] = []
    used = _CHAIN
    for counter in counters:
        if used >= _CHAIN:
            chains.append([])
            used = 0
        chains[-1].append(counter)
        used += counter.positions + 1
    return chains


def _stage(found: tuple[int, ...], shape: tuple[str, ...]) -> tuple[_Counter, ...]:
    """As many counters as there are bits for, of the longest beginning of ``shape`` that fits."""
    left, counters = list(found), []
    shapes = [shape[:length] for length in range(len(shape), 0, -1)] + [("pairs",)]
    for column in range(len(found)):
        while True:
            fitting = [c for c in (_Counter(column, steps) for steps in shapes) if c.fits(left)]
            if not fitting:
                break
            for place, take in fitting[0].taken():
                left[place] -= take
            counters.append(fitting[0])
    return tuple(counters)


def _after(found: tuple[int, ...], counters: Sequence[_Counter]) -> tuple[int, ...]:
    """Column heights behind a stage."""
    changes = list(enumerate(found))
    for counter in counters:
        changes += [(column, -take) for column, take in counter.taken()]
        changes += [(counter.column + place, 1) for place in range(counter.positions + 1)]
    return heights(changes, len(found))


def _last(found: tuple[int, ...]) -> _Counter | None:
    """The one counter that finishes columns of these heights, if there is one."""
    low = next((column for column, height in enumerate(found) if height > 1), None)
    if low is None:
        return None

    def steps(column: int, extra: int) -> list[tuple[str, ...]]:
        if column >= len(found) or (column > low and not any(found[column:])):
            return [()]
        ways = []
        for step, takes in _TAKES.items():
            here = (*found[column:], 0)[: len(takes)]
            if here[0] <= takes[0] + extra and all(
                height <= take for height, take in zip(here[1:], takes[1:], strict=False)
            ):
                ways += [(step, *rest) for rest in steps(column + len(takes), 0)]
        return ways

    for extra in (0, 1):
        ways = steps(low, extra)
        if ways:
            return min((_Counter(low, way, bool(extra)) for way in ways), key=lambda c: c.positions)
    return None


@functools.cache
def _plan(found: tuple[int, ...]) -> tuple[tuple[_Counter, ...], ...]:
    """Counters of each stage of a compressor of few halves; at its end no column has two bits."""
    complete: list[tuple[int, int, tuple[tuple[_Counter, ...], ...]]] = []
    beam = {found: (0, ())}  # type: dict[tuple[int, ...], tuple[int, tuple[Any, ...]]]
    while beam:
        following: dict[tuple[int, ...], tuple[int, tuple[Any, ...]]] = {}
        for state, (cost, stages) in beam.items():
            last = _last(state)
            if max(state) <= 1:
                complete.append((cost, len(stages), stages))
            elif last is not None:
                complete.append((cost + _halves([last]), len(stages) + 1, (*stages, (last,))))
            for shape in _SHAPES:
                counters = _stage(state, shape)
                if counters:
                    after, total = _after(state, counters), cost + _halves(counters)
                    if after not in following or total < following[after][0]:
                        following[after] = total, (*stages, counters)
        # A bit more costs about as much as it takes to remove it.
        ranked = sorted(following, key=lambda s: (following[s][0] + 1.4 * sum(s), s))
        beam = {state: following[state] for state in ranked[:_BEAM]}
    return min(complete)[2]


@dataclass(frozen=True)
class _Placed:
    """A counter with its bits: the carry into it, and contents and inputs of each position."""

    column: int
    start: tuple[Value, Value] | None
    positions: tuple[tuple[int, Value, Value, Value, Value], ...]
    between: int = _BETWEEN


def _place(m: Module, name: str, counters: Sequence[_Placed], out: Columns) -> None:
    """Carry chain of counters, each ended by the half that starts the next; sums go to ``out``."""
    halves: list[tuple[int, Value, Value, Value, Value]] = []
    columns: list[int | None] = []
    above: int | None = None
    for counter in counters:
        if counter.start is not None or halves:
            halves.append((counter.between, *(counter.start or (_ZERO, _ZERO)), _ONE, _ONE))
            columns.append(above)
        halves += counter.positions
        above = counter.column + len(counter.positions)
        columns += range(counter.column, above)
    halves.append((_BETWEEN, _ZERO, _ZERO, _ONE, _ONE))
    columns.append(above)
    carry: Value = _ZERO
    for place in range(0, len(halves), 2):
        pair = [*halves[place : place + 2], (0, _ZERO, _ZERO, _ZERO, _ZERO)][:2]
        ports: list[tuple[str, str, Any]] = [("i", "CIN", carry)]
        for half, (init, *pins) in enumerate(pair):
            ports += [("p", f"INIT{half}", Const(init, 16)), ("p", f"INJECT1_{half}", "NO")]
            ports += [("i", f"{pin}{half}", bit) for pin, bit in zip("ABCD", pins, strict=True)]
        sums, carry = Signal(2, name=f"{name}_s_{place}"), Signal(name=f"{name}_c_{place}")
        outputs = [("o", "S0", sums[0]), ("o", "S1", sums[1]), ("o", "COUT", carry)]
        m.submodules[f"{name}_{place}"] = Instance("CCU2C", *ports, *outputs)
        for half, column in enumerate(columns[place : place + 2]):
            if column is not None:
                out.add(column, sums[half])


class Ecp5AndPopcount(AndPopcount):
    """Count positions set in both operands, one pair per cycle, :attr:`latency` cycles late.

    In CCU2C cells: 1.6 LUT4s a bit pair at 64 and at 128 bits.

    ::

        pairs ─▶ full adders of three pairs ─▶ counters ─ ... ─▶ one counter ─▶ o

    Parameters and members are those of :class:`~pa_hdl.popcount.AndPopcount`.
    """

    PAIRS = 32
    """Pairs on a chain of full adders: 11 adders, the first without a third pair, on 11 CCU2Cs."""

    @classmethod
    def _adders(cls, bits: int) -> list[list[int]]:
        """Pairs that each adder of each chain takes; a pair alone is left to a LUT."""
        chains = []
        for start in range(0, bits, cls.PAIRS):
            pairs = min(cls.PAIRS, bits - start)
            full = (pairs + 1) // 3
            left = pairs - max(0, 3 * full - 1)
            chains.append([*(2 if place == 0 else 3 for place in range(full)), *[left][: left > 0]])
        return chains

    @classmethod
    def _planned(cls, bits: int) -> tuple[tuple[_Counter, ...], ...]:
        adders = [pairs for chain in cls._adders(bits) for pairs in chain]
        carries = sum(pairs > 1 for pairs in adders)
        return _plan(heights([(0, len(adders)), (1, carries)], unsigned_bits(bits)))

    @classmethod
    def latency_of(cls, bits: int) -> int:
        """Latency for operands of `bits` bits."""
        return 1 + len(cls._planned(bits))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        columns = self._add_pairs(m).registered(m, "pairs")
        for index, counters in enumerate(self._planned(self.bits)):
            late = Columns(len(self.o))
            placed = [_filled(counter, columns) for counter in counters]
            for chain, found in enumerate(_on_chains(counters)):
                here, placed = placed[: len(found)], placed[len(found) :]
                _place(m, f"count_{index}_{chain}", here, late)
            columns = columns.registered(m, f"stage_{index}", late)
        m.d.comb += self.o.eq(columns.value())
        return m

    def _add_pairs(self, m: Module) -> Columns:
        """Chains of full adders of three ANDed pairs."""
        columns = Columns(len(self.o))
        operands = iter(list(zip(self.act, self.weight, strict=True)))
        for chain, adders in enumerate(self._adders(self.bits)):
            placed = []
            for pairs in adders:
                (a, b), *more = itertools.islice(operands, pairs)
                if not more:
                    columns.add(0, self.pair(a, b))
                    continue
                start = more[1] if len(more) > 1 else None
                content = _FOUR if self.exclusive else _PAIRS
                between = _BETWEEN_EXCLUSIVE if self.exclusive else _BETWEEN
                placed.append(_Placed(0, start, ((content, a, b, *more[0]),), between))
            if placed:
                _place(m, f"add_{chain}", placed, columns)
        return columns


def _filled(counter: _Counter, columns: Columns) -> _Placed:
    """A counter with bits taken from their columns, 0 where there are none left."""

    def take(column: int, count: int) -> list[Value]:
        bits = columns.take(column, count) if column < len(columns.heights) else []
        return bits + [_ZERO] * (count - len(bits))

    start = (*take(counter.column, 1), _ONE) if counter.starts else None
    positions: list[tuple[int, Value, Value, Value, Value]] = []
    for step in counter.steps:
        column = counter.column + len(positions)
        if step == "pairs":
            a, b = take(column, 2)
            positions.append((_PAIRS, a, _ONE, b, _ONE))
        elif step == "four":
            a, b, c, d = take(column, 4)
            positions += [(_FOUR, a, b, c, d), (_PAIRS, a, b, c, d)]
        else:
            a, b, c = take(column, 3)
            positions += [(_FOUR, a, b, c, _ZERO), (_PAIRS, a, b, *take(column + 1, 1), _ONE)]
    return _Placed(counter.column, start, tuple(positions))
