"""Pictures of the datapath report."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from matplotlib import rc_context
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

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


def _plain(axis: Axis) -> None:
    """Numbers as they are written, not powers of ten, on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:,.4g}"))
    axis.set_minor_formatter(NullFormatter())


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
        _plain(axes.yaxis)
        if kinds:
            axes.legend(fontsize="x-small", ncols=2)
    return _svg(figure)


def _kind(row: Entry) -> str:
    """What a row computes, however it does it."""
    if row["m"]:
        return f"PA ({row['m']}, {row['n']}), phi of {row['phi_bits']} bits"
    name, _, path = row["datapath"].rpartition("-")
    return f"{name} as a * b" if path == "multiply" else name or path


def _cheapest(rows: Sequence[Entry]) -> dict[str, dict[bool, float]]:
    """LUTs a multiply-accumulate by kind, and by whether weights are inside; the least first."""
    found: dict[str, dict[bool, float]] = {}
    for row in rows:
        if row["fold"] in (None, 4):
            places = found.setdefault(_kind(row), {})
            inside = row["fold"] is not None
            places[inside] = min(row["lut_per_mac"], places.get(inside, row["lut_per_mac"]))
    return dict(sorted(found.items(), key=lambda item: min(item[1].values())))


def rivals(rows: Sequence[Entry], model: Sequence[Entry]) -> str:
    """LUTs a multiply-accumulate of each scheme at its cheapest, without multiplier blocks."""
    found = {
        target: _cheapest(
            [r for r in rows if (r["target"], r["unit"], r["dsp"]) == (target, "dot", 0)]
        )
        for target in DEVICES
    }
    height = 1.2 + 0.22 * max(map(len, found.values()))
    figure = Figure(figsize=(11, height), layout="constrained")
    for axes, target in zip(figure.subplots(1, len(DEVICES)), DEVICES, strict=True):
        kinds = list(found[target])
        for label, style, inside in (
            ("weights from memory", "o", False),
            ("weights inside, folded 4 ways", "^", True),
        ):
            points = [
                (found[target][kind][inside], place)
                for place, kind in enumerate(kinds)
                if inside in found[target][kind]
            ]
            if points:
                axes.plot(*zip(*points, strict=True), style, label=label, markersize=5)
            for value, place in points:
                offset = (-5, 0) if inside else (5, 0)
                axes.annotate(
                    f"{value:.3g}",
                    (value, place),
                    offset,
                    textcoords="offset points",
                    fontsize=6,
                    ha="right" if inside else "left",
                    va="center",
                )
        axes.set(title=TARGETS[target].title, xlabel="LUTs a multiply-accumulate", xscale="log")
        axes.set_yticks(range(len(kinds)), kinds, fontsize=7)
        for place, kind in enumerate(kinds):
            if kind.startswith("PA"):
                axes.axhspan(place - 0.5, place + 0.5, color="#0072b2", alpha=0.08, linewidth=0)
        _plain(axes.xaxis)
        axes.margins(x=0.12, y=0.02)
        axes.grid(alpha=0.3, axis="x")
        if axes.lines:
            axes.legend(fontsize="x-small", loc="lower right")
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
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_title("The cost model (dashed: 10 % off)")
    axes.legend(fontsize="small")
    return _svg(figure)


PICTURES: dict[str, Callable[[Sequence[Entry], Sequence[Entry]], str]] = {
    "datapath.svg": bars,
    "datapath-rivals.svg": rivals,
    "datapath-model.svg": predictions,
}
"""Pictures of the report by their file names, each made from its rows and its model entries."""
