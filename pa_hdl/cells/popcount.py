"""Bits sorted by what they are worth, as compressors of every device pass them on."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Signal, Value

__all__ = ["Columns", "heights"]


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


def heights(bits: Sequence[tuple[int, int]], width: int) -> tuple[int, ...]:
    """Number of bits of each column, from pairs of a column and a change of its height."""
    result = [0] * width
    for column, change in bits:
        if column < width:
            result[column] += change
    return tuple(result)
