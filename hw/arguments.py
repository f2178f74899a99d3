"""Flags that the programs of the device flow share: numbers, processes, folders."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

__all__ = ["add_cache", "add_jobs", "add_reports", "integer", "number"]


def integer(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    """Parser of an integer from ``lowest`` to ``highest``.

    >>> integer(1)("8")
    8
    >>> integer(1, 255)("0")
    Traceback (most recent call last):
    argparse.ArgumentTypeError: must be an integer from 1 to 255, not '0'
    """
    allowed = f"of at least {lowest}" if highest is None else f"from {lowest} to {highest}"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if value < lowest or (highest is not None and value > highest):
            raise argparse.ArgumentTypeError(f"must be an integer {allowed}, not {text!r}")
        return value

    return parse


def number(lowest: float) -> Callable[[str], float]:
    """Parser of a finite number of at least ``lowest``."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not lowest <= value < math.inf:
            raise argparse.ArgumentTypeError(f"must be a number of at least {lowest}, not {text!r}")
        return value

    return parse


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """``--jobs``: how many processes work at a time."""
    parser.add_argument("--jobs", type=integer(1), default=2, help="processes (default: 2)")


def add_reports(parser: argparse.ArgumentParser, files: str) -> None:
    """``--reports``: where ``files`` are written."""
    default = Path("build/reports")
    parser.add_argument(
        "--reports", type=Path, default=default, help=f"folder of {files} (default: {default})"
    )


def add_cache(parser: argparse.ArgumentParser, default: str, what: str = "results") -> None:
    """``--cache``: where ``what`` is kept by content, so that nothing is worked out twice."""
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(default),
        help=f"folder of {what} by content, and of logs (default: {default})",
    )
