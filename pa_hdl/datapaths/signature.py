"""What every dot product shows to the engine around it."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import data
from amaranth.lib.wiring import In, Out

from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters
from pa_hdl.popcount import delay

__all__ = ["check_baked", "control", "dot_signature", "plain_weights"]


def check_baked(config: EngineConfig, parameters: LayerParameters | None, what: str) -> None:
    """Refuse a loadable engine, whose datapath has `what` baked in.

    Raises
    ------
    ValueError
        Naming the datapaths that can be loaded.
    """
    if parameters is None:
        raise ValueError(
            "datapath must be popcount, compressor or shared in a loadable engine, "
            f"not {config.datapath!r}: {what} baked in"
        )


def plain_weights(config: EngineConfig) -> data.ArrayLayout:
    """SIMD weight codes for each PE, as a load and the paper spell them."""
    return data.ArrayLayout(config.weight_code_bits, config.pe * config.simd)


def dot_signature(config: EngineConfig, weight: data.Layout | None = None) -> dict[str, Any]:
    """Members of every datapath.

    ``valid``, ``first``, ``last``
        One fold arrives; it is the first, the last of an output element.
    ``act``
        SIMD activation codes, shared by all PEs.
    ``weight``
        A word of the weight memory: `weight`, or the plain codes. Absent from a datapath that
        has its weights inside.
    ``fold``
        Index of the fold among those of a pixel; only where there is no ``weight``.
    ``o_valid``, ``acc``
        One accumulator for each PE, `latency` cycles after its last fold, for one cycle.
    ``phi_en``, ``phi_index``, ``phi_data``
        Writes one entry of the one-hot table, in the order of :func:`pa_hdl.parameters.phi_index`;
        only when loadable.
    """
    members: dict[str, Any] = {
        "valid": In(1),
        "first": In(1),
        "last": In(1),
        "act": In(data.ArrayLayout(config.code_bits, config.simd)),
    }
    if config.datapath == "inside":
        members["fold"] = In(range(max(2, config.folds_per_pixel)))
    else:
        members["weight"] = In(weight or plain_weights(config))
    members |= {
        "o_valid": Out(1),
        "acc": Out(data.ArrayLayout(signed(config.acc_bits), config.pe)),
    }
    if config.loadable:
        members |= {
            "phi_en": In(1),
            "phi_index": In(range(max(2, config.m * config.n))),
            "phi_data": In(signed(config.phi_bits)),
        }
    return members


def control(m: Module, dot: Any, latency: int) -> tuple[Value, Value]:
    """Drive ``o_valid`` of a dot product, and delay what its accumulators are told.

    Returns ``valid`` and ``first`` as they are a cycle before the accumulator holds their fold.
    """
    valid = delay(m, "valid", dot.valid, latency - 1, reset=True)
    first = delay(m, "first", dot.first, latency - 1)
    last = delay(m, "last", dot.last, latency - 1)
    o_valid = Signal()
    m.d.sync += o_valid.eq(valid & last)
    m.d.comb += dot.o_valid.eq(o_valid)
    return valid, first
