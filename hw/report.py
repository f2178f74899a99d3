"""Tables, a Markdown report and a plot from the rows of a synthesis run."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from tabulate import tabulate

from .depth import METHOD
from .targets import TARGETS

__all__ = ["COLUMNS", "as_json", "markdown", "plot", "table"]

COLUMNS = (
    "unit",
    "m",
    "n",
    "simd",
    "pe",
    "phi_bits",
    "datapath",
    "loadable",
    "target",
    "flags",
    "lut",
    "ff",
    "carry",
    "bram",
    "dsp",
    "depth",
    "carry_depth",
    "latency_cycles",
    "cycles_per_frame",
)
"""Members of a row, in order."""

_SHOWN = (
    ("target", "target"),
    ("unit", "unit"),
    ("M,N", "shape"),
    ("weights", "weights"),
    ("LUT", "lut"),
    ("FF", "ff"),
    ("carry", "carry"),
    ("BRAM", "bram"),
    ("DSP", "dsp"),
    ("depth", "depth"),
    ("+carry", "carry_depth"),
    ("latency", "latency_cycles"),
    ("cycles/frame", "cycles_per_frame"),
    ("LUT/PA-MAC", "per_pa_mac"),
    ("LUT/bit-MAC", "per_bit_mac"),
)

_COUNTING = (
    "A module that stands in the design many times (a lane, a processing element) is mapped once, "
    "apart from its surroundings, and counted as often as it stands there; everything else is "
    "flattened. Weight memories are block RAM, whatever else Yosys would choose. "
    "A PA-MAC is one weight times one activation, M x N bit-MACs; both ratios divide all LUTs of "
    "the unit by what it computes in a cycle."
)


def _cells(row: dict[str, Any]) -> list[Any]:
    macs = row["simd"] * row["pe"]
    derived = {
        "shape": f"({row['m']},{row['n']})",
        "weights": "loaded" if row["loadable"] else "baked",
        "per_pa_mac": f"{row['lut'] / macs:.1f}",
        "per_bit_mac": f"{row['lut'] / (macs * row['m'] * row['n']):.2f}",
    }
    return [{**row, **derived}[key] for _, key in _SHOWN]


def _targets(rows: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["target"] for row in rows))


def _notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    notes = [f"{name}: `{TARGETS[name].flags}`. {TARGETS[name].note}" for name in _targets(rows)]
    return [f"Depth: {METHOD}", f"Counting: {_COUNTING}", *notes]


def as_json(rows: Sequence[dict[str, Any]]) -> str:
    """The machine-readable report: ``{"rows": [...]}`` with the members :data:`COLUMNS`."""
    return json.dumps({"rows": [{key: row[key] for key in COLUMNS} for row in rows]}, indent=1)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The figures for a terminal, flags and method below them."""
    heads = [head for head, _ in _SHOWN]
    body = tabulate(map(_cells, rows), heads, disable_numparse=True, stralign="right")
    return "\n".join([body, "", *(textwrap.fill(note, 120) for note in _notes(rows))])


def markdown(rows: Sequence[dict[str, Any]], paths: Sequence[str], picture: str) -> str:
    """The report as Markdown.

    Parameters
    ----------
    rows : sequence of :class:`dict`
        Rows with the members :data:`COLUMNS`.
    paths : sequence of :class:`str`
        One line for each row that names its longest paths.
    picture : :class:`str`
        File name of the plot beside the report.
    """
    first = rows[0]
    heads = [head for head, _ in _SHOWN]
    about = (
        f"64 to 64 channels, 3x3 kernel, 16x16 image, SIMD {first['simd']} x PE {first['pe']}, "
        f"{first['phi_bits']}-bit phi, `{first['datapath']}` datapath. Weights are in memory; phi "
        "and thresholds are constants of one seeded layer, except where loaded. No multiplier "
        "blocks. Latency and cycles a frame are the cycle model's, which simulation asserts."
    )
    parts = [
        "# Area, depth and latency",
        about,
        tabulate(map(_cells, rows), heads, tablefmt="github", disable_numparse=True),
        f"![LUTs against M x N]({picture})",
        "## How the figures were made",
        "\n".join(f"- {note}" for note in _notes(rows)),
        "## Longest paths",
        "\n".join(f"- {path}" for path in paths),
    ]
    return "\n\n".join(parts) + "\n"


def plot(rows: Sequence[dict[str, Any]]) -> str:
    """LUTs against M x N as SVG: of engine and dot product, and a bit-MAC of the dot product."""
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    area, ratio = figure.subplots(1, 2)
    for index, target in enumerate(_targets(rows)):
        colour, title = f"C{index}", TARGETS[target].title
        for unit, loadable, style in (
            ("engine", False, "o-"),
            ("engine", True, "x"),
            ("dot", False, "s:"),
        ):
            chosen = [
                row
                for row in rows
                if (row["target"], row["unit"], row["loadable"]) == (target, unit, loadable)
            ]
            label = f"{title}, {unit}{' (loaded)' if loadable else ''}"
            bases = [row["m"] * row["n"] for row in chosen]
            luts = [row["lut"] for row in chosen]
            area.plot(bases, luts, style, color=colour, label=label)
            if unit == "dot":
                macs = [row["simd"] * row["pe"] * row["m"] * row["n"] for row in chosen]
                each = [lut / mac for lut, mac in zip(luts, macs, strict=True)]
                ratio.plot(bases, each, "s-", color=colour, label=title)
    area.set(yscale="log", ylabel="LUTs", title="Area")
    powers = [step * 10**decade for decade in range(2, 6) for step in (1, 2, 5)]
    luts = [row["lut"] for row in rows]
    shown = [power for power in powers if min(luts) / 2 <= power <= max(luts) * 2]
    area.set_yticks(shown, [f"{power:,}" for power in shown])
    ratio.set(ylabel="LUTs a bit-MAC", title="Dot product alone", ylim=(0, None))
    ticks = sorted({row["m"] * row["n"] for row in rows})
    for axes in (area, ratio):
        axes.set(xscale="log", xlabel="M x N")
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize="x-small")
    text = io.StringIO()
    # A fixed salt and no date: the same rows give the same bytes.
    with rc_context({"svg.hashsalt": "pa-hdl"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
