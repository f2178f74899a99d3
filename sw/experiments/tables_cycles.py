# amaranth: UnusedElaboratable=no
"""Latency of one output element in the cycles of engines, for Table 8."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from experiments.tables_latency import CHANNELS, TAPS, M, N, latency_row
from experiments.tables_paper import TABLE_8
from experiments.tables_rows import Row
from hw.baselines.multiply import multiply_dot
from hw.baselines.xnor import XnorDot
from hw.designs import Case
from pa_hdl.comparators import Comparators
from pa_hdl.config import EngineConfig
from pa_hdl.dot import DATAPATHS
from pa_hdl.nodes.multiply_dot import MultiplyDot, ZeroPoint

__all__ = ["SIMDS", "rows"]

SIMDS = (1, 64)
"""Products that an engine makes in a cycle: one, and one of every channel."""


def _config(simd: int, datapath: str, *, m: int = M, n: int = N) -> EngineConfig:
    """The engines' layer with one output channel at a time."""
    return replace(Case(m=m, n=n).config, simd=simd, pe=1, datapath=datapath)


def _pa_cycles(datapath: str, simd: int) -> int:
    config = _config(simd, datapath)
    dot = DATAPATHS[datapath].latency(config)
    return Comparators.latency(config) + config.folds_per_output - 1 + dot


def _xnor_cycles(simd: int) -> int:
    config = _config(simd, "popcount", m=1, n=1)
    dot = XnorDot(simd=simd, pe=1, taps=TAPS).latency
    return Comparators.latency(config) + config.folds_per_output - 1 + dot


def _multiply_cycles(simd: int) -> int:
    config = multiply_dot(bits=8, simd=simd, pe=1, channels=CHANNELS).config
    dot = MultiplyDot.latency(config)
    return ZeroPoint.latency(config) + config.folds_per_output - 1 + dot


_ENGINES: dict[str, tuple[str, Callable[[int], int]]] = {
    "Bi-Real Net, XNOR engine": ("Bi-Real Net", _xnor_cycles),
    "PA-Net, popcount engine": ("PA-Net", lambda simd: _pa_cycles("popcount", simd)),
    "PA-Net, gated lookup engine": ("PA-Net", lambda simd: _pa_cycles("gated", simd)),
    "Full precision, 8-bit multiply engine": ("Full precision", _multiply_cycles),
}


def rows() -> Iterator[Row]:
    """Cycles of each engine beside the formula, and against an engine of multipliers."""
    for simd in SIMDS:
        folds = TAPS // simd
        full = _multiply_cycles(simd)
        for model, (formula, cycles) in _ENGINES.items():
            # One step of the sum a cycle, and one cycle for each operation behind it.
            tail = sum(b for _, b in TABLE_8[formula].values() if b > 0)
            ours = cycles(simd)
            reason = (
                f"the formula at one step of the sum a cycle is {folds} + {tail} cycles; "
                "comparators, memory, products, tree and accumulator of the engine are stages of "
                "a pipeline"
            )
            yield latency_row(model, f"Latency [cycles], SIMD {simd}", folds + tail, ours, reason)
            if formula != "Full precision":
                speed = (
                    "the paper takes a product for slower than an AND; in a pipeline each engine "
                    "does one step of the sum a cycle, and the gain is in area"
                )
                column = f"Speedup in cycles, SIMD {simd}"
                yield latency_row(model, column, None, full / ours, speed)
