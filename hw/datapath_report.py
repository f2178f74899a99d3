"""The datapath report as Markdown, with pictures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from .datapath_goals import GOAL_HEADS, goal_rows
from .datapath_store import Entry
from .depth import METHOD
from .targets import TARGETS

__all__ = ["DEVICES", "errors", "markdown"]

_ABOUT = """\
One layer, 64 to 64 channels, 3x3, computed in many ways that give **the same integers**: for each
weight code `w` and activation code `a` of a fold the entry `phi[w][a]` is added to an accumulator
of the exact bound. A *PA-MAC* is one weight times one activation under the PA scheme, `M x N`
*bit-MACs* (one AND and its share of a popcount). Everything of the dot product is counted
(decoders, tables, trees, accumulators), nothing around it; whole engines add comparators, line
buffer, weight memory and streams."""

_BESIDE = """\
Each at its cheapest without multiplier blocks, the same tricks for both: integers run on PA's
datapaths as tables `w * a`, weights in two's complement, activations unsigned as a ReLU leaves
them. Products of both have equally many bits, and accumulators are made equally wide. What this
does not say is how accurate a network of each kind is: PA places its levels freely, integers are
evenly spaced."""

_PATHS = {
    "popcount": "the paper's figure: M x N lanes of AND and popcount, each times its phi",
    "compressor": "the same with lanes built of compressors made for the device",
    "lookup": "`phi[w][a]` from a table in LUTs, then a tree of adders",
    "gated": "as lookup, but the zero piece resets the activation code: one index bit fewer",
    "shared": "all products of an activation made once, each PE selects among them",
    "inside": "weights inside the tables: no weight memory, for layers of few folds",
    "xnor": "signs times signs, counted: what binary networks use; `abcMxN-xnor` is ABC-Net as "
    "printed, a lane for each pair of bases, each count times its scales",
    "multiply": "`a * b`, then a tree: what integer networks use",
}

DEVICES = ("xc7", "ecp5")
"""Targets on which PA and its rivals are compared."""


def _table(rows: Sequence[Entry]) -> str:
    lines = [
        {
            "target": row["target"],
            "datapath": row["datapath"],
            "(M, N)": "" if row["m"] is None else f"({row['m']}, {row['n']})",
            "phi bits": row["phi_bits"] or "",
            "SIMD x PE": f"{row['simd']} x {row['pe']}",
            "folds": row["fold"] or "",
            "LUT": f"{row['lut']:,}",
            "FF": f"{row['ff']:,}",
            "DSP": row["dsp"] or "",
            "BRAM": row["bram"] or "",
            "depth": row["depth"],
            "latency": row["latency_cycles"],
            "LUT/MAC": f"{row['lut_per_mac']:.2f}",
            "LUT/bit-MAC": ""
            if row["m"] is None
            else f"{row['lut_per_mac'] / (row['m'] * row['n']):.2f}",
            "MHz": "" if not row["fmax_mhz"] else f"{statistics.median(row['fmax_mhz']):.0f}",
        }
        for row in rows
    ]
    return tabulate(lines, headers="keys", tablefmt="github", disable_numparse=True)


def _cheapest(rows: Sequence[Entry], **wanted: Any) -> Entry | None:
    fitting = [r for r in rows if all(r[name] == value for name, value in wanted.items())]
    return min(fitting, key=lambda row: row["lut_per_mac"], default=None)


_PAIRS = (
    (2, 4, ((4, 3),)),
    (3, 6, ((4, 7), (8, 7))),
    (4, 8, ((4, 5), (4, 7), (8, 7))),
)
"""Bits of an integer rival, bits of its products, and the (M, N) that stand beside it."""


def _rivals(rows: Sequence[Entry], widths: dict[tuple[str, str], int]) -> str:
    """PA against integers: equal bits of a product, equal accumulators, each by its best means."""
    lines = []
    for target in DEVICES:
        for bits, phi_bits, bases in _PAIRS:
            for folds in (None, 4):
                for m, n in bases:
                    line = _duel(rows, widths, target, bits, phi_bits, folds, (m, n))
                    if line is not None:
                        lines.append(line)
    return tabulate(lines, headers="keys", tablefmt="github", disable_numparse=True)


def _duel(
    rows: Sequence[Entry],
    widths: dict[tuple[str, str], int],
    target: str,
    bits: int,
    phi_bits: int,
    folds: int | None,
    bases: tuple[int, int],
) -> dict[str, Any] | None:
    m, n = bases
    here = [r for r in rows if (r["target"], r["unit"], r["fold"]) == (target, "dot", folds)]
    ours = _cheapest(here, m=m, n=n, phi_bits=phi_bits)
    integers = [r for r in here if r["datapath"].startswith(f"int{bits}-") and not r["dsp"]]
    theirs = _cheapest(integers)
    if ours is None or theirs is None:
        return None
    if any((row["name"], target) not in widths for row in (ours, theirs)):
        return None
    wide = max(widths[row["name"], target] for row in (ours, theirs))

    def luts(row: Entry) -> float:
        """LUTs a MAC with an accumulator of the wider of both: a LUT for each further bit."""
        return row["lut_per_mac"] + (wide - widths[row["name"], target]) / row["simd"]

    ratio = luts(ours) / luts(theirs)
    return {
        "target": target,
        "product bits": phi_bits,
        "accumulator bits": wide,
        "weights": "memory" if folds is None else f"inside, folded {folds} ways",
        "PA": f"({m}, {n}) {ours['datapath']}: {luts(ours):.2f}",
        "rival": f"{theirs['datapath']}: {luts(theirs):.2f}",
        "PA / rival": f"{ratio:.2f}",
        "": "PA loses" if ratio > 1.005 else "PA wins" if ratio < 0.995 else "even",
    }


def errors(model: Sequence[Entry], *, held_out: bool) -> list[float]:
    """Relative errors of predicted LUTs, of what was fitted or of what was not."""
    return [
        abs(each["predicted_lut"] / each["lut"] - 1)
        for each in model
        if each["held_out"] == held_out and each["lut"]
    ]


def _model(model: Sequence[Entry]) -> list[str]:
    lines = []
    for held_out, name in ((True, "never fitted"), (False, "fitted")):
        found = errors(model, held_out=held_out)
        if found:
            middle, worst = statistics.median(found), max(found)
            lines.append(
                f"- {name}: {len(found)} figures, median error {middle:.1%}, worst {worst:.1%}"
            )
    residuals = [
        {
            "": "" if each["held_out"] else "fitted",
            "target": each["target"],
            "name": each["name"],
            "LUT": each["lut"],
            "predicted": each["predicted_lut"],
            "error": f"{each['predicted_lut'] / each['lut'] - 1:+.1%}" if each["lut"] else "",
        }
        for each in sorted(model, key=lambda each: (not each["held_out"], each["target"]))
    ]
    table = tabulate(residuals, headers="keys", tablefmt="github", disable_numparse=True)
    return ["\n".join(lines), table]


def markdown(
    rows: Sequence[Entry], model: Sequence[Entry], widths: dict[tuple[str, str], int]
) -> str:
    """The whole report.

    Parameters
    ----------
    rows, model : sequence of :class:`dict`
        Those parts of the report.
    widths : :class:`dict`
        Bits of the accumulators of each row, by its name and target.
    """
    dots = [row for row in rows if row["unit"] != "engine"]
    engines = [row for row in rows if row["unit"] == "engine"]
    goals = tabulate(
        goal_rows(rows),
        GOAL_HEADS,
        tablefmt="github",
        disable_numparse=True,
    )
    targets = list(dict.fromkeys(row["target"] for row in rows))
    flags = dict.fromkeys((row["target"], row["flags"]) for row in rows)
    notes = [f"- {TARGETS[name].title}: {TARGETS[name].note}" for name in targets]
    return (
        "\n\n".join(
            [
                "# Datapaths and their rivals",
                _ABOUT,
                "\n".join(f"- **{name}**: {text}" for name, text in _PATHS.items()),
                "## Targets",
                goals,
                "![LUTs a multiply-accumulate by datapath](datapath.svg)",
                "## PA beside integers",
                _BESIDE,
                _rivals(rows, widths),
                "![PA beside its rivals](datapath-rivals.svg)",
                "## Dot products",
                _table(dots),
                "## Whole engines",
                _table(engines),
                "## The cost model",
                "LUTs that `pa_hdl.cost` predicts without synthesis, beside what synthesis found.",
                *_model(model),
                "![Predicted and synthesised LUTs](datapath-model.svg)",
                "## How the figures were made",
                f"Depth: {METHOD}",
                "\n".join(f"- {target}: `{each}`" for target, each in flags),
                "\n".join(notes),
            ]
        )
        + "\n"
    )
