"""Dot products by themselves, as synthesis takes them."""

from __future__ import annotations

import re

from amaranth.lib import wiring

from pa_hdl.config import EngineConfig
from pa_hdl.dot import create
from pa_hdl.emit import ModuleLibrary
from pa_hdl.parameters import LayerParameters

from .flow import Design

__all__ = ["component_design", "dot_design"]

_REPEATED = r"pe|and_popcount_[0-9]+"
"""Modules, behind the prefix, that stand in a dot product many times."""


def dot_design(
    config: EngineConfig, parameters: LayerParameters | None = None, *, name: str = "dot"
) -> Design:
    """The dot product of an engine, and nothing around it, as the unit ``dot``.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine; it decides the datapath and the target.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`, optional
        The layer that is baked in; ``None`` for a loadable engine.
    name : :class:`str`
        Name of the top module, prefix of all others, and of the files.
    """
    return component_design(create(config, parameters), name=name)


def component_design(component: wiring.Component, *, name: str, unit: str = "dot") -> Design:
    """A component with nothing around it, as one unit.

    Processing elements that are all equal are kept apart, and so mapped once. Where they differ,
    as with weights inside, they dissolve into the dot product.
    """
    library = ModuleLibrary(prefix=name)
    library.add_top(component)
    numbered = re.compile(rf"{re.escape(name)}_pe_[0-9]+")
    differ = any(numbered.fullmatch(module) for module in library.components)
    return Design(
        name=name,
        top=name,
        verilog=library.verilog(),
        memories=library.memories,
        units={unit: re.escape(name)},
        keep="" if differ else f"{re.escape(name)}_({_REPEATED})",
    )
