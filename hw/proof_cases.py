# amaranth: UnusedElaboratable=no
"""What is proven: every datapath, in the form of every target, at several sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters

from .proof_miter import Miter

__all__ = ["METHODS", "ProofCase"]

METHODS = ("induction", "exhaustive", "random")
"""Ways to compare, the strongest first."""

_INDUCTION = 30_000
"""Folds of one PE up to which the solver compares sums of products in a minute or so."""

_EXHAUSTIVE = 30_000_000
"""Folds of all PEs up to which each is simulated, in a minute or so."""

_TAPS = 64


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
    def method(self) -> str:
        """The strongest of :data:`METHODS` that such a size allows."""
        one = ((self.m + 1) * (self.n + 1)) ** self.simd
        if one <= _INDUCTION:
            return "induction"
        several = (self.n + 1) ** self.simd * (self.m + 1) ** (self.simd * self.pe)
        return "exhaustive" if several <= _EXHAUSTIVE else "random"

    def miter(self) -> Miter:
        """Its hardware beside the reference, with seeded phi and exact accumulators."""
        options: dict[str, Any] = {"datapath": self.datapath}
        if self.datapath == "popcount":
            # The reference itself: what can be compared is its other way to spell codes.
            options["base"] = "thermometer"
        config = EngineConfig(
            in_channels=_TAPS,
            out_channels=self.pe,
            height=1,
            width=1,
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
