"""The engines and dot products that the cost model is fitted to.

They are small, so that each is synthesised in seconds. What ``make synth`` reports is never among
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pa_hdl.config import EngineConfig
from pa_hdl.cost import dot_part
from pa_hdl.gen import generate
from pa_hdl.parameters import LayerParameters

from .dot_designs import dot_design
from .flow import Design

__all__ = ["CASES", "FitCase", "exact"]

_NAME = "fitted"
_LAYER: dict[str, Any] = {"in_channels": 48, "out_channels": 24, "height": 10, "width": 10}


def exact(config: EngineConfig, seed: int = 1) -> tuple[EngineConfig, LayerParameters]:
    """A baked engine with seeded parameters and the exact bound of its accumulators."""
    parameters = LayerParameters.seeded(config, seed)
    lowest, highest = parameters.acc_range()
    return replace(config, acc_min=lowest, acc_max=highest), parameters


@dataclass(frozen=True, kw_only=True)
class FitCase:
    """One engine, or the dot product of one.

    Parameters
    ----------
    name : :class:`str`
        What samples call it.
    options : mapping
        Fields of :class:`~pa_hdl.config.EngineConfig`.
    engine : :class:`bool`
        Whether the whole engine is built, to measure all its parts.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    engine: bool = False

    def layer(self, target: str) -> tuple[EngineConfig, LayerParameters | None]:
        """Configuration and parameters on a target."""
        options = {**_LAYER, "loadable": False, **self.options}
        config = EngineConfig(**options, target=target)
        return (config, None) if config.loadable else exact(config)

    def whole(self, target: str) -> Design:
        """The engine as ``make synth`` has it, nothing but its dot product kept apart."""
        units = {"engine": _NAME, "dot": f"{_NAME}_dot"}
        return replace(self.design(target), units=units, name=f"fit-{self.name}-whole")

    def design(self, target: str) -> Design:
        """What is synthesised; its units are the parts to measure."""
        config, parameters = self.layer(target)
        if not self.engine:
            design = dot_design(config, parameters, name=_NAME)
            design = replace(design, name=f"fit-{self.name}")
            return replace(design, units={dot_part(config): _NAME})
        made = generate(config, parameters, name=_NAME)
        units = {
            "guard": f"{_NAME}_frame_guard",
            **{part: f"{_NAME}_{part}" for part in ("comparators", "window", "collector")},
            "weights": f"{_NAME}_weights",
        }
        return Design(
            name=f"fit-{self.name}",
            top=_NAME,
            verilog=made.verilog,
            memories=made.memories,
            units=units,
            keep=f"{_NAME}_(pe|and_popcount_[0-9]+)",
            block_rams=f"{_NAME}_weights",
        )


def _engine(name: str, **options: Any) -> FitCase:
    return FitCase(name=f"engine-{name}", options={"m": 1, **options}, engine=True)


_ENGINES = (
    _engine("plain", in_channels=16, out_channels=16, height=14, width=14, n=1, simd=4, pe=4),
    _engine(
        "one-fold", in_channels=16, out_channels=16, height=14, width=14, n=5, simd=16, pe=2,
        act_bits=10,
    ),
    _engine(
        "signed", in_channels=64, out_channels=64, height=16, width=16, n=3, simd=8, pe=8,
        act_bits=12, act_signed=True,
    ),
    _engine(
        "strided", in_channels=24, out_channels=12, height=28, width=30, n=7, simd=8, pe=4,
        stride=(2, 2), act_bits=14, act_signed=True,
    ),
    _engine(
        "pointwise", in_channels=64, out_channels=32, height=8, width=8, n=2, simd=32, pe=16,
        kernel=(1, 1), pad=(0, 0, 0, 0),
    ),
    _engine(
        "wide-kernel", in_channels=12, out_channels=10, height=56, width=56, n=4, simd=12, pe=8,
        kernel=(5, 5), pad=(2, 2, 2, 2),
    ),
    _engine(
        "deep", in_channels=128, out_channels=128, height=7, width=7, n=5, simd=16, pe=16,
        act_bits=16, act_signed=True,
    ),
    _engine(
        "two-folds", in_channels=32, out_channels=32, height=12, width=20, n=5, simd=16, pe=4,
    ),
    _engine(
        "four-folds", in_channels=48, out_channels=32, height=24, width=24, n=4, simd=12, pe=4,
        act_bits=9,
    ),
    _engine("image", in_channels=3, out_channels=8, height=32, width=32, n=1, simd=3, pe=1),
)  # fmt: skip


def _dots(datapath: str, shapes: str, **more: Any) -> tuple[FitCase, ...]:
    """Cases from texts such as ``4,5 8x2 p8``: (M, N), SIMD x PE, bits of phi."""
    made = []
    for text in shapes.split("|"):
        bases, parallel, phi = text.split()
        m, n = map(int, bases.split(","))
        simd, pe = map(int, parallel.split("x"))
        options = {"m": m, "n": n, "simd": simd, "pe": pe, "phi_bits": int(phi[1:])}
        name = "-".join([datapath, f"m{m}n{n}", f"{simd}x{pe}", phi, *more])
        made.append(FitCase(name=name, options={**options, **more, "datapath": datapath}))
    return tuple(made)


_DOTS = _dots(
    "popcount",
    "1,1 16x1 p8|2,3 8x2 p8|4,5 4x1 p8|4,5 16x1 p8|3,3 12x1 p8|8,7 4x1 p8|2,2 24x1 p8|"
    "4,3 9x2 p8|4,5 8x1 p6|3,4 6x1 p16|1,3 48x1 p12|4,5 28x1 p8|6,7 10x1 p8|1,1 40x2 p8|"
    "5,3 20x1 p10|2,3 32x1 p8|1,5 32x1 p8",
)

_TABLES = "4,5 8x2 p8|3,3 16x1 p8|4,3 12x1 p8|8,7 8x1 p8|2,3 24x2 p6|5,6 20x1 p8|4,9 6x1 p10"

_LOOKUPS = (
    *_dots("lookup", f"{_TABLES}|2,3 12x1 p4|4,3 20x2 p4|7,6 24x1 p6"),
    # Nine levels and nine codes are an index of eight bits, which no single LUT takes.
    *_dots("gated", f"{_TABLES}|9,9 6x1 p8|14,12 10x1 p8|4,3 20x1 p4|8,7 20x1 p8|7,7 12x2 p6"),
)


def _inside(shapes: str) -> tuple[FitCase, ...]:
    """Cases from texts such as ``4,5 8x2 p8 4``: the last is the number of folds of a pixel."""
    made = []
    for text in shapes.split("|"):
        shape, folds = text.rsplit(" ", 1)
        [case] = _dots("inside", shape)
        point: dict[str, Any] = {"kernel": (1, 1), "pad": (0, 0, 0, 0)}
        point |= {"in_channels": case.options["simd"] * int(folds)}
        point |= {"out_channels": case.options["pe"]}
        options = {**case.options, **point}
        made.append(FitCase(name=f"{case.name}-fold{folds}", options=options))
    return tuple(made)


_INSIDE = _inside(
    "4,5 8x2 p8 4|3,3 16x1 p8 2|8,7 12x2 p8 4|4,5 8x1 p8 8|2,3 20x2 p6 2|6,3 16x1 p8 8|"
    "200,5 8x1 p8 4|14,12 12x1 p8 4|15,9 8x2 p8 2"
)

_OTHERS = (
    *_dots(
        "shared",
        "4,5 8x2 p8|3,3 16x4 p8|4,3 6x8 p8|8,7 8x2 p8|2,3 24x2 p6|5,6 12x3 p8|"
        "4,4 28x2 p8|6,6 24x2 p8|8,6 28x1 p8",
    ),
    *_dots(
        "compressor",
        "4,5 8x1 p8|3,3 16x1 p8|2,3 32x1 p8|4,3 12x2 p8|1,2 64x1 p8|5,6 20x1 p8|"
        "4,4 36x1 p8|6,5 24x1 p8|7,7 28x1 p8",
    ),
)

_LOADABLE = _dots(
    "popcount",
    "2,3 8x2 p8|4,5 6x1 p8|3,3 16x1 p8|1,2 12x2 p8|2,2 24x1 p10|2,3 32x1 p8",
    loadable=True,
)

CASES = (*_ENGINES, *_DOTS, *_LOADABLE, *_LOOKUPS, *_INSIDE, *_OTHERS)
"""Everything that is fitted."""
