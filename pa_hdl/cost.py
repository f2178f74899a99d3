"""What engines take of each device family, predicted in milliseconds: no synthesis is run.

An engine is a few parts: its dot product, in one of several forms, and what stands around it. A
part is counted by its structure (bits of tables by the number of their inputs, bits of adders,
registers, memories); what each of these takes on a target was fitted to synthesised engines by
``python -m hw.fit`` and stands in ``cost_coefficients.json``. A datapath that is new needs one
entry in :data:`DOTS`, and a fit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from math import ceil
from typing import Any

from pa_hdl.config import EngineConfig
from pa_hdl.cost_engine import PARTS
from pa_hdl.cost_features import Features, Site
from pa_hdl.cost_lookups import inside_features, table_features
from pa_hdl.cost_popcount import compressor_features, popcount_features
from pa_hdl.cost_shared import shared_features
from pa_hdl.dot import DATAPATHS
from pa_hdl.parameters import LayerParameters
from pa_hdl.schedule import Schedule

__all__ = [
    "AUTO",
    "COEFFICIENTS",
    "DOTS",
    "Cost",
    "cheapest",
    "dot_cost",
    "dot_features",
    "dot_part",
    "estimate",
    "features",
    "parts",
    "predict",
    "site_of",
]

AUTO = "auto"
"""Stands where a datapath is named for the cheapest that can serve the layer."""

COEFFICIENTS = "cost_coefficients.json"
"""File of this package that holds what was fitted."""

FIGURES = ("lut", "ff", "depth")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a part, or an engine, takes of its target.

    Parameters
    ----------
    lut, ff : :class:`int`
        Look-up tables (those of LUT RAM included), and flip-flops.
    bram : :class:`float`
        Blocks of memory: of 36 Kbit on ``xc7``, in halves; as the device has them elsewhere.
    depth : :class:`int`
        Most LUTs between two registers.
    """

    lut: int = 0
    ff: int = 0
    bram: float = 0.0
    depth: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            lut=self.lut + other.lut,
            ff=self.ff + other.ff,
            bram=self.bram + other.bram,
            depth=max(self.depth, other.depth),
        )


DOTS: dict[str, Callable[[Site], Features]] = {
    "popcount": popcount_features,
    "compressor": compressor_features,
    "lookup": table_features,
    "gated": table_features,
    "shared": shared_features,
    "inside": inside_features,
}
"""Features of the dot product of each datapath."""


def site_of(
    config: EngineConfig, parameters: LayerParameters | None, *, rows: int | None = None
) -> Site:
    """The engine with what its schedule decides; ``rows`` of the line buffer may be known."""
    schedule = Schedule(config, rows)
    return Site(
        config=config,
        parameters=parameters,
        rows=schedule.rows,
        round_trip=schedule.credit_round_trip,
    )


def dot_features(site: Site) -> Features:
    """Features of the dot product.

    Raises
    ------
    ValueError
        If there is no model of such a datapath.
    """
    datapath = site.config.datapath
    if datapath not in DOTS:
        raise ValueError(
            f"datapath must be one with a cost model ({', '.join(DOTS)}), not {datapath!r}"
        )
    return DOTS[datapath](site)


def dot_part(config: EngineConfig) -> str:
    """Name of the part that the dot product is, by its form."""
    return f"dot-{config.datapath}" + ("-loadable" if config.loadable else "")


def features(site: Site) -> dict[str, Features]:
    """Features of every part of an engine.

    Raises
    ------
    ValueError
        If there is no model of its datapath, or it is loaded at run time.
    """
    if site.parameters is None:
        raise ValueError("there is no cost model of an engine that is loaded at run time")
    return {
        dot_part(site.config): dot_features(site),
        **{name: rule(site) for name, rule in PARTS.items()},
    }


def parts(
    config: EngineConfig, parameters: LayerParameters | None = None, *, rows: int | None = None
) -> dict[str, Cost]:
    """Predicted cost of each part of an engine.

    Raises
    ------
    ValueError
        If there is no model of its datapath.
    """
    found = features(site_of(config, parameters, rows=rows))
    return {name: predict(config.target, name, each) for name, each in found.items()}


def estimate(
    config: EngineConfig, parameters: LayerParameters | None = None, *, rows: int | None = None
) -> Cost:
    """Predicted cost of a whole engine.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine; names its datapath and target.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`, optional
        What is baked in; ``None`` for a loadable engine.
    rows : :class:`int`, optional
        Rows of the line buffer, where they are known; otherwise found from the schedule.

    Raises
    ------
    ValueError
        If there is no model of its datapath.
    """
    return sum(parts(config, parameters, rows=rows).values(), Cost())


def dot_cost(config: EngineConfig, parameters: LayerParameters | None = None) -> Cost:
    """Predicted cost of the dot product alone.

    Raises
    ------
    ValueError
        If there is no model of its datapath.
    """
    found = dot_features(Site(config=config, parameters=parameters))
    return predict(config.target, dot_part(config), found)


def cheapest(
    config: EngineConfig,
    parameters: LayerParameters | None = None,
    *,
    datapaths: Iterable[str] = tuple(DOTS),
) -> str:
    """The datapath of least predicted LUTs for this layer on this target.

    A datapath that cannot serve the layer (its table, its folds) is passed over.

    Raises
    ------
    ValueError
        If none can.
    """
    luts: dict[str, int] = {}
    refused = []
    for name in datapaths:
        try:
            candidate = replace(config, datapath=name)
            if parameters is not None:
                parameters.check(candidate)
            DATAPATHS[name].check(candidate, parameters)
            luts[name] = dot_cost(candidate, parameters).lut
        except ValueError as error:
            refused.append(str(error))
    if not luts:
        raise ValueError(f"no datapath can serve this layer: {refused[0] if refused else 'none'}")
    return min(luts, key=lambda name: luts[name])


def predict(target: str, part: str, found: Features) -> Cost:
    """What these features take on a target, by the fit."""
    fitted = coefficients()[target].get(part, {})

    def total(figure: str) -> float:
        known = fitted.get(figure, {})
        return sum(known.get(name, 1.0) * count for name, count in getattr(found, figure).items())

    return Cost(
        lut=round(total("lut")) + found.memory.luts,
        ff=round(total("ff")),
        bram=found.memory.blocks,
        depth=ceil(total("depth") - 0.5),
    )


@cache
def coefficients() -> Mapping[str, Any]:
    """Fitted coefficients by target, part, figure and feature."""
    text = resources.files("pa_hdl").joinpath(COEFFICIENTS).read_text(encoding="utf-8")
    return json.loads(text)
