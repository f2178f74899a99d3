"""Dot products of codes: the part of an engine that datapaths exchange.

A datapath is a component with the signature of
:func:`~pa_hdl.datapaths.signature.dot_signature`, built from a configuration and, unless it is
loadable, the layer's parameters. ``latency`` is a function of the configuration, ``weight_words``
the contents of its weight memory (``None`` without one), ``check`` refuses a layer that it cannot
serve. :data:`DATAPATHS` names them all; :func:`create` builds the one that a configuration asks
for.
"""

from typing import Any

from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.compressor import CompressorDot
from pa_hdl.datapaths.inside import InsideDot
from pa_hdl.datapaths.popcount import PopcountDot
from pa_hdl.datapaths.shared import SharedDot
from pa_hdl.datapaths.table_dot import GatedDot, LookupDot
from pa_hdl.parameters import LayerParameters

__all__ = ["DATAPATHS", "create"]

DATAPATHS: dict[str, Any] = {
    "popcount": PopcountDot,
    "compressor": CompressorDot,
    "lookup": LookupDot,
    "gated": GatedDot,
    "shared": SharedDot,
    "inside": InsideDot,
}
"""Datapath of each name that :class:`~pa_hdl.config.EngineConfig` accepts."""


def create(config: EngineConfig, parameters: LayerParameters | None = None) -> Any:
    """The dot product that `config` names.

    Raises
    ------
    ValueError
        If parameters are missing from a baked engine, or given to a loadable one, or if the
        datapath cannot serve the layer.
    """
    if (parameters is None) != config.loadable:
        given = "none" if parameters is None else "some"
        raise ValueError(
            f"parameters must be given exactly when an engine is not loadable, not {given}"
        )
    return DATAPATHS[config.datapath](config=config, parameters=parameters)
