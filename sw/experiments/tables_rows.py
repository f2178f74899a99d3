"""Rows of the cost tables: what the paper prints, what is computed here, and why they differ."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

__all__ = ["TOLERANCE", "Row", "figure", "markdown"]

TOLERANCE = 0.02
"""Relative difference up to which a figure counts as the paper's."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number of one table.

    Parameters
    ----------
    table : int
        Number of the paper's table.
    model, column : str
        Its row and column; unit in brackets.
    paper : float or None
        What the paper prints; None where it has no such number.
    ours : float
        What is computed here.
    reason : str or None
        Why they differ, or what the number is where the paper has none.  Left out of the report
        where they agree within :data:`TOLERANCE`.

    Raises
    ------
    ValueError
        If a number is not finite, or a difference has no reason.
    """

    table: int
    model: str
    column: str
    paper: float | None
    ours: float
    reason: str | None = None

    def __post_init__(self) -> None:
        for name, value in (("paper", self.paper), ("ours", self.ours)):
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} of {self._name} must be finite, not {value!r}")
        if not self.agrees and not self.reason:
            raise ValueError(
                f"{self._name} needs a reason: {self.ours!r} here, {self.paper!r} in the paper"
            )

    @property
    def _name(self) -> str:
        return f"table {self.table}, {self.model!r}, {self.column!r}"

    @property
    def ratio(self) -> float | None:
        """``ours / paper``; None where the paper has no number, or 0."""
        return self.ours / self.paper if self.paper else None

    @property
    def agrees(self) -> bool:
        """Whether both numbers are there, and as good as equal."""
        if self.paper is None:
            return False
        return abs(self.ours - self.paper) <= TOLERANCE * abs(self.paper)

    def as_json(self) -> dict[str, Any]:
        """The row as ``tables.json`` has it."""
        return {
            "table": self.table,
            "model": self.model,
            "column": self.column,
            "paper": self.paper,
            "ours": self.ours,
            "ratio": self.ratio,
            "reason": None if self.agrees else self.reason,
        }


def figure(value: float | None) -> str:
    """A number to four significant digits; nothing for None.

    >>> figure(692163072), figure(61.654272), figure(576), figure(None)
    ('6.922e+08', '61.65', '576', '')
    """
    return "" if value is None else f"{value:.4g}"


def markdown(title: str, rows: Iterable[Row], notes: Sequence[str]) -> str:
    """A heading, a line for each note, and the rows as a table with the reasons numbered below."""
    reasons: list[str] = []
    lines = []
    for row in rows:
        mark = ""
        reason = row.as_json()["reason"]
        if reason is not None:
            if reason not in reasons:
                reasons.append(reason)
            mark = str(reasons.index(reason) + 1)
        ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
        lines.append([row.model, row.column, figure(row.paper), figure(row.ours), ratio, mark])
    heads = ["model", "column", "paper", "ours", "ours / paper", "note"]
    align = ("left", "left", "right", "right", "right", "right")
    table = tabulate(lines, heads, tablefmt="github", colalign=align, disable_numparse=True)
    numbered = [f"{place}. {reason}" for place, reason in enumerate(reasons, start=1)]
    parts = [f"## {title}", *notes, table, "\n".join(numbered)]
    return "\n\n".join(part for part in parts if part) + "\n"
