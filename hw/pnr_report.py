"""What place and route found, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from tabulate import tabulate

from .pnr_cases import PnrCase
from .pnr_flow import DEVICES, Mapped, Routed, Tool
from .pnr_paths import Step

__all__ = ["Finding", "markdown", "table"]

_KINDS = {
    "TRELLIS_COMB": "LUT4 positions",
    "TRELLIS_FF": "flip-flops",
    "TRELLIS_RAMW": "LUT RAM write ports",
    "DP16KD": "block RAMs",
    "MULT18X18D": "multipliers",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """All seeds of one case that finished."""

    case: PnrCase
    mapped: Mapped
    runs: tuple[Routed, ...]

    @property
    def rates(self) -> list[float]:
        """Clock rate of each seed."""
        return [run.fmax_mhz for run in self.runs]

    @property
    def median(self) -> Routed:
        """The run whose clock rate is the median, the lower of two."""
        return sorted(self.runs, key=lambda run: run.fmax_mhz)[(len(self.runs) - 1) // 2]


def table(findings: Sequence[Finding]) -> str:
    """Clock rates and sizes, a line for each case."""
    rows: list[dict[str, str]] = []
    for found in findings:
        used = found.median.utilisation
        rows.append(
            {
                "design": found.case.name,
                "median MHz": f"{statistics.median(found.rates):.1f}",
                "spread MHz": f"{min(found.rates):.1f} to {max(found.rates):.1f}",
                "seeds": str(len(found.rates)),
                **{
                    name: f"{used[kind][0]:,} ({100 * used[kind][0] / used[kind][1]:.0f} %)"
                    if kind in used
                    else "0"
                    for kind, name in _KINDS.items()
                },
            }
        )
    return _markdown_table(rows)


def _hops(path: Sequence[Step]) -> list[tuple[str, float, float]]:
    """Components that a path passes through, with their delay in cells and on wires."""
    hops = []
    for component, steps in groupby(path, key=lambda step: step.component):
        delays = list(steps)
        wires = sum(step.delay_ns for step in delays if step.kind == "routing")
        hops.append((component, sum(step.delay_ns for step in delays) - wires, wires))
    return hops


def _section(found: Finding) -> list[str]:
    run = found.median
    path = run.path
    total = sum(step.delay_ns for step in path)
    wires = sum(step.delay_ns for step in path if step.kind == "routing")
    seeds = ", ".join(f"{each.fmax_mhz:.1f} (seed {each.seed})" for each in found.runs)
    hops = [
        {"component": name or "(top)", "cells ns": f"{cells:.2f}", "wires ns": f"{wires:.2f}"}
        for name, cells, wires in _hops(path)
    ]
    slowest = [
        {"component": name or "(top)", "longest path into it ns": f"{delay:.2f}"}
        for name, delay in list(run.slowest.items())[:12]
    ]
    facts = (
        f"Clock rates in MHz: {seeds}. First beat in to first beat out: {found.case.latency} "
        f"cycles. {found.mapped.absorbed} flip-flops became output registers of block RAMs."
    )
    limit = (
        f"Critical path of seed {run.seed}: {total:.2f} ns ({total - wires:.2f} in cells, "
        f"{wires:.2f} on wires), from `{_place(path[0])}` to `{_place(path[-1])}`."
    )
    return [
        f"## {found.case.name}",
        facts,
        limit,
        _markdown_table(hops),
        "What would limit next (setup left out, alike components together):",
        _markdown_table(slowest),
    ]


def _markdown_table(rows: Sequence[dict[str, str]]) -> str:
    return tabulate(rows, headers="keys", tablefmt="github", disable_numparse=True)


def _place(step: Step) -> str:
    return ".".join(part for part in (step.component, step.net) if part)


def markdown(
    findings: Sequence[Finding],
    failures: Sequence[str],
    *,
    tool: Tool,
    device: str,
    freq_mhz: float,
) -> str:
    """The whole report."""
    setting = (
        f"{DEVICES[device]}, speed grade 8, {tool.title}, aiming at {freq_mhz:g} MHz. "
        "64 to 64 channels, 3x3, 16x16; an engine is everything: streams, comparators, window, "
        "weight memory and dot product. Ports outnumber the pins, so flip-flops stand for the "
        "neighbours: one for each input bit and two for each output bit, counted below. A reset of "
        "few flip-flops is logic here, since placement finds no room for hundreds of them: that "
        "takes LUTs which the counts of synthesis do not have."
    )
    parts = ["# Clock rates after place and route", setting]
    parts.append(table(findings) if findings else "No run finished.")
    if failures:
        parts.append("\n".join(["Runs that gave no result:", "", *(f"- {f}" for f in failures)]))
    for found in findings:
        parts += _section(found)
    return "\n\n".join(parts) + "\n"
