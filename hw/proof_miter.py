# amaranth: UnusedElaboratable=no
"""Two dot products side by side, given the same codes: what a proof of equality looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl import dot
from pa_hdl.config import EngineConfig
from pa_hdl.emit import ModuleLibrary, add_submodule
from pa_hdl.parameters import LayerParameters
from pa_hdl.popcount import delay

__all__ = ["TOP", "Miter", "reference_of"]

TOP = "miter"
"""Top module of a miter's Verilog."""

_CONTROLS = ("valid", "first", "last")


def reference_of(config: EngineConfig) -> EngineConfig:
    """The same engine with the paper's dot product, in plain logic."""
    return replace(config, datapath="popcount", base="onehot")


def _latency(config: EngineConfig) -> int:
    return dot.DATAPATHS[config.datapath].latency(config)


class Miter(wiring.Component):
    """Feed the same folds to a dot product and to popcounts, and compare what comes out.

    One fold per cycle. Inputs of the faster one are delayed, so that both answer :attr:`latency`
    cycles after a fold.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine whose dot product is compared with popcounts of the same engine.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`
        The layer that is baked into both.

    Members
    -------
    valid, first, last, act, weight : a fold, as plain codes
    legal : all codes of this cycle exist
    anchored : both accumulators are equal now, or both start anew when this cycle ends
    same : accumulators and their ``o_valid`` are equal
    answer : the reference shows accumulators
    agree : the same seen from outside: both answer or neither, and answers are equal
    """

    def __init__(self, *, config: EngineConfig, parameters: LayerParameters) -> None:
        self.config = config
        self.parameters = parameters
        self._sides = {"reference": reference_of(config), "dut": config}
        self.latency = max(map(_latency, self._sides.values()))
        super().__init__(
            {
                **dict.fromkeys(_CONTROLS, In(1)),
                "act": In(data.ArrayLayout(config.code_bits, config.simd)),
                "weight": In(data.ArrayLayout(config.weight_code_bits, config.pe * config.simd)),
                **dict.fromkeys(("legal", "anchored", "same", "answer", "agree"), Out(1)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, id(self.parameters))

    @property
    def module_name(self) -> str:
        return TOP

    def verilog(self) -> str:
        """Text of both dot products and of what compares them."""
        library = ModuleLibrary(prefix=TOP)
        library.add_top(self)
        return library.verilog()

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, wait = self.config, self.latency
        sides = {name: dot.create(side, self.parameters) for name, side in self._sides.items()}
        for name, component in sides.items():
            add_submodule(m, platform, name, component)
            late = wait - _latency(self._sides[name])
            for port in (*_CONTROLS, "act", "weight"):
                value = Value.cast(getattr(self, port))
                delayed = delay(m, f"{name}_late_{port}", value, late, reset=port == "valid")
                m.d.comb += Value.cast(getattr(component, port)).eq(delayed)
        reference, dut = sides.values()
        valid = delay(m, "accumulating", self.valid, wait - 1, reset=True)
        first = delay(m, "starting", self.first, wait - 1)
        equal = Signal()
        m.d.comb += [
            equal.eq(Value.cast(reference.acc) == Value.cast(dut.acc)),
            self.legal.eq(
                Cat(
                    *(self.act[at] <= config.n for at in range(config.simd)),
                    *(self.weight[at] <= config.m for at in range(config.pe * config.simd)),
                ).all()
            ),
            self.anchored.eq(equal | (valid & first)),
            self.answer.eq(reference.o_valid),
            self.same.eq(equal & (reference.o_valid == dut.o_valid)),
            self.agree.eq((reference.o_valid == dut.o_valid) & (equal | ~self.answer)),
        ]
        return m
