"""The engines that ``make synth`` reports: one layer shape at several M and N."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pa_hdl.config import EngineConfig
from pa_hdl.dot import DATAPATHS
from pa_hdl.gen import generate
from pa_hdl.parameters import LayerParameters

from .flow import Design

__all__ = ["LOADABLE", "SEED", "SHAPES", "Built", "Case", "cases"]

SHAPES = ((1, 1), (3, 3), (4, 5), (8, 7))
"""(M, N) of the engines whose weights are baked in."""

LOADABLE = ((4, 5),)
"""(M, N) of the engines that are loaded at run time."""

SEED = 1
"""Seed of the one layer whose phi and thresholds are the constants of the baked engines."""

_NAME = "pa_engine"


@dataclass(frozen=True, kw_only=True)
class Built:
    """A generated engine.

    Parameters
    ----------
    design : :class:`Design`
        Its Verilog, memory files and units.
    cycles : :class:`dict`
        Latency, and steady-state cycles a frame, of each unit.
    """

    design: Design
    cycles: dict[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One engine of the report.

    Parameters
    ----------
    m, n : :class:`int`
        Weight and activation bases.
    loadable : :class:`bool`
        Whether weights, phi and thresholds are loaded at run time, or baked in.
    """

    m: int
    n: int
    loadable: bool = False

    @property
    def name(self) -> str:
        """Name of its files: ``m4n5`` or ``m4n5-loadable``."""
        return f"m{self.m}n{self.n}" + ("-loadable" if self.loadable else "")

    @property
    def config(self) -> EngineConfig:
        """64 to 64 channels, 3x3, 16x16 with padding, SIMD 32 x PE 8, 8-bit phi."""
        config = EngineConfig(
            in_channels=64,
            out_channels=64,
            height=16,
            width=16,
            m=self.m,
            n=self.n,
            simd=32,
            pe=8,
            phi_bits=8,
            loadable=self.loadable,
        )
        if self.loadable:
            return config
        lowest, highest = LayerParameters.seeded(config, SEED).acc_range()
        return replace(config, acc_min=lowest, acc_max=highest)

    def build(self) -> Built:
        """Generate its Verilog."""
        config = self.config
        parameters = None if self.loadable else LayerParameters.seeded(config, SEED)
        made = generate(config, parameters, name=_NAME)
        design = Design(
            name=self.name,
            top=_NAME,
            verilog=made.verilog,
            memories=made.memories,
            units={"engine": _NAME, "dot": f"{_NAME}_dot"},
            keep=f"{_NAME}_(pe|and_popcount_[0-9]+)",
            block_rams=f"{_NAME}_weights",
        )
        facts = made.metadata
        cycles = {
            "engine": (facts["latency_cycles"], facts["cycles_per_frame"]),
            "dot": (DATAPATHS[config.datapath].latency(config), config.folds_per_frame),
        }
        return Built(design=design, cycles=cycles)


def cases() -> list[Case]:
    """Every engine of the report: the baked ones, then the loadable ones."""
    baked = [Case(m=m, n=n) for m, n in SHAPES]
    return baked + [Case(m=m, n=n, loadable=True) for m, n in LOADABLE]
