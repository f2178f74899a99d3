"""Pictures of the datapath report."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from .datapath_report import DEVICES
from .datapath_store import Entry
from .targets import TARGETS

__all__ = ["PICTURES", "bars", "predictions", "rivals"]


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    # A fixed salt and no date: the same rows give the same bytes.
    with rc_context({"svg.hashsalt": "pa-hdl"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _around(rows: Sequence[Entry]) -> tuple[float, float]:
    """Ends of a logarithmic axis that all rows are within."""
    values = [row["lut_per_mac"] for row in rows] or [1.0]
    return min(values) / 1.5, max(values) * 2


_LIMITS = {
    ("xc7", (4, 5)): 11.5,
    ("xc7", (4, 7)): 11.5,
    ("xc7", (6, 7)): 14,
    ("xc7", (8, 7)): 16,
    ("ecp5", (4, 5)): 32,
    ("ecp5", (8, 7)): 56,
    ("ecp5", (4, 3)): 21,
}


def bars(rows: Sequence[Entry], model: Sequence[Entry]) -> str:
    """LUTs a PA-MAC by datapath and (M, N), with the figures to reach."""
    figure = Figure(figsize=(11, 8), layout="constrained")
    for axes, target in zip(figure.subplots(len(DEVICES), 1), DEVICES, strict=True):
        here = [
            row
            for row in rows
            if row["m"] is not None
            and (row["target"], row["unit"], row["phi_bits"]) == (target, "dot", 8)
        ]
        kinds = list(dict.fromkeys((row["datapath"], row["fold"]) for row in here))
        bases = list(dict.fromkeys((row["m"], row["n"]) for row in here))
        width = 0.8 / max(1, len(kinds))
        for index, (path, fold) in enumerate(kinds):
            label = path if fold is None else f"{path}, folded {fold} ways"
            chosen = [r for r in here if (r["datapath"], r["fold"]) == (path, fold)]
            places = [bases.index((r["m"], r["n"])) + (index + 0.5) * width - 0.4 for r in chosen]
            heights = [r["lut_per_mac"] for r in chosen]
            drawn = axes.bar(places, heights, width * 0.95, label=label)
            axes.bar_label(drawn, fmt="%.3g", fontsize=6, rotation=90, padding=2)
        for place, pair in enumerate(bases):
            limit = _LIMITS.get((target, pair))
            if limit is not None:
                axes.plot([place - 0.4, place + 0.4], [limit, limit], "k--", linewidth=1)
        axes.set_ylim(*_around(here))
        axes.set_xticks(range(len(bases)), [f"({m}, {n})" for m, n in bases])
        axes.set(
            title=f"{TARGETS[target].title}, 8-bit phi (dashed: the target)",
            ylabel="LUTs a PA-MAC",
            xlabel="(M, N)",
            yscale="log",
        )
        if kinds:
            axes.legend(fontsize="x-small", ncols=2)
    return _svg(figure)


def rivals(rows: Sequence[Entry], model: Sequence[Entry]) -> str:
    """LUTs a multiply-accumulate against the bits of a product."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    for axes, target in zip(figure.subplots(1, len(DEVICES)), DEVICES, strict=True):
        here = [r for r in rows if (r["target"], r["unit"], r["dsp"]) == (target, "dot", 0)]
        for label, style, chosen in (
            ("PA, weights from memory", "o", [r for r in here if r["m"] and not r["fold"]]),
            ("PA, inside, folded 4 ways", "^", [r for r in here if r["m"] and r["fold"] == 4]),
            ("rivals as tables", "s", [r for r in here if not r["m"] and r["phi_bits"]]),
        ):
            best: dict[tuple[int, Any, Any], float] = {}
            for row in chosen:
                key = row["phi_bits"], row["m"], row["n"]
                best[key] = min(row["lut_per_mac"], best.get(key, row["lut_per_mac"]))
            points = [(key[0], value) for key, value in best.items()]
            if points:
                axes.plot(*zip(*points, strict=True), style, label=label, alpha=0.8)
        for row in here:
            if row["phi_bits"] is None:
                axes.axhline(row["lut_per_mac"], linewidth=0.6, color="0.5")
                axes.text(16, row["lut_per_mac"], row["datapath"], fontsize=7, ha="right")
        axes.set_ylim(*_around(here))
        axes.set(
            title=f"{TARGETS[target].title}: each at its cheapest",
            xlabel="bits of a product (phi)",
            ylabel="LUTs a multiply-accumulate",
            yscale="log",
        )
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize="x-small")
    return _svg(figure)


def predictions(rows: Sequence[Entry], model: Sequence[Entry]) -> str:
    """Predicted against synthesised LUTs."""
    figure = Figure(figsize=(6, 5.5), layout="constrained")
    axes = figure.subplots()
    for held_out, label, style in ((False, "fitted", "."), (True, "never fitted", "o")):
        points = [
            (each["lut"], each["predicted_lut"])
            for each in model
            if each["held_out"] == held_out and each["lut"] and each["predicted_lut"]
        ]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label, alpha=0.6)
    ends = [10, 100_000]
    axes.plot(ends, ends, "k-", linewidth=0.8)
    for factor in (0.9, 1.1):
        axes.plot(ends, [end * factor for end in ends], "k--", linewidth=0.6)
    axes.set(xscale="log", yscale="log", xlabel="LUTs synthesised", ylabel="LUTs predicted")
    axes.set_title("The cost model (dashed: 10 % off)")
    axes.legend(fontsize="small")
    return _svg(figure)


PICTURES: dict[str, Callable[[Sequence[Entry], Sequence[Entry]], str]] = {
    "datapath.svg": bars,
    "datapath-rivals.svg": rivals,
    "datapath-model.svg": predictions,
}
"""Pictures of the report by their file names, each made from its rows and its model entries."""
