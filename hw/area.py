# amaranth: UnusedElaboratable=no
"""How far predicted areas are from synthesis: ``python -m hw.area``.

Small engines and nodes go through the flow of :mod:`hw.synth`; of each the LUTs that
:mod:`pa_hdl.area` predicts stand beside those that Yosys needs. Its constants come from the cases
marked ``fit``, and from parts of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from pa_hdl.area import estimate
from pa_hdl.arguments import OneLineParser
from pa_hdl.config import EngineConfig
from pa_hdl.emit import ModuleLibrary
from pa_hdl.engine import Engine
from pa_hdl.nodes.add import Add
from pa_hdl.nodes.concat import Concat
from pa_hdl.nodes.fifo import Fifo
from pa_hdl.nodes.fork import Fork
from pa_hdl.nodes.global_pool import GlobalPool
from pa_hdl.nodes.multiply import MultiplyEngine
from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.nodes.pool import Pool
from pa_hdl.nodes.rescale import Rescale
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.width import WidthConverter
from pa_hdl.parameters import LayerParameters

from .arguments import add_cache
from .flow import Design, synthesise

__all__ = ["CASES", "Case", "block_rams", "main"]

TARGET = "xc7"
_NAME = "part"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A component to compare.

    Parameters
    ----------
    name : :class:`str`
        What the table calls it.
    make : callable
        Makes the component.
    fit : :class:`bool`
        Whether the factors of the model were fitted to it.
    """

    name: str
    make: Callable[[], Any]
    fit: bool = False

    def design(self) -> Design:
        """Its Verilog, as an accelerator has it."""
        library = ModuleLibrary(prefix=_NAME)
        library.add_top(self.make())
        return Design(
            name=f"area-{self.name}",
            top=_NAME,
            verilog=library.verilog(),
            memories=library.memories,
            units={"part": _NAME},
            keep=f"{_NAME}_(pe|and_popcount_[0-9]+|multiply_pe_[0-9]+)",
            block_rams=f"{_NAME}_weights",
        )


def _engine(m: int, n: int, simd: int, pe: int, *, size: int = 14, act_bits: int = 8) -> Engine:
    config = EngineConfig(
        in_channels=16,
        out_channels=16,
        height=size,
        width=size,
        m=m,
        n=n,
        simd=simd,
        pe=pe,
        act_bits=act_bits,
        act_signed=True,
        loadable=False,
    )
    parameters = LayerParameters.seeded(config, 1)
    low, high = parameters.acc_range()
    return Engine(replace(config, acc_min=low, acc_max=high), parameters)


def _multiply(simd: int, pe: int, *, groups: int = 1) -> MultiplyEngine:
    config = MultiplyConfig(
        in_channels=16,
        out_channels=16,
        height=14,
        width=14,
        simd=simd,
        pe=pe,
        groups=groups,
        act_bits=8,
    )
    weight = np.random.default_rng(1).integers(-127, 128, config.weight_shape)
    low, high = config.exact_acc_range(weight)
    return MultiplyEngine(config=replace(config, acc_min=low, acc_max=high), weight=weight)


def _shape(lanes: int, bits: int) -> StreamShape:
    return StreamShape(channels=16, height=14, width=14, lanes=lanes, bits=bits, signed=True)


def _pool(operation: str, lanes: int, bits: int, *, pad: int = 0) -> Pool:
    return Pool(
        shape=_shape(lanes, bits),
        operation=operation,
        kernel=(2 + pad, 2 + pad),
        stride=(2, 2),
        pad=(pad, pad, pad, pad),
    )


def _concat(operands: int, lanes: int) -> Concat:
    return Concat(shapes=[_shape(lanes, 10)] * operands, bits=10, signed=True)


def _rescale(lanes: int, bits: int, *, channels: int = 16) -> Rescale:
    rng = np.random.default_rng(1)
    shape = replace(_shape(lanes, bits), channels=channels)
    limit = 1 << 11
    return Rescale(
        shape=shape,
        mult=rng.integers(-(1 << 15), 1 << 15, shape.channels),
        bias=rng.integers(-(1 << 24), 1 << 24, shape.channels),
        shift=16,
        result_range=(-limit, limit - 1),
    )


_SUM: dict[str, Any] = {"bits": 10, "signed": False}

CASES = (
    Case(name="engine-4-5-4x4", make=lambda: _engine(4, 5, 4, 4)),
    Case(name="engine-4-5-16x1", make=lambda: _engine(4, 5, 16, 1)),
    Case(name="engine-4-5-1x8", make=lambda: _engine(4, 5, 1, 8)),
    Case(name="engine-2-3-8x2", make=lambda: _engine(2, 3, 8, 2)),
    Case(name="engine-1-1-16x4", make=lambda: _engine(1, 1, 16, 4)),
    Case(name="engine-4-5-2x2-wide", make=lambda: _engine(4, 5, 2, 2, act_bits=14)),
    Case(name="engine-4-5-8x4", make=lambda: _engine(4, 5, 8, 4)),
    Case(name="engine-3-3-4x2", make=lambda: _engine(3, 3, 4, 2, act_bits=12)),
    Case(name="engine-4-5-4x4-large", make=lambda: _engine(4, 5, 4, 4, size=112)),
    Case(name="multiply-4x4", make=lambda: _multiply(4, 4), fit=True),
    Case(name="multiply-1x8", make=lambda: _multiply(1, 8), fit=True),
    Case(name="multiply-8x2", make=lambda: _multiply(8, 2)),
    Case(name="depthwise-4", make=lambda: _multiply(4, 4, groups=16)),
    Case(name="max-pool-8", make=lambda: _pool("max", 8, 10), fit=True),
    Case(name="sum-pool-2", make=lambda: _pool("sum", 2, 10), fit=True),
    Case(name="max-pool-4-padded", make=lambda: _pool("max", 4, 10, pad=1)),
    Case(name="rescale-4", make=lambda: _rescale(4, 16), fit=True),
    Case(name="rescale-2-deep", make=lambda: _rescale(2, 16, channels=64), fit=True),
    Case(name="rescale-16", make=lambda: _rescale(16, 13), fit=True),
    Case(name="rescale-8-narrow", make=lambda: _rescale(8, 10, channels=32)),
    Case(name="add-2x8", make=lambda: Add(shapes=[_shape(8, 12)] * 2, **_SUM), fit=True),
    Case(name="add-1x8", make=lambda: Add(shapes=[_shape(8, 12)], **_SUM)),
    Case(name="add-3x4", make=lambda: Add(shapes=[_shape(4, 14)] * 3, **_SUM)),
    Case(name="fifo-4x32", make=lambda: Fifo(shape=_shape(4, 8), depth=4), fit=True),
    Case(name="fifo-200x80", make=lambda: Fifo(shape=_shape(8, 10), depth=200)),
    Case(name="fork-3", make=lambda: Fork(shape=_shape(8, 10), outputs=3), fit=True),
    Case(name="gather-2-8", make=lambda: WidthConverter(shape_in=_shape(2, 10), lanes=8)),
    Case(name="split-8-2", make=lambda: WidthConverter(shape_in=_shape(8, 10), lanes=2), fit=True),
    Case(name="split-16-1", make=lambda: WidthConverter(shape_in=_shape(16, 12), lanes=1)),
    Case(name="concat-2x8", make=lambda: _concat(2, 8), fit=True),
    Case(name="concat-3x4", make=lambda: _concat(3, 4)),
    Case(name="global-pool-4", make=lambda: GlobalPool(shape=_shape(4, 10)), fit=True),
    Case(name="global-pool-1", make=lambda: GlobalPool(shape=_shape(1, 12))),
)
"""Everything that the table compares."""


def block_rams(cells: Mapping[str, int]) -> float:
    """Blocks of 36 Kbit among mapped cells."""
    return sum(
        count * (0.5 if kind.startswith("RAMB18") else 1.0)
        for kind, count in cells.items()
        if kind.startswith("RAMB")
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = OneLineParser(prog="python -m hw.area", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_cache(parser, "build/synth")
    parser.add_argument("--only", default="", help="cases whose name has this text")
    args = parser.parse_args(argv)
    chosen = [case for case in CASES if args.only in case.name]
    if not chosen:
        parser.error(f"--only must be part of a case's name, not {args.only!r}")
    rows = []
    for case in tqdm(chosen, unit="netlist", disable=None):
        found = synthesise(case.design(), TARGET, args.cache)["part"]
        area = estimate(case.make())
        luts, blocks = found.uses.lut, block_rams(found.cells)
        fitted = "fit" if case.fit else ""
        error = f"{area.luts / luts - 1:+.0%}"
        rows.append([case.name, fitted, luts, area.luts, error, blocks, area.block_rams])
    print(tabulate(rows, headers=["case", "", "LUT", "predicted", "error", "BRAM", "predicted"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
