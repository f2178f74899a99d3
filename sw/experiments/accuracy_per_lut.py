"""Accuracy of each scheme against LUTs of a multiply-accumulate, and against bits of a weight.

``python -m experiments.accuracy_per_lut`` reads ``results.json`` and the datapath report, and
writes pictures, a table and its figures as JSON.  Dot products that the report lacks are
synthesised first.
"""

import argparse
import json
import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.accuracy_entries import COLOURS, Entry, entries, pareto
from experiments.accuracy_plots import Dot, area_picture, bits_picture
from experiments.figures_files import save
from experiments.luts import DEVICES, FOLDS, Row
from experiments.results import load
from hw import datapath_store
from hw.datapath import datapath_cases, measure
from hw.flow import FlowError
from pa_artifact.whole import write_whole
from pa_nn.train import OneLineParser

__all__ = ["PROTOCOLS", "main", "markdown", "missing_rows", "write"]

PROTOCOLS = ("short", "long", "post-training")
"""Of which there are pictures."""

RESULTS = Path(__file__).with_name("results.json")
_FAMILIES = {
    "pa": "PA (M, N)",
    "abc": "ABC-Net (M, N)",
    "lsq": "LSQ, bits of weight and activation",
    "dorefa": "DoReFa, bits of both",
    "ternary": "ternary weights, bits of activation",
    "xnor": "one base: XNOR-Net, Bi-Real, BWN",
}


def missing_rows(rows: Sequence[Row]) -> list[Any]:
    """Cases of dot products on the two devices that the report has no row of."""
    known = {(row["name"], row["target"]) for row in rows}
    return [
        case
        for case in datapath_cases(list(DEVICES))
        if case.unit == "dot"
        and case.fold in FOLDS
        and (case.name, case.target.removesuffix("-dsp")) not in known
        and not case.target.endswith("-dsp")
    ]


def _spread(values: Sequence[float]) -> str:
    half = (max(values) - min(values)) / 2
    return f"{statistics.fmean(values):.2f}" + (f" ± {half:.2f}" if len(values) > 1 else "")


def markdown(found: Sequence[Entry], *, protocol: str) -> str:
    """The table, best accuracy first; a star where nothing cheaper is as accurate."""
    heads = ["scheme", "weight levels", "bits of a code", "top-1 (seeds)", "gap"]
    columns = [(target, fold) for target in DEVICES for fold in FOLDS]
    heads += [f"{target}, {'memory' if fold is None else 'inside'}" for target, fold in columns]
    fronts = {
        key: set(pareto((each.prices[key][0], each.gap) for each in found if key in each.prices))
        for key in columns
    }
    lines = []
    for each in found:
        cells = [
            each.name,
            str(each.weight_levels or "real"),
            str(each.weight_bits or 32),
            f"{_spread(each.top1)} ({len(each.top1)})",
            f"{each.gap:.2f}",
        ]
        for key in columns:
            luts = each.prices.get(key)
            star = " *" if luts and (luts[0], each.gap) in fronts[key] else ""
            cells.append("" if luts is None else f"{luts[0]:.2f}{star}")
        lines.append(cells)
        if each.literal:
            costs = [each.literal.get(key) for key in columns]
            shown = ["" if cost is None else f"{cost[0]:.2f}" for cost in costs]
            lines.append([f"{each.name}, as printed", "", "", "", "", *shown])
    rule = ["---"] * len(heads)
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rule, *lines))
    return (
        f"# Accuracy per LUT, protocol {protocol}\n\n"
        "Top-1 in percent, mean and half the range of the seeds; the gap is to the full-precision "
        "network that all runs start from. Then LUTs a multiply-accumulate; a star marks what "
        "nothing at most as large beats.\n\n"
        f"{table}\n"
    )


def _dots(found: Sequence[Entry], key: tuple[str, int | None]) -> tuple[list[Dot], list[Dot]]:
    def dot(each: Entry, luts: float, *, suffix: str = "") -> Dot:
        gaps = tuple(each.full - top1 for top1 in each.top1)
        return Dot(x=luts, gaps=gaps, text=each.name + suffix, colour=each.colour)

    tables = [dot(each, each.prices[key][0]) for each in found if key in each.prices]
    printed = [
        dot(each, each.literal[key][0], suffix=", as printed")
        for each in found
        if key in each.literal
    ]
    return tables, printed


def _bits(found: Sequence[Entry]) -> list[Dot]:
    return [
        Dot(
            x=float(each.weight_bits),
            gaps=tuple(each.full - top1 for top1 in each.top1),
            text=each.name,
            colour=each.colour,
            hollow=each.scheme.levels() is None,
        )
        for each in found
        if each.weight_bits is not None and each.phi_bits is None
    ]


def _as_json(found: Sequence[Entry]) -> str:
    rows = [
        {
            "scheme": str(each.scheme),
            "phi_bits": each.phi_bits,
            "top1": list(each.top1),
            "gap": round(each.gap, 4),
            "weight_bits": each.weight_bits,
            "lut_per_mac": [
                {"target": target, "fold": fold, "lut": luts, "row": row}
                for (target, fold), (luts, row) in each.prices.items()
            ],
            "as_printed": [
                {"target": target, "fold": fold, "lut": luts, "row": row}
                for (target, fold), (luts, row) in each.literal.items()
            ],
        }
        for each in found
    ]
    return json.dumps(rows, indent=1) + "\n"


def write(out: Path, found: Sequence[Entry], *, protocol: str) -> list[Path]:
    """Write pictures, table and JSON to the folder ``out``; returns their paths."""
    families = {
        label: COLOURS[name]
        for name, label in _FAMILIES.items()
        if any(COLOURS[each.scheme.name] == COLOURS[name] for each in found)
    }
    written = []
    title = f"protocol {protocol}"
    for fold, about in FOLDS.items():
        panels = []
        for target, device in DEVICES.items():
            tables, printed = _dots(found, (target, fold))
            front = pareto((dot.x, math.fsum(dot.gaps) / len(dot.gaps)) for dot in tables)
            panels.append((device, tables, printed, front))
        if any(tables for _, tables, _, _ in panels):
            picture = area_picture(panels, families, title=f"{about}; {title}")
            part = "" if fold is None else "-inside"
            written += save(picture, out / f"accuracy-per-lut{part}-{protocol}")
    picture = bits_picture(_bits(found), families, title=title)
    written += save(picture, out / f"accuracy-per-weight-bit-{protocol}")
    for name, text in (
        (f"accuracy-per-lut-{protocol}.md", markdown(found, protocol=protocol)),
        (f"accuracy-per-lut-{protocol}.json", _as_json(found)),
    ):
        write_whole(out / name, text.encode())
        written.append(out / name)
    return written


def _rows(report: Path, cache: Path) -> list[dict[str, Any]]:
    """Rows of the report, and of what it lacks."""
    rows = datapath_store.read(report)["rows"]
    for case in missing_rows(rows):
        print(f"synthesising {case.name} for {case.target}", file=sys.stderr)
        rows.append(measure(case, cache).row)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; bad input gives one line and exit status 2."""
    parser = OneLineParser(
        prog="python -m experiments.accuracy_per_lut",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="accuracies")
    parser.add_argument(
        "--report", type=Path, default=Path("build/reports/datapath.json"), help="LUTs"
    )
    parser.add_argument("--cache", type=Path, default=Path("build/synth"), help="of synthesis")
    parser.add_argument("--out", type=Path, default=Path("build/figures"), help="folder to write")
    parser.add_argument(
        "--protocol",
        action="append",
        help="of the runs, may be repeated (default: those there are)",
    )
    args = parser.parse_args(argv)
    try:
        runs = load(args.results)["runs"]
        rows = _rows(args.report, args.cache)
        written = []
        for protocol in args.protocol or PROTOCOLS:
            found = entries(runs, rows, protocol=protocol)
            if found:
                written += write(args.out, found, protocol=protocol)
        if not written:
            raise ValueError(f"{args.results}: no runs of {', '.join(args.protocol or PROTOCOLS)}")
    except (ValueError, OSError, FlowError) as error:
        parser.error(str(error))
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
