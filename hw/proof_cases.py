# amaranth: UnusedElaboratable=no
"""What is proven: every datapath, in the form of every target, at several sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters

from .proof_miter import FIXED, Miter

__all__ = ["METHODS", "PIECES", "ProofCase", "matrix"]

METHODS = ("induction", "exhaustive", "random")
"""Ways to compare, the strongest first."""

_INDUCTION = 30_000
"""Folds of one PE up to which the solver compares sums of products in a minute or so."""

_EXHAUSTIVE = 30_000_000
"""Folds of all PEs up to which each is simulated, in a minute or so."""

_TAPS = 64

PIECES = ((1, 1), (2, 3), (4, 3), (4, 5), (4, 7), (6, 7), (8, 7))
"""(M, N) of the whole matrix."""

_QUICK = ((1, 1), (2, 3), (4, 5), (8, 7))
"""(M, N) of the short one."""

_REAL = {"ecp5": (16, 8)}
"""SIMD and PE of real size, where they are not 32 and 2."""


@dataclass(frozen=True, kw_only=True)
class ProofCase:
    """One dot product that is compared with the reference.

    Parameters
    ----------
    datapath, target : :class:`str`
        Its hardware.
    m, n, simd, pe : :class:`int`
        Its size.
    seed : :class:`int`
        Of the layer that is baked in, and of what is simulated.
    """

    datapath: str
    target: str
    m: int
    n: int
    simd: int
    pe: int
    seed: int = 1

    @property
    def name(self) -> str:
        """As messages call it."""
        return f"{self.datapath} ({self.m}, {self.n}) {self.simd}x{self.pe} {self.target}"

    @property
    def folder(self) -> str:
        """As folders are called."""
        return f"{self.datapath}-m{self.m}n{self.n}-{self.simd}x{self.pe}-{self.target}"

    @property
    def size(self) -> dict[str, Any]:
        """What tells its entry in the report from others."""
        names = ("datapath", "m", "n", "simd", "pe", "target")
        return {name: getattr(self, name) for name in names}

    @property
    def method(self) -> str:
        """The strongest of :data:`METHODS` that such a size allows."""
        one = ((self.m + 1) * (self.n + 1)) ** self.simd
        if one <= _INDUCTION:
            return "induction"
        weights = 0 if self.datapath == "inside" else self.simd * self.pe
        several = (self.n + 1) ** self.simd * (self.m + 1) ** weights
        return "exhaustive" if several <= _EXHAUSTIVE else "random"

    def miter(self) -> Miter:
        """Its hardware beside the reference, with seeded phi and exact accumulators."""
        options: dict[str, Any] = {"datapath": self.datapath, "target": self.target}
        # Folded four ways where it matters, to two channels a PE.
        fixed = self.datapath in FIXED
        if self.datapath == "popcount":
            # The reference itself: what can be compared is its other way to spell codes.
            options["base"] = "thermometer"
        config = EngineConfig(
            in_channels=2 * self.simd if fixed else _TAPS,
            out_channels=2 * self.pe if fixed else self.pe,
            height=1,
            width=1,
            kernel=(1, 1),
            pad=(0, 0, 0, 0),
            m=self.m,
            n=self.n,
            simd=self.simd,
            pe=self.pe,
            loadable=False,
            **options,
        )
        parameters = LayerParameters.seeded(config, self.seed)
        lowest, highest = parameters.acc_range()
        config = replace(config, acc_min=lowest, acc_max=highest)
        return Miter(config=config, parameters=parameters)


def matrix(
    *,
    datapaths: Sequence[str],
    targets: Sequence[str],
    size: tuple[int, ...] | None = None,
    quick: bool = False,
    seed: int = 1,
) -> list[ProofCase]:
    """What to compare, real sizes first: they take longest.

    Parameters
    ----------
    size : four :class:`int`, optional
        M, N, SIMD and PE of the only size.
    quick : :class:`bool`
        Two elements and one PE only.
    """

    def sizes(target: str) -> Iterator[tuple[int, ...]]:
        if size is not None:
            yield size
        elif quick:
            yield from ((m, n, 2, 1) for m, n in _QUICK)
        else:
            real = _REAL.get(target, (32, 2))
            yield from ((m, n, *real) for m, n in PIECES)
            yield from ((m, n, _largest(m, n, _EXHAUSTIVE), 1) for m, n in PIECES)
            yield from ((m, n, _largest(m, n, _INDUCTION), 1) for m, n in PIECES)
            yield from ((m, n, 2, 2) for m, n in PIECES)

    found = [
        (place, ProofCase(datapath=datapath, target=target, m=m, n=n, simd=simd, pe=pe, seed=seed))
        for datapath in datapaths
        for target in targets
        for place, (m, n, simd, pe) in enumerate(sizes(target))
    ]
    return [case for _, case in sorted(found, key=lambda pair: pair[0])]


def _largest(m: int, n: int, folds: int) -> int:
    """The most elements of which one PE has no more than so many folds."""
    simd = 1
    while ((m + 1) * (n + 1)) ** (simd + 1) <= folds:
        simd += 1
    return simd
