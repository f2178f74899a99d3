# amaranth: UnusedElaboratable=no
"""Table 8: latency of one output element of a convolution.

As printed; as the operations really follow one another, scaling coefficients merged (Eq. 19); as
one lookup for each element; with all products side by side; and in the cycles of the engines.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from experiments.tables_paper import TABLE_8
from experiments.tables_rows import Row
from hw.baselines.multiply import multiply_dot
from hw.baselines.xnor import XnorDot
from hw.designs import Case
from pa_hdl.comparators import Comparators
from pa_hdl.config import EngineConfig
from pa_hdl.dot import DATAPATHS
from pa_hdl.nodes.multiply_dot import MultiplyDot, ZeroPoint
from pa_hdl.popcount import tree_levels

__all__ = [
    "LOOKUP",
    "TAPS",
    "M",
    "N",
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

SIMDS = (1, 64)
"""Products that an engine makes in a cycle: one, and one of every channel."""

LOOKUP = "PA-Net, lookup"
"""``phi[w][a]`` read for each element."""

_TABLE = 8
_UNIT = "every operation one unit"

Operations = Mapping[str, int]


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

    A popcount is such a tree.
    """
    tree = tree_levels(taps)
    if model == "Bi-Real Net":
        return {"T_XNOR": 1, "T_add": tree, "T_mul": 1, "T_com": 1}
    if model == "PA-Net":
        return {"T_AND": 1, "T_add": tree + tree_levels(M * N), "T_mul": 1, "T_com": 1}
    if model == LOOKUP:
        return {"T_look": 1, "T_add": tree, "T_com": 1}
    return {"T_mul": 1, "T_add": tree}


def notes() -> list[str]:
    """Formulas as printed, and as they should be."""
    lines = [f"- {model}, printed: `{spelled(formula)}`" for model, formula in TABLE_8.items()]
    lines += [f"- {model}, needed: `{spelled(needed(model))}`" for model in (*TABLE_8, LOOKUP)]
    return ["\n".join(lines)]


def rows() -> Iterator[Row]:
    """Every coefficient of the table, totals and speedups, and the cycles of engines."""
    for model in TABLE_8:
        yield from _operation_rows(model)
    yield from _lookup_rows()
    yield from _parallel_rows()
    yield from _engine_rows()


def _row(model: str, column: str, paper: float | None, ours: float, reason: str | None) -> Row:
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
        yield _row(model, f"{name}, c_in h w = {TAPS}", paper.get(name, 0), ours[name], reason)
    total, least = sum(paper.values()), sum(ours.values())
    yield _row(model, f"Latency, {_UNIT}", total, least, None)
    if model != "Full precision":
        full = sum(operations(needed("Full precision"), TAPS).values())
        # (T_mul + T_add) / (T_XNOR + T_pop), and the same with T_AND.
        yield _row(model, f"Speedup, {_UNIT}", 2 / 2, full / least, None)


def _lookup_rows() -> Iterator[Row]:
    model = LOOKUP
    ours = operations(needed(model), TAPS)
    reason = "not in the paper: phi[w][a] is read for each element, and no product is left"
    for name, count in ours.items():
        yield _row(model, f"{name}, c_in h w = {TAPS}", None, count, reason)
    paper = sum(operations(TABLE_8["PA-Net"], TAPS).values())
    yield _row(model, f"Latency, {_UNIT}", paper, sum(ours.values()), reason)


def _parallel_rows() -> Iterator[Row]:
    full = sum(side_by_side("Full precision", TAPS).values())
    for model in (*TABLE_8, LOOKUP):
        ours = sum(side_by_side(model, TAPS).values())
        reason = (
            'not in the paper, whose formulas take "paralleled thoroughly" to be one element after '
            f"another: all {TAPS} side by side above a tree of {tree_levels(TAPS)} levels"
        )
        yield _row(model, f"Latency side by side, {_UNIT}", None, ours, reason)
        yield _row(model, f"Speedup side by side, {_UNIT}", None, full / ours, reason)


def _config(simd: int, datapath: str, *, m: int = M, n: int = N) -> EngineConfig:
    """The engines' layer with one output channel at a time."""
    return replace(Case(m=m, n=n).config, simd=simd, pe=1, datapath=datapath)


def _pa_cycles(datapath: str, simd: int) -> int:
    config = _config(simd, datapath)
    dot = DATAPATHS[datapath].latency(config)
    return Comparators.latency(config) + config.folds_per_output - 1 + dot


def _xnor_cycles(simd: int) -> int:
    config = _config(simd, "popcount", m=1, n=1)
    dot = XnorDot(simd=simd, pe=1, taps=TAPS).latency
    return Comparators.latency(config) + config.folds_per_output - 1 + dot


def _multiply_cycles(simd: int) -> int:
    config = multiply_dot(bits=8, simd=simd, pe=1, channels=CHANNELS).config
    dot = MultiplyDot.latency(config)
    return ZeroPoint.latency(config) + config.folds_per_output - 1 + dot


_ENGINES: dict[str, tuple[str, Callable[[int], int]]] = {
    "Bi-Real Net, XNOR engine": ("Bi-Real Net", _xnor_cycles),
    "PA-Net, popcount engine": ("PA-Net", lambda simd: _pa_cycles("popcount", simd)),
    "PA-Net, gated lookup engine": ("PA-Net", lambda simd: _pa_cycles("gated", simd)),
    "Full precision, 8-bit multiply engine": ("Full precision", _multiply_cycles),
}


def _engine_rows() -> Iterator[Row]:
    for simd in SIMDS:
        folds = TAPS // simd
        full = _multiply_cycles(simd)
        for model, (formula, cycles) in _ENGINES.items():
            # One step of the sum a cycle, and one cycle for each operation behind it.
            tail = sum(b for _, b in TABLE_8[formula].values() if b > 0)
            ours = cycles(simd)
            reason = (
                f"the formula at one step of the sum a cycle is {folds} + {tail} cycles; "
                "comparators, memory, products, tree and accumulator of the engine are stages of "
                "a pipeline"
            )
            yield _row(model, f"Latency [cycles], SIMD {simd}", folds + tail, ours, reason)
            if formula != "Full precision":
                speed = (
                    "the paper takes a product for slower than an AND; in a pipeline each engine "
                    "does one step of the sum a cycle, and the gain is in area"
                )
                yield _row(model, f"Speedup in cycles, SIMD {simd}", None, full / ours, speed)
