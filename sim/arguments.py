"""Command lines of the benches: one line on standard error and status 2 for what is wrong."""

import argparse
import os
from typing import Any, NoReturn

__all__ = ["BenchParser", "positive", "size"]


class BenchParser(argparse.ArgumentParser):
    """Parser with the flags that every bench command has.

    ``--seed`` is ``SEED`` unless given, ``--only`` picks jobs by a part of their name.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self.add_argument(
            "--seed",
            type=int,
            default=os.environ.get("SEED") or "1",
            help="seed of data and stalls (default: SEED, or 1)",
        )
        self.add_argument("--only", metavar="TEXT", default="", help="jobs whose name has TEXT")
        self.add_argument(
            "--workers", type=positive, default=None, help="jobs at a time (default: all cores)"
        )

    def error(self, message: str) -> NoReturn:
        """End with one line."""
        self.exit(2, f"{self.prog}: {message}\n")


def positive(text: str) -> int:
    """An integer of at least 1, for ``type=``."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text!r}")
    return value


def size(text: str) -> tuple[int, int]:
    """Height and width as ``HxW``, for ``type=``."""
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"must be HxW, such as 14x14, not {text!r}")
    return int(parts[0]), int(parts[1])
