"""Table 8: latency of one output element of a convolution.

As printed; as the operations really follow one another, scaling coefficients merged (Eq. 19); as
one lookup for each element; and with all products side by side.
"""

import functools
from collections.abc import Iterator, Mapping

from experiments.tables_paper import TABLE_8
from experiments.tables_rows import Row
from hw.gate_designs import GateOperation
from hw.gates import figures_of, read_gates
from pa_hdl.popcount import tree_levels

__all__ = [
    "CHANNELS",
    "LOOKUP",
    "TAPS",
    "M",
    "N",
    "gate_delays",
    "latency_row",
    "needed",
    "notes",
    "operations",
    "rows",
    "side_by_side",
    "spelled",
]

M, N = 4, 5
"""Bases of weights and of activations, as in section 4.6."""

CHANNELS, KERNEL = 64, 3
TAPS = CHANNELS * KERNEL * KERNEL
"""``c_in h w`` of a 3x3 convolution of 64 channels, the engines' layer."""

LOOKUP = "PA-Net, lookup"
"""``phi[w][a]`` read for each element."""

_TABLE = 8
_UNIT = "every operation one unit"
_GATES = "gates of Table 2 [ns]"

_COUNT_BITS = TAPS.bit_length()
_VALUE_BITS = 8
_SUM_BITS = 2 * _VALUE_BITS + _COUNT_BITS

Operations = Mapping[str, float]


def needed(model: str) -> Mapping[str, tuple[int, int]]:
    """What the formula of a model of the table should be, in the form of :data:`TABLE_8`.

    Elements come one at a time, as in the table.  All ``M N`` counts run at once; so do the
    products of the counts with merged coefficients, which a tree adds up.  A sign is a comparison
    as well, and the ``N`` comparisons run at once.
    """
    if model == "Bi-Real Net":
        return {"T_XNOR": (1, 0), "T_pop": (1, 0), "T_mul": (0, 1), "T_com": (0, 1)}
    if model == "PA-Net":
        tail = {"T_mul": (0, 1), "T_add": (0, tree_levels(M * N)), "T_com": (0, 1)}
        return {"T_AND": (1, 0), "T_pop": (1, 0), **tail}
    if model == LOOKUP:
        return {"T_look": (1, 0), "T_add": (1, -1), "T_com": (0, 1)}
    return TABLE_8["Full precision"]


def operations(formula: Mapping[str, tuple[int, int]], taps: int) -> Operations:
    """How many of each operation follow one another for so many elements."""
    return {name: a * taps + b for name, (a, b) in formula.items()}


def spelled(formula: Mapping[str, tuple[int, int]]) -> str:
    """A formula as text.

    >>> spelled({"T_AND": (1, 0), "T_pop": (1, 0), "T_mul": (0, 5), "T_com": (0, 1)})
    'c_in h w (T_AND + T_pop) + 5 T_mul + T_com'
    >>> spelled({"T_mul": (1, 0), "T_add": (1, -1)})
    'c_in h w T_mul + (c_in h w - 1) T_add'
    """
    each = [name for name, (a, b) in formula.items() if (a, b) == (1, 0)]
    parts = [f"c_in h w {each[0]}" if len(each) == 1 else f"c_in h w ({' + '.join(each)})"]
    for name, (a, b) in formula.items():
        if a and b:
            parts.append(f"(c_in h w - {-b}) {name}")
        elif b:
            parts.append(name if b == 1 else f"{b} {name}")
    return " + ".join(parts)


def side_by_side(model: str, taps: int) -> Operations:
    """The same with all elements at once and a tree of additions, "paralleled thoroughly".

    A popcount is such a tree, of narrow numbers: ``T_sum`` is an addition of two counts.
    """
    tree = tree_levels(taps)
    if model == "Bi-Real Net":
        return {"T_XNOR": 1, "T_sum": tree, "T_mul": 1, "T_com": 1}
    if model == "PA-Net":
        return {"T_AND": 1, "T_sum": tree, "T_mul": 1, "T_add": tree_levels(M * N), "T_com": 1}
    if model == LOOKUP:
        return {"T_look": 1, "T_add": tree, "T_com": 1}
    return {"T_mul": 1, "T_add": tree}


@functools.cache
def gate_delays() -> Operations:
    """Delay of each operation in ps, mapped onto the gates of Table 2.

    Values and thresholds have 8 bits, counts as many as :data:`TAPS` needs, and sums those of all
    products of two values.  ``T_pop`` counts one more bit.  There is no ``T_look``.
    """
    built = {
        "T_pop": ("count", _COUNT_BITS),
        "T_sum": ("add", _COUNT_BITS),
        "T_mul": ("multiply", _VALUE_BITS),
        "T_add": ("add", _SUM_BITS),
        "T_com": ("compare", _VALUE_BITS),
    }
    gates = read_gates()
    return {"T_AND": gates["AND2"].delay_ps, "T_XNOR": gates["XNOR2"].delay_ps} | {
        name: figures_of(GateOperation(kind=kind, bits=bits)).delay_ps
        for name, (kind, bits) in built.items()
    }


def notes() -> list[str]:
    """Formulas as printed, and as they should be."""
    lines = [f"- {model}, printed: `{spelled(formula)}`" for model, formula in TABLE_8.items()]
    lines += [f"- {model}, needed: `{spelled(needed(model))}`" for model in (*TABLE_8, LOOKUP)]
    return ["\n".join(lines)]


def rows() -> Iterator[Row]:
    """Every coefficient of the table; totals and speedups by units, and by delays of gates."""
    for model in TABLE_8:
        yield from _operation_rows(model)
    reason = "not in the paper: phi[w][a] is read for each element, and no product is left"
    for name, count in operations(needed(LOOKUP), TAPS).items():
        yield latency_row(LOOKUP, f"{name}, c_in h w = {TAPS}", None, count, reason)
    units = dict.fromkeys(("T_AND", "T_XNOR", "T_pop", "T_sum", "T_mul", "T_add", "T_com"), 1)
    yield from _total_rows(_UNIT, units | {"T_look": 1}, (*TABLE_8, LOOKUP))
    nanoseconds = {name: delay / 1000 for name, delay in gate_delays().items()}
    yield from _total_rows(_GATES, nanoseconds, tuple(TABLE_8))


def latency_row(
    model: str, column: str, paper: float | None, ours: float, reason: str | None
) -> Row:
    """A row of Table 8."""
    return Row(table=_TABLE, model=model, column=column, paper=paper, ours=ours, reason=reason)


_OPERATION_REASONS = {
    ("Bi-Real Net", "T_com"): "the sign of an activation is a comparison, counted for PA-Net alone",
    ("PA-Net", "T_mul"): (
        f"with merged coefficients {M} x {N} products stand side by side, one deep; a serial "
        f"product for each of {N} activation bases is printed"
    ),
    ("PA-Net", "T_add"): f"a tree adds up all {M} x {N} products, not {N} of them one by one",
}


def _operation_rows(model: str) -> Iterator[Row]:
    paper, ours = operations(TABLE_8[model], TAPS), operations(needed(model), TAPS)
    for name in dict.fromkeys([*paper, *ours]):
        reason = _OPERATION_REASONS.get((model, name))
        column = f"{name}, c_in h w = {TAPS}"
        yield latency_row(model, column, paper.get(name, 0), ours[name], reason)


def _total(counts: Operations, delays: Operations) -> float:
    return sum(count * delays[name] for name, count in counts.items())


def _total_rows(how: str, delays: Operations, models: tuple[str, ...]) -> Iterator[Row]:
    """Latencies and speedups when each operation takes so long."""
    reason = (
        'not in the paper, whose formulas take "paralleled thoroughly" to be one element after '
        f"another: all {TAPS} side by side above a tree of {tree_levels(TAPS)} levels"
    )
    merged = f"merged coefficients take one product after the counts, not {N} in sequence"
    serial, tree = (
        {model: _total(counts(model), delays) for model in models}
        for counts in (
            lambda model: operations(needed(model), TAPS),
            lambda model: side_by_side(model, TAPS),
        )
    )
    for model in models:
        formula = TABLE_8.get(model, TABLE_8["PA-Net"])
        total = _total(operations(formula, TAPS), delays)
        yield latency_row(model, f"Latency, {how}", total, serial[model], merged)
        gate = next((name for name in ("T_XNOR", "T_AND") if name in formula), None)
        if gate is not None:
            printed = (delays["T_mul"] + delays["T_add"]) / (delays[gate] + delays["T_pop"])
            speedup = serial["Full precision"] / serial[model]
            short = (
                "the printed speedup leaves out what follows the popcounts: products, their sum "
                "and the comparison"
            )
            yield latency_row(model, f"Speedup, {how}", printed, speedup, short)
        yield latency_row(model, f"Latency side by side, {how}", None, tree[model], reason)
        speedup = tree["Full precision"] / tree[model]
        yield latency_row(model, f"Speedup side by side, {how}", None, speedup, reason)
