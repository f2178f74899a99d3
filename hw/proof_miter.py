# amaranth: UnusedElaboratable=no
"""Two dot products side by side, given the same codes: what a proof of equality looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl import dot
from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.signature import plain_weights
from pa_hdl.emit import ModuleLibrary, add_submodule
from pa_hdl.parameters import LayerParameters, weight_words
from pa_hdl.popcount import delay

__all__ = ["FIXED", "TOP", "Miter", "reference_of"]

TOP = "miter"
"""Top module of a miter's Verilog."""

FIXED = ("compressor", "inside")
"""Datapaths whose accumulators are right after the last fold of an output element only.

They start a sum from what all its folds owe together.
"""


def reference_of(config: EngineConfig) -> EngineConfig:
    """The same engine with the paper's dot product, in plain logic."""
    return replace(config, datapath="popcount", base="onehot", target="generic")


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
    valid, first, last : a fold; where sums are :attr:`fixed`, it is counted which one
    act, weight : its plain codes; no weights where they are inside
    owed : by which each accumulator may differ after each fold of a pixel; only where fixed
    difference : by which it does
    legal : all codes of this cycle exist
    anchored : accumulators differ by what they may now, or both start anew as this cycle ends
    same : they differ by what they may, and their ``o_valid`` are equal
    answer : the reference shows accumulators
    agree : the same seen from outside: both answer or neither, and answers are equal

    Raises
    ------
    ValueError
        If the datapath cannot serve the layer.
    """

    def __init__(self, *, config: EngineConfig, parameters: LayerParameters) -> None:
        dot.DATAPATHS[config.datapath].check(config, parameters)
        self.config = config
        self.parameters = parameters
        self.fixed = config.datapath in FIXED
        self.inside = config.datapath == "inside"
        self._sides = {"reference": reference_of(config), "dut": config}
        self.latency = max(map(_latency, self._sides.values()))
        members: dict[str, Any] = {
            "valid": In(1),
            "act": In(data.ArrayLayout(config.code_bits, config.simd)),
            "difference": Out(data.ArrayLayout(signed(config.acc_bits), config.pe)),
            **dict.fromkeys(("legal", "anchored", "same", "answer", "agree"), Out(1)),
        }
        if not self.inside:
            members["weight"] = In(plain_weights(config))
        if self.fixed:
            one = data.ArrayLayout(signed(config.acc_bits), config.pe)
            members["owed"] = In(data.ArrayLayout(one, config.folds_per_pixel))
        else:
            members |= {"first": In(1), "last": In(1)}
        super().__init__(members)

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
        config = self.config
        controls = self._controls(m)
        reference, dut = (
            self._place(m, platform, name, side, controls) for name, side in self._sides.items()
        )
        elements = [self.act[at] <= config.n for at in range(config.simd)]
        if not self.inside:
            elements += [self.weight[at] <= config.m for at in range(config.pe * config.simd)]
        if self.fixed:
            elements.append(controls["fold"] < config.folds_per_pixel)
        differences = Cat(
            *((dut.acc[pe] - reference.acc[pe])[: config.acc_bits] for pe in range(config.pe))
        )
        equal, alike = Signal(), Signal()
        m.d.comb += [
            self.difference.eq(differences),
            equal.eq(self.difference.as_value() == 0),
            alike.eq(reference.o_valid == dut.o_valid),
            self.legal.eq(Cat(*elements).all()),
            self.answer.eq(reference.o_valid),
            self.agree.eq(alike & (equal | ~self.answer)),
        ]
        anchored, owing = self._judge(m, controls, equal)
        m.d.comb += [self.anchored.eq(anchored), self.same.eq(self.agree & owing)]
        return m

    def _controls(self, m: Module) -> dict[str, Value]:
        """What tells a fold from others; the fold is counted where sums are fixed."""
        if not self.fixed:
            return {"valid": self.valid, "first": self.first, "last": self.last}
        total, each = self.config.folds_per_pixel, self.config.folds_per_output
        fold = Signal(range(max(2, total)))
        with m.If(self.valid):
            m.d.sync += fold.eq(Mux(fold == total - 1, 0, fold + 1))
        starts = range(0, total, each)
        return {
            "valid": self.valid,
            "first": Cat(*(fold == start for start in starts)).any(),
            "last": Cat(*(fold == start + each - 1 for start in starts)).any(),
            "fold": fold,
        }

    def _place(
        self, m: Module, platform: Any, name: str, side: EngineConfig, controls: dict[str, Value]
    ) -> Any:
        """A dot product behind delays."""
        component = dot.create(side, self.parameters)
        add_submodule(m, platform, name, component)
        wait = self.latency - _latency(side)
        late = {
            port: delay(m, f"{name}_late_{port}", value, wait, reset=port == "valid")
            for port, value in {**controls, "act": self.act.as_value()}.items()
        }
        if not self.inside:
            codes = delay(m, f"{name}_late_weight", self.weight.as_value(), wait)
            late["weight"] = component.encoded(m, codes) if hasattr(component, "encoded") else codes
        elif name == "reference":
            late["weight"] = self._weights_of(m, late["fold"])
        for port, value in late.items():
            if port in component.signature.members:
                m.d.comb += Value.cast(getattr(component, port)).eq(value)
        return component

    def _weights_of(self, m: Module, fold: Value) -> Value:
        """The weight codes that the other side has inside."""
        words = weight_words(self.config, self.parameters)
        word = Signal(self.config.weight_word_bits)
        with m.Switch(fold):
            for index, value in enumerate(words):
                with m.Case(index):
                    m.d.comb += word.eq(value)
        return word

    def _judge(self, m: Module, controls: dict[str, Value], equal: Value) -> tuple[Value, Value]:
        """Premise and claim of the induction step."""
        wait = self.latency - 1
        valid = delay(m, "accumulating", controls["valid"], wait, reset=True)
        first = delay(m, "starting", controls["first"], wait)
        if not self.fixed:
            return equal | (valid & first), equal
        fold = delay(m, "accumulated_fold", controls["fold"], wait)
        width = len(self.difference.as_value())
        # As accumulators do, these go on in a cycle of reset.
        before, after, was = (Signal(width, name=name, reset_less=True) for name in _OWED)
        accumulated = Signal(reset_less=True)
        with m.Switch(fold):
            for index in range(self.config.folds_per_pixel):
                with m.Case(index):
                    m.d.comb += before.eq(self.owed[index - 1].as_value())
                    m.d.sync += after.eq(self.owed[index].as_value())
        m.d.sync += [accumulated.eq(valid), was.eq(self.difference.as_value())]
        difference = self.difference.as_value()
        return (
            ~valid | first | (difference == before),
            Mux(accumulated, difference == after, difference == was),
        )


_OWED = ("owed_before", "owed_after", "difference_before")
