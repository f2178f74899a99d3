"""Counting set bits, and adding up the results, shaped for LUTs of six inputs."""

from collections.abc import Callable, Sequence
from typing import Any

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import ceil_div, signed_bits, unsigned_bits

__all__ = [
    "AndPopcount",
    "Popcount",
    "SumTree",
    "add_columns",
    "add_lookup",
    "delay",
    "range_shape",
    "tree_levels",
]


def range_shape(lowest: int, highest: int) -> Shape:
    """The narrowest number that holds ``lowest..highest``."""
    if lowest >= 0:
        return unsigned(unsigned_bits(highest))
    return signed(signed_bits(lowest, highest))


def add_lookup(m: Module, name: str, index: Value, values: Sequence[int], shape: Shape) -> Signal:
    """Combinational table ``values[index]``: each result bit is one function of the index bits.

    Written as a graph of multiplexers with equal parts shared, not as a ``case``, which Yosys would
    turn into a ROM, nor as a bit selected from a constant, which it maps slowly.
    """
    position = Signal(len(index), name=f"{name}_index")
    result = Signal(shape, name=name)
    m.d.comb += position.eq(index)
    nodes: dict[tuple[int, ...], Value] = {(0,): Const(0, 1), (1,): Const(1, 1)}

    def node(column: tuple[int, ...]) -> Value:
        half = len(column) // 2
        if column[:half] == column[half:] and half:
            return node(column[:half])
        if column not in nodes:
            low, high = node(column[:half]), node(column[half:])
            nodes[column] = Signal(name=f"{name}_{len(nodes) - 2}")
            m.d.comb += nodes[column].eq(Mux(position[half.bit_length() - 1], high, low))
        return nodes[column]

    for bit in range(shape.width):
        m.d.comb += result[bit].eq(node(tuple((value >> bit) & 1 for value in values)))
    return result


def add_columns(m: Module, name: str, columns: Sequence[Sequence[Value]]) -> Value:
    """Sum of bits, those of column ``k`` worth ``2**k``, by full and half adders.

    Carries are spelled out as gates: what has six inputs becomes one LUT, not a carry chain.
    """
    highest = sum(len(column) << weight for weight, column in enumerate(columns))
    total = Signal(unsigned_bits(highest), name=name)
    carries: list[Value] = []
    for weight in range(len(total)):
        bits = [*carries, *(columns[weight] if weight < len(columns) else ())]
        carries = []
        while len(bits) > 1:
            a, b, *bits = bits
            c = bits.pop(0) if bits else Const(0, 1)
            adder = f"{name}_{weight}_{len(carries)}"
            one, carry = Signal(name=f"{adder}_sum"), Signal(name=f"{adder}_carry")
            m.d.comb += [one.eq(a ^ b ^ c), carry.eq((a & b) | (c & (a | b)))]
            bits.append(one)
            carries.append(carry)
        m.d.comb += total[weight].eq(bits[0] if bits else 0)
    return total


def delay(m: Module, name: str, value: Value, cycles: int, *, reset: bool = False) -> Value:
    """`value`, `cycles` cycles later; 0 before that, and after a reset if asked."""
    for cycle in range(cycles):
        stage = Signal.like(value, name=f"{name}_{cycle + 1}", init=0, reset_less=not reset)
        m.d.sync += stage.eq(value)
        value = stage
    return value


def _chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def tree_levels(count: int) -> int:
    """Additions of two that each of `count` terms passes through in a balanced tree."""
    return (count - 1).bit_length()


def _add_tree(m: Module, terms: list[tuple[Value, int]], name: str) -> Value:
    """Registered balanced tree of counts, each given with its highest value."""
    level = 0
    while len(terms) > 1:
        level += 1
        sums = []
        for place, pair in enumerate(_chunks(terms, 2)):
            highest = sum(top for _, top in pair)
            shape = unsigned(unsigned_bits(highest))
            total = Signal(shape, name=f"{name}_{level}_{place}", reset_less=True)
            m.d.sync += total.eq(sum((value for value, _ in pair[1:]), pair[0][0]))
            sums.append((total, highest))
        terms = sums
    return terms[0][0]


class Popcount(wiring.Component):
    """Count set bits, one word per cycle, :attr:`latency` cycles late.

    Parameters
    ----------
    bits : :class:`int`
        Bits of a word, at least 1.

    Members
    -------
    i : the word
    o : its number of set bits

    Raises
    ------
    TypeError, ValueError
        If the number of bits is not a positive integer.
    """

    GROUP = 6

    def __init__(self, *, bits: int) -> None:
        self.bits = _positive("Bit count", bits)
        super().__init__({"i": In(bits), "o": Out(unsigned_bits(bits))})

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.bits,)

    @property
    def module_name(self) -> str:
        return f"popcount_{self.bits}"

    @property
    def latency(self) -> int:
        """Cycles from word to count."""
        return self.latency_of(self.bits)

    @classmethod
    def latency_of(cls, bits: int) -> int:
        """Latency for words of `bits` bits."""
        return 1 + tree_levels(ceil_div(bits, cls.GROUP))

    def model(self, word: int) -> int:
        """Number of set bits of `word`."""
        return word.bit_count()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        terms: list[tuple[Value, int]] = []
        for place, group in enumerate(_chunks(list(self.i), self.GROUP)):
            count = add_columns(m, f"group_{place}", [group])
            terms.append((delay(m, f"count_{place}", count, 1), len(group)))
        m.d.comb += self.o.eq(_add_tree(m, terms, "sum"))
        return m


class AndPopcount(wiring.Component):
    """Count positions set in both operands, one pair per cycle, :attr:`latency` cycles late.

    Three pairs of bits are six inputs of one LUT, so the AND costs nothing; three of the counts,
    2 bits each, are six inputs again.

    Parameters
    ----------
    bits : :class:`int`
        Bit pairs of an operand, at least 1.
    exclusive : :class:`bool`
        Count positions set in only one operand instead, in the same LUTs: networks of signs need
        no more, as an XNOR is an exclusive or with the opposite weight.

    Members
    -------
    act, weight : the operands
    o : number of positions set in both, or in only one

    Raises
    ------
    TypeError, ValueError
        If the number of bits is not a positive integer.
    """

    GROUP = 3

    def __init__(self, *, bits: int, exclusive: bool = False) -> None:
        self.bits = _positive("Bit count", bits)
        self.exclusive = exclusive
        super().__init__({"act": In(bits), "weight": In(bits), "o": Out(unsigned_bits(bits))})

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.bits, self.exclusive)

    @property
    def module_name(self) -> str:
        return f"{'xor' if self.exclusive else 'and'}_popcount_{self.bits}"

    @property
    def latency(self) -> int:
        """Cycles from operands to count."""
        return self.latency_of(self.bits)

    @classmethod
    def latency_of(cls, bits: int) -> int:
        """Latency for operands of `bits` bits."""
        return 1 + tree_levels(ceil_div(bits, cls.GROUP**2))

    def model(self, act: int, weight: int) -> int:
        """Number of positions set in both operands, or in only one."""
        return self.pair(act, weight).bit_count()

    def pair(self, act: Any, weight: Any) -> Any:
        """What is counted, of integers or of values."""
        return act ^ weight if self.exclusive else act & weight

    def elaborate(self, platform: Any) -> Module:
        m = Module()

        def count(place: int, group: Sequence[Value]) -> tuple[Value, int]:
            threes = [
                add_columns(m, f"pairs_{place}_{index}", [three])
                for index, three in enumerate(_chunks(group, self.GROUP))
            ]
            columns = [[three[bit] for three in threes if bit < len(three)] for bit in (0, 1)]
            total = add_columns(m, f"group_{place}", columns)
            return delay(m, f"count_{place}", total, 1), len(group)

        pairs = Signal(self.bits)
        m.d.comb += pairs.eq(self.pair(self.act, self.weight))
        terms = [count(p, g) for p, g in enumerate(_chunks(list(pairs), self.GROUP**2))]
        m.d.comb += self.o.eq(_add_tree(m, terms, "sum"))
        return m


class SumTree(wiring.Component):
    """Add terms up in a balanced tree, registered at each level, one sum per cycle.

    Parameters
    ----------
    terms : :class:`int`
        Number of terms, at least 1.
    bound : callable
        ``bound(start, end)`` is the range ``(lowest, highest)`` of the sum of the terms
        ``start..end-1``. It decides the width of every register, so a caller that knows more than
        the ranges of single terms saves bits.

    Members
    -------
    i : the terms, an array-like struct with fields ``"0"``, ``"1"``, ...
    o : their sum, :attr:`latency` cycles later
    """

    def __init__(self, *, terms: int, bound: Callable[[int, int], tuple[int, int]]) -> None:
        self.terms = _positive("Term count", terms)
        self.ranges = []
        spans = [(place, place + 1) for place in range(terms)]
        while True:
            self.ranges.append(tuple(bound(*span) for span in spans))
            if len(spans) == 1:
                break
            spans = [(group[0][0], group[-1][1]) for group in _chunks(spans, 2)]
        leaves = {str(place): range_shape(*limits) for place, limits in enumerate(self.ranges[0])}
        super().__init__(
            {"i": In(data.StructLayout(leaves)), "o": Out(range_shape(*self.ranges[-1][0]))}
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return tuple(self.ranges)

    @property
    def module_name(self) -> str:
        return f"sum_tree_{self.terms}"

    @property
    def latency(self) -> int:
        """Cycles from terms to sum."""
        return tree_levels(self.terms)

    def model(self, terms: Sequence[int]) -> int:
        """Sum of the terms."""
        return sum(terms)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        values = [self.i[str(place)] for place in range(self.terms)]
        for level, ranges in enumerate(self.ranges[1:], start=1):
            sums = []
            for place, (pair, limits) in enumerate(zip(_chunks(values, 2), ranges, strict=True)):
                shape = range_shape(*limits)
                total = Signal(shape, name=f"sum_{level}_{place}", reset_less=True)
                m.d.sync += total.eq(pair[0] + pair[1] if len(pair) == 2 else pair[0])
                sums.append(total)
            values = sums
        m.d.comb += self.o.eq(values[0])
        return m


def _positive(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value!r}")
    return value
