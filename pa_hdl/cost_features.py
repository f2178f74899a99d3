"""Features: how many there are of each thing that takes LUTs, flip-flops or levels of logic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pa_hdl.config import EngineConfig
from pa_hdl.cost_memory import Placed
from pa_hdl.parameters import LayerParameters

__all__ = ["Features", "Site", "sum_of"]


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a part is made of; what one of each thing takes on a target is fitted.

    Parameters
    ----------
    lut, ff, depth : mapping of :class:`str` to number
        How many there are of each thing that takes LUTs, flip-flops, or levels of logic.
    memory : :class:`~pa_hdl.cost_memory.Placed`
        What its memories take, known without a fit.
    """

    lut: Mapping[str, float]
    ff: Mapping[str, float]
    depth: Mapping[str, float] = field(default_factory=lambda: {"one": 1.0})
    memory: Placed = field(default_factory=Placed)


@dataclass(frozen=True, kw_only=True)
class Site:
    """An engine on a target, and what its schedule decides about its memories.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine; names datapath and target.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`
        What is baked in; ``None`` for a loadable engine.
    rows : :class:`int`
        Rows of the line buffer.
    round_trip : :class:`int`
        Cycles from a credit's being taken to its return.
    """

    config: EngineConfig
    parameters: LayerParameters | None
    rows: int = 0
    round_trip: int = 1


def sum_of(*parts: Mapping[str, float], times: int = 1) -> dict[str, float]:
    """Features of all parts together, that often."""
    total: dict[str, float] = {}
    for part in parts:
        for name, count in part.items():
            total[name] = total.get(name, 0) + count * times
    return total
