"""One of several words, chosen by a code: in LUT4s, or as synthesis maps it."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value

from pa_hdl.cells.ecp5 import place_lookup

__all__ = ["choose"]

# Tables of LUT4s that choose; the select bits come first, then the options.
_OF_TWO = tuple((at >> (1 + (at & 1))) & 1 for at in range(8))
_FIRST = tuple(at & 1 if at & 2 else (at >> (2 + (at & 1))) & 1 for at in range(16))
_SECOND = tuple((at >> (2 + (at & 1))) & 1 if at & 2 else at & 1 for at in range(16))


def choose(m: Module, name: str, options: Sequence[Value], select: Value, placed: bool) -> Value:
    """One of ``2**len(select)`` options, in LUT4s: one for two options, two for four."""
    if len(options) == 1:
        return options[0]
    chosen = Signal.like(options[0], name=f"{name}_chosen")
    if placed and len(options) == 4:
        # The first LUT passes the lower select bit on when the higher one is set.
        first = _each_bit(
            m, f"{name}_first", (select[0], select[1], *options[:2]), _FIRST, len(chosen)
        )
        again = (first, select[1], *options[2:])
        m.d.comb += chosen.eq(_each_bit(m, f"{name}_second", again, _SECOND, len(chosen)))
        return chosen
    half = len(options) // 2
    pair = [
        choose(m, f"{name}_{side}", part, select[:-1], placed)
        for side, part in enumerate((options[:half], options[half:]))
    ]
    if placed:
        found = _each_bit(m, f"{name}_of_two", (select[-1], *pair), _OF_TWO, len(chosen))
        m.d.comb += chosen.eq(found)
    else:
        m.d.comb += chosen.eq(Mux(select[-1], pair[1], pair[0]))
    return chosen


def _each_bit(
    m: Module, name: str, inputs: Sequence[Value], table: Sequence[int], bits: int
) -> Value:
    """One LUT4 for each bit of the words among the inputs; single bits are shared by all."""
    found = []
    for bit in range(bits):
        pins = [value if len(value) == 1 < bits else value[bit] for value in inputs]
        found.append(place_lookup(m, f"{name}_{bit}", Cat(*pins), table, 1))
    return Cat(*found)
