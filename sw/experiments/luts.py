"""LUTs of a multiply-accumulate under each scheme, from the rows of the datapath report.

Every scheme of few levels is one table ``phi[w][a]`` over two small alphabets, and costs what the
cheapest datapath without multiplier blocks takes for it.  A table that is larger than needed
serves, too: entries stay unused.  What stands for what:

- PA (M, N): any PA row of at least as many bases and bits of phi (8 unless said otherwise).
- LSQ and DoReFa: products of integers of at least as many bits.  DoReFa's weights are
  ``2 q - (2**k - 1)`` half steps: ``q`` is the integer of the table, and the sum of activations
  that remains is shared by all output channels (not counted, which favours it).
- ternary weights: the table of 0, +1, -1.
- ABC-Net (M, N): its ``M + 1`` by ``N + 1`` levels as a table, or as printed, a lane of XNOR and
  popcount for each pair of bases.  (1, 1) is an XNOR-Net.
- XNOR-Net, Bi-Real Net: signs, counted.

Batch normalisation, comparators and whatever else stands outside of the dot product are not
counted, for no scheme.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pa_nn.schemes import Scheme

__all__ = ["DEFAULT_PHI_BITS", "DEVICES", "FOLDS", "Price", "price", "table_kind"]

Row = Mapping[str, Any]

DEVICES = {"xc7": "7-series, LUT6", "ecp5": "ECP5, LUT4"}
FOLDS = {None: "weights from memory", 4: "weights inside the LUTs, 4 folds"}
DEFAULT_PHI_BITS = 8


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a multiply-accumulate costs.

    Members
    -------
    luts : LUTs, everything of the dot product counted
    row : name of the row of the report
    """

    luts: float
    row: str


def table_kind(scheme: Scheme) -> str | None:
    """What the rows of a rival's table are called; None for PA, and where one side is real.

    >>> table_kind(Scheme.parse("lsq:8,3")), table_kind(Scheme.parse("abc:5,5"))
    ('w8a3', 'abc5x5')
    """
    if scheme.name == "pa" or scheme.levels() is None:
        return None
    if scheme.name in ("xnor", "bireal"):
        return "xnor"
    if scheme.name == "abc":
        return "xnor" if scheme.m == scheme.n == 1 else f"abc{scheme.m}x{scheme.n}"
    if scheme.name == "ternary":
        return f"ternary{scheme.activation_bits}"
    weight, act = scheme.weight_bits, scheme.activation_bits
    return f"int{weight}" if weight == act else f"w{weight}a{act}"


def _integers(name: str) -> tuple[int, int] | None:
    """Bits of weight and activation of rows of a name."""
    found = re.fullmatch(r"int(\d+)|w(\d+)a(\d+)", name)
    if found is None:
        return None
    both, weight, act = found.groups()
    return int(both or weight), int(both or act)


def _serves(scheme: Scheme, row: Row, phi_bits: int, *, literal: bool) -> bool:
    if scheme.name == "pa":
        return (
            scheme.m is not None
            and scheme.n is not None
            and row["m"] is not None
            and row["m"] >= scheme.m
            and row["n"] >= scheme.n
            and row["phi_bits"] >= phi_bits
            and (row["datapath"] in ("popcount", "compressor") or not literal)
        )
    kind, (name, _, path) = table_kind(scheme), row["datapath"].partition("-")
    if kind is None or (path == "xnor") != literal:
        return False
    wanted, there = _integers(kind), _integers(name)
    if wanted is None or there is None:
        return bool(name == kind)
    return there[0] >= wanted[0] and there[1] >= wanted[1]


def price(
    scheme: Scheme,
    rows: Sequence[Row],
    *,
    target: str,
    fold: int | None = None,
    phi_bits: int | None = None,
    literal: bool = False,
) -> Price | None:
    """The cheapest dot product that serves a scheme; None where no row does.

    Parameters
    ----------
    scheme : Scheme
    rows : ``rows`` of the datapath report
    target : str
        One of :data:`DEVICES`.
    fold : int or None
        Folds of a layer whose weights stand inside its tables; None for weights from memory.
    phi_bits : int or None
        Bits of PA's table, 8 by default.
    literal : bool
        PA or ABC-Net as printed, a lane for each pair of bases, in place of a table.
    """
    here = [
        row
        for row in rows
        if (row["target"], row["unit"], row["fold"], row["dsp"]) == (target, "dot", fold, 0)
    ]
    wanted = DEFAULT_PHI_BITS if phi_bits is None else phi_bits
    serving = [row for row in here if _serves(scheme, row, wanted, literal=literal)]
    if not serving:
        return None
    best = min(serving, key=lambda row: (row["lut_per_mac"], row["name"]))
    return Price(luts=best["lut_per_mac"], row=best["name"])
