"""Flags of the command line that :func:`pa_nn.convert` takes as keywords."""

import argparse
from typing import Any

from pa_nn.activations import STARTS
from pa_nn.endpoint_rules import RULES
from pa_nn.layers import LEVELS

__all__ = ["add_pa_options", "given_flag", "pa_options"]

# Keyword of convert, and so the name of the argument.
KEYWORDS = ("lambda_w", "lambda_a", "lambda_delta", "eq14_sign", "levels", "endpoints", "start")


def _endpoints(text: str) -> str | tuple[float, ...]:
    """A rule by name, or ``C1,...,CM``."""
    if text in RULES:
        return text
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be {', '.join(RULES)} or numbers C1,...,CM, not {text!r}"
        ) from None


def add_pa_options(parser: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add the flags; each is None unless given, and :func:`pa_nn.convert` then decides."""
    add = parser.add_argument
    for name in ("w", "a", "delta"):
        add(f"--lambda-{name}", type=float, help="omit to follow the widths of the pieces")
    add("--eq14-sign", type=int, choices=(-1, 1), help="of Eq. 14: -1, or 1 as printed")
    add("--levels", choices=LEVELS, help="of weights: means of the pieces, or trained")
    add(
        "--endpoints",
        type=_endpoints,
        help=f"of weights, in standard deviations: {', '.join(RULES)}, or C1,...,CM",
    )
    add("--start", choices=tuple(STARTS), help="what beta and v start as")


def pa_options(args: argparse.Namespace) -> dict[str, Any]:
    """Keywords of :func:`pa_nn.convert` for the flags that were given."""
    values = {name: getattr(args, name) for name in KEYWORDS}
    return {name: value for name, value in values.items() if value is not None}


def given_flag(args: argparse.Namespace) -> str | None:
    """The first of these flags that was given."""
    return next((f"--{name.replace('_', '-')}" for name in pa_options(args)), None)
