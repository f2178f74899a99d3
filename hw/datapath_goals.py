"""Figures that the datapaths aim at, and whether the rows of a report reach them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .datapath_store import Entry

__all__ = ["GOALS", "GOAL_HEADS", "Goal", "goal_rows"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One figure to reach.

    Parameters
    ----------
    figure : :class:`str`
        What is counted, and where.
    limit, stretch : :class:`float`
        At most this many; what would be better still.
    reached : callable
        The figure from the rows of the report, and what reaches it; ``None`` where it is not in
        the report.
    least : :class:`bool`
        Whether the limit is the least allowed, not the most.
    """

    figure: str
    limit: float
    stretch: float | None
    reached: Callable[[Sequence[Entry]], tuple[float, str] | None]
    least: bool = False

    def met(self, value: float) -> bool:
        """Whether a figure is good enough."""
        return value >= self.limit if self.least else value <= self.limit


def _worst(*wanted: dict[str, Any]) -> Callable[[Sequence[Entry]], tuple[float, str] | None]:
    """The cheapest PA row of each kind; the dearest of these."""

    def reached(rows: Sequence[Entry]) -> tuple[float, str] | None:
        best = []
        for want in wanted:
            fitting = [
                row
                for row in rows
                if row["unit"] == "dot" and all(row[key] == value for key, value in want.items())
            ]
            if not fitting:
                return None
            best.append(min(fitting, key=lambda row: row["lut_per_mac"]))
        worst = max(best, key=lambda row: row["lut_per_mac"])
        return worst["lut_per_mac"], ", ".join(dict.fromkeys(row["datapath"] for row in best))

    return reached


def _dot(target: str, m: int, n: int, fold: int | None = None) -> dict[str, Any]:
    return {"target": target, "m": m, "n": n, "fold": fold, "phi_bits": 8}


def _lanes(target: str) -> Callable[[Sequence[Entry]], tuple[float, str] | None]:
    def reached(rows: Sequence[Entry]) -> tuple[float, str] | None:
        lanes = [r for r in rows if (r["unit"], r["target"]) == ("lane", target)]
        best = [
            min((r for r in lanes if r["simd"] == width), key=lambda r: r["lut"], default=None)
            for width in (64, 128)
        ]
        found = [row for row in best if row is not None]
        if len(found) < 2:
            return None
        worst = max(found, key=lambda row: row["lut"] / row["simd"])
        return worst["lut"] / worst["simd"], worst["datapath"]

    return reached


def _clock(rows: Sequence[Entry]) -> tuple[float, str] | None:
    """The best median of a whole engine."""
    engines = [
        (statistics.median(row["fmax_mhz"]), row["name"])
        for row in rows
        if (row["unit"], row["target"], row["simd"], row["pe"]) == ("engine", "ecp5", 32, 8)
        and row["fmax_mhz"]
    ]
    return max(engines, default=None)


GOALS = (
    Goal(
        figure="7-series LUT6 a PA-MAC, (4,5) and (4,7), weights from memory, 32 x 2",
        limit=11.5,
        stretch=10,
        reached=_worst(_dot("xc7", 4, 5), _dot("xc7", 4, 7)),
    ),
    Goal(figure="the same, (6,7)", limit=14, stretch=12, reached=_worst(_dot("xc7", 6, 7))),
    Goal(figure="the same, (8,7)", limit=16, stretch=14, reached=_worst(_dot("xc7", 8, 7))),
    Goal(
        figure="7-series, weights inside, folded 4 ways, (4,5), (8,7) and (255,7)",
        limit=10,
        stretch=9,
        reached=_worst(*(_dot("xc7", m, n, 4) for m, n in ((4, 5), (8, 7), (255, 7)))),
    ),
    Goal(
        figure="ECP5 LUT4 a PA-MAC, (4,5), weights from memory, 16 x 8",
        limit=32,
        stretch=28,
        reached=_worst(_dot("ecp5", 4, 5)),
    ),
    Goal(figure="the same, (8,7)", limit=56, stretch=45, reached=_worst(_dot("ecp5", 8, 7))),
    Goal(figure="the same, (4,3)", limit=21, stretch=18, reached=_worst(_dot("ecp5", 4, 3))),
    Goal(
        figure="ECP5, weights inside, folded 2 ways, (4,5)",
        limit=17,
        stretch=14,
        reached=_worst(_dot("ecp5", 4, 5, 2)),
    ),
    Goal(
        figure="ECP5, weights inside, folded 4 ways, (4,5)",
        limit=28,
        stretch=24,
        reached=_worst(_dot("ecp5", 4, 5, 4)),
    ),
    Goal(
        figure="LUT6 a bit-MAC of the AND-popcount lane, 64 and 128 wide (7-series)",
        limit=1.15,
        stretch=0.97,
        reached=_lanes("xc7"),
    ),
    Goal(
        figure="LUT4 a bit-MAC of the same (ECP5)", limit=2.2, stretch=1.9, reached=_lanes("ecp5")
    ),
    Goal(
        figure="ECP5-85 speed 8, MHz of a whole 32 x 8 engine, median of the seeds",
        limit=200,
        stretch=250,
        reached=_clock,
        least=True,
    ),
)
"""All of them, in the order of the report."""


GOAL_HEADS = ("figure", "target", "stretch", "reached", "by", "")
"""Heads of the columns of :func:`goal_rows`."""


def goal_rows(rows: Sequence[Entry]) -> list[list[str]]:
    """Lines of a table: figure, limit, stretch, what was reached and by what, whether it is met."""
    lines = []
    for goal in GOALS:
        found = goal.reached(rows)
        sign = "≥" if goal.least else "≤"
        value, by = ("-", "-") if found is None else (f"{found[0]:.4g}", found[1])
        verdict = (
            "not measured here" if found is None else "met" if goal.met(found[0]) else "MISSED"
        )
        stretch = "" if goal.stretch is None else f"{goal.stretch:g}"
        lines.append([goal.figure, f"{sign} {goal.limit:g}", stretch, value, by, verdict])
    return lines
