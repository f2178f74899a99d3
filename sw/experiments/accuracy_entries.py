"""Accuracy of each scheme under one protocol, and what it takes in LUTs."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.luts import DEFAULT_PHI_BITS, DEVICES, FOLDS, Row, price
from experiments.results import Record
from pa_nn.schemes import Scheme

__all__ = ["COLOURS", "POST_TRAINING", "PRINTED", "Entry", "entries", "losses", "pareto"]

PRINTED = ("pa:4,5", "pa:8,7", "abc:5,5")
"""Schemes of the paper's Table 3 that are shown as printed, too."""

POST_TRAINING = "post-training"
_LEAST_SQUARES = ("trained", "layer")

COLOURS = {
    "pa": "#c02020",
    "abc": "#1f5fb0",
    "lsq": "#20803a",
    "dorefa": "#7a9a20",
    "ternary": "#8a4fb0",
    "xnor": "#b07020",
    "bireal": "#b07020",
    "bwn": "#b07020",
    "full": "#404040",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One scheme under one protocol: accuracy, and what it takes.

    Members
    -------
    scheme : Scheme
    phi_bits : bits of PA's table where they are fewer than 8, else None
    top1 : of each seed, in percent
    full : top-1 of the full-precision network that the runs started from
    prices : by target and folds: LUTs, and the row of the report; nothing where no row serves
    literal : the same for PA and ABC-Net as printed
    """

    scheme: Scheme
    phi_bits: int | None
    top1: tuple[float, ...]
    full: float
    prices: dict[tuple[str, int | None], tuple[float, str]]
    literal: dict[tuple[str, int | None], tuple[float, str]]

    @property
    def mean(self) -> float:
        """Mean top-1."""
        return statistics.fmean(self.top1)

    @property
    def gap(self) -> float:
        """Points that full precision is ahead."""
        return self.full - self.mean

    @property
    def weight_levels(self) -> int | None:
        """Distinct levels of a weight; None in full precision."""
        scheme = self.scheme
        if scheme.name == "full":
            return None
        if scheme.m is not None:
            return scheme.m + 1
        return 3 if scheme.weight_bits is None else 2**scheme.weight_bits

    @property
    def weight_bits(self) -> int | None:
        """Bits of a code of as many levels: what a memory holds."""
        return None if self.weight_levels is None else (self.weight_levels - 1).bit_length()

    @property
    def name(self) -> str:
        """Short, for a picture."""
        scheme = self.scheme
        if scheme.name in ("pa", "abc"):
            text = f"{scheme.name.upper()} {scheme.m},{'full' if scheme.n is None else scheme.n}"
        else:
            act = "full" if scheme.activation_bits is None else scheme.activation_bits
            text = {
                "full": "full precision",
                "xnor": "XNOR",
                "bireal": "Bi-Real",
                "bwn": "BWN",
                "lsq": f"LSQ {scheme.weight_bits},{act}",
                "dorefa": f"DoReFa {scheme.weight_bits},{act}",
                "ternary": f"ternary {act}",
            }[scheme.name]
        return text if self.phi_bits is None else f"{text} φ{self.phi_bits}"

    @property
    def colour(self) -> str:
        """Of its family."""
        return COLOURS[self.scheme.name]


def _scheme(run: Record) -> Scheme:
    fields = ("m", "n", "weight_bits", "activation_bits")
    return Scheme(name=run["scheme"], **{field: run[field] for field in fields})


def _chosen(run: Record, protocol: str) -> bool:
    """Whether a run is of a protocol as it stands, without settings that were varied."""
    if run["protocol"] != protocol or run["phi_bits"] is not None:
        return False
    if protocol != POST_TRAINING:
        return not run["options"]
    options = run["options"] or {}
    return bool(options.get("batch_norm")) and options.get("levels") in _LEAST_SQUARES


def _prices(
    scheme: Scheme, rows: Sequence[Row], phi_bits: int | None, *, literal: bool
) -> dict[tuple[str, int | None], tuple[float, str]]:
    found = {}
    for key in ((target, fold) for target in DEVICES for fold in FOLDS):
        target, fold = key
        cost = price(scheme, rows, target=target, fold=fold, phi_bits=phi_bits, literal=literal)
        if cost is not None:
            found[key] = cost.luts, cost.row
    return found


def losses(runs: Iterable[Record]) -> dict[tuple[str, int, int], dict[int, float]]:
    """Points that PA (M, N) on a data set loses where phi is rounded, without training for it.

    By bits of phi, below the 8 of the rows that serve every network.  Each trained network is
    compared with itself, at the widest phi that it was measured with; the mean where there are
    several.
    """
    networks: dict[tuple[Any, ...], dict[int, float]] = {}
    for run in runs:
        if run["scheme"] == "pa" and run["phi_bits"] is not None:
            network = json.dumps({"model": run["model"], "options": run["options"]})
            key = (run["dataset"], run["m"], run["n"], network)
            networks.setdefault(key, {})[run["phi_bits"]] = run["top1"]
    lost: dict[tuple[str, int, int], dict[int, list[float]]] = {}
    for (dataset, m, n, _), top1 in networks.items():
        for bits in top1:
            if bits < min(DEFAULT_PHI_BITS, max(top1)):
                each = lost.setdefault((dataset, m, n), {}).setdefault(bits, [])
                each.append(top1[max(top1)] - top1[bits])
    return {
        size: {bits: statistics.fmean(points) for bits, points in by_bits.items()}
        for size, by_bits in lost.items()
    }


def entries(runs: Iterable[Record], rows: Sequence[Row], *, protocol: str) -> list[Entry]:
    """Schemes of a protocol with their prices, the most accurate first.

    Runs with options of their own (settings that were varied) are left out; after training, those
    with levels of least squared error a layer and batch normalisation re-estimated count.  Where
    the width of phi was measured, PA with narrower tables stands beside, if they cost less, its
    accuracy less what was lost.
    """
    runs = list(runs)
    seeds: dict[str, list[Record]] = {}
    for run in runs:
        if _chosen(run, protocol):
            seeds.setdefault(str(_scheme(run)), []).append(run)
    narrow = losses(runs)
    found = []
    for spelled, same in seeds.items():
        scheme = Scheme.parse(spelled)
        top1 = tuple(run["top1"] for run in same)
        full = statistics.fmean(run["full_precision_top1"] for run in same)
        lost: dict[int, float] = {}
        if scheme.name == "pa" and scheme.m is not None and scheme.n is not None:
            lost = narrow.get((same[0]["dataset"], scheme.m, scheme.n), {})
        variants: list[tuple[int | None, float]] = [(None, 0.0), *sorted(lost.items())[::-1]]
        wider = None
        for phi_bits, points in variants:
            prices = _prices(scheme, rows, phi_bits, literal=False)
            if prices == wider:
                continue
            wider = prices
            printed = spelled in PRINTED and phi_bits is None
            found.append(
                Entry(
                    scheme=scheme,
                    phi_bits=phi_bits,
                    top1=tuple(each - points for each in top1),
                    full=full,
                    prices=prices,
                    literal=_prices(scheme, rows, phi_bits, literal=True) if printed else {},
                )
            )
    return sorted(found, key=lambda entry: (entry.gap, entry.name))


def pareto(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those ``(cost, gap)`` that no other point is at most as costly as, and closer, by cost.

    >>> pareto([(3, 1.0), (2, 2.0), (4, 1.5)])
    [(2, 2.0), (3, 1.0)]
    """
    front: list[tuple[float, float]] = []
    for cost, gap in sorted(points):
        if not front or gap < front[-1][1]:
            front.append((cost, gap))
    return front
