"""Accuracies of trained networks, to set against area."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["DEFAULT", "add_accuracies", "read_accuracies"]

DEFAULT = Path("sw/experiments/results.json")
"""Where results of training are looked for when no file is named."""

Key = tuple[int, int, int | None]


def read_accuracies(path: Path | None) -> dict[Key, float]:
    """Best top-1 accuracy of each ``(m, n, phi_bits)`` of the PA scheme.

    The file is a list of runs, or an object with one as ``runs``. Runs of other schemes, those
    without an accuracy, and those whose activations stay real are skipped. ``phi_bits`` may be
    null: coefficients that were not rounded.

    Parameters
    ----------
    path : :class:`~pathlib.Path` or ``None``
        The file; ``None`` for :data:`DEFAULT`, if it is there.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        In one line, if it holds something else.
    """
    if path is None:
        if not DEFAULT.exists():
            return {}
        path = DEFAULT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be JSON: {error}") from None
    runs = content.get("runs") if isinstance(content, dict) else content
    if not isinstance(runs, list):
        raise ValueError(f"{path} must hold a list of runs")
    best: dict[Key, float] = {}
    for run in runs:
        if not isinstance(run, dict):
            raise ValueError(f"a run in {path} must be an object, not {run!r}")
        real = "n" in run and run["n"] is None
        if run.get("scheme") != "pa" or run.get("top1") is None or real:
            continue
        key, top1 = _checked(run, path)
        best[key] = max(best.get(key, top1), top1)
    return best


def _checked(run: dict[str, Any], path: Path) -> tuple[Key, float]:
    m, n, phi_bits, top1 = (run.get(name) for name in ("m", "n", "phi_bits", "top1"))
    numbers = [m, n] if phi_bits is None else [m, n, phi_bits]
    if any(isinstance(value, bool) or not isinstance(value, int) for value in numbers):
        raise ValueError(f"m, n and phi_bits of a run in {path} must be integers, not {run!r}")
    if isinstance(top1, bool) or not isinstance(top1, int | float) or not 0 <= top1 <= 100:
        raise ValueError(f"top1 of a run in {path} must be 0 to 100, not {top1!r}")
    return (m, n, phi_bits), float(top1)  # type: ignore[return-value]


def add_accuracies(rows: Iterable[dict[str, Any]], best: dict[Key, float]) -> None:
    """Put ``top1`` into each row: that of its scheme, rounded alike or else not rounded."""
    for row in rows:
        m, n = row["m"], row["n"]
        row["top1"] = best.get((m, n, row["phi_bits"]), best.get((m, n, None)))
