"""Activations to codes: how many thresholds an input element reaches (Eq. 17, 18)."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import EngineConfig
from pa_hdl.emit import add_submodule
from pa_hdl.frame import encoder_members
from pa_hdl.memory import Ram
from pa_hdl.parameters import LayerParameters, threshold_words, unpack
from pa_hdl.popcount import Popcount, delay

__all__ = ["Comparators", "Encoder"]


class Encoder(wiring.Component):
    """Code of one element: the number of thresholds it reaches, one element per cycle.

    With `flip` set it is the number of those that it does not exceed.

    Parameters
    ----------
    act : :class:`~amaranth.hdl.Shape`
        Number format of an element.
    n : :class:`int`
        Thresholds.
    threshold_bits : :class:`int`
        Signed width of a threshold.

    Members
    -------
    act : the element
    flip : count ``x <= t``, not ``x >= t``
    thresholds : what to compare with
    code : :attr:`latency` cycles later
    """

    def __init__(self, *, act: Shape, n: int, threshold_bits: int) -> None:
        self.act_shape = Shape.cast(act)
        self.n = n
        self.threshold_bits = threshold_bits
        super().__init__(
            {
                "act": In(act),
                "flip": In(1),
                "thresholds": In(data.ArrayLayout(signed(threshold_bits), n)),
                "code": Out(range(n + 1)),
            }
        )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.act_shape, self.n, self.threshold_bits)

    @property
    def module_name(self) -> str:
        return f"encoder_{self.n}"

    @staticmethod
    def latency_of(n: int) -> int:
        """Cycles from an element to its code among `n` thresholds."""
        return 1 + Popcount.latency_of(n)

    def model(self, act: int, flip: int, thresholds: Sequence[int]) -> int:
        """Code of one element."""
        return sum(act <= t if flip else act >= t for t in thresholds)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count = Popcount(bits=self.n)
        add_submodule(m, platform, "count", count)
        act = Signal(signed(self.threshold_bits))
        reached = Signal(self.n, reset_less=True)
        m.d.comb += act.eq(self.act)
        # Below the lowest bits stands whether equality counts, so that `flip` changes nothing but
        # the outcome: no logic in front of the carry chain.
        operand = Cat(~self.flip, act).as_signed()
        for index in range(self.n):
            threshold = Cat(Const(1, 1), self.thresholds[index]).as_signed()
            m.d.sync += reached[index].eq((operand >= threshold) ^ self.flip)
        m.d.comb += [count.i.eq(reached), self.code.eq(count.o)]
        return m


class Comparators(wiring.Component):
    """Codes of SIMD elements, one beat per cycle; never stalls.

    The thresholds of a beat's channels are read from a memory of one word an input fold, laid out
    as :func:`~pa_hdl.parameters.threshold_words` says. Padding, and lanes beyond the last channel,
    get the code of masked elements.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        The engine.
    parameters : :class:`~pa_hdl.parameters.LayerParameters`, optional
        The layer whose thresholds are baked in; ``None`` for a loadable engine.

    Members
    -------
    valid, act, padding, fold : a beat; ``fold`` is the index of its channels
    o_valid, codes : :meth:`latency` cycles later
    threshold_en, threshold_addr, threshold_data : write the memory; only when loadable
    """

    READ = 1
    """Cycles from a beat to its thresholds."""

    def __init__(self, *, config: EngineConfig, parameters: LayerParameters | None = None) -> None:
        self.config = config
        self.words = None
        if parameters is not None:
            self.words = tuple(threshold_words(config, parameters))
        members = encoder_members(config)
        if config.loadable:
            members |= {
                "threshold_en": In(1),
                "threshold_addr": In(range(max(2, config.in_folds))),
                "threshold_data": In(config.threshold_word_bits),
            }
        super().__init__(members)

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.config, self.words)

    @property
    def module_name(self) -> str:
        return "comparators"

    @classmethod
    def latency(cls, config: EngineConfig) -> int:
        """Cycles from a beat to its codes."""
        return cls.READ + Encoder.latency_of(config.n)

    def model(self, acts: Sequence[int], fold: int, padding: bool = False) -> list[int]:
        """Codes of one beat."""
        if self.words is None:
            raise ValueError("loadable comparators have no thresholds of their own")
        config, codes = self.config, []
        width = config.n * config.threshold_bits + 1
        for lane, word in enumerate(unpack(self.words[fold], width, config.simd)):
            flip = word >> (width - 1)
            thresholds = unpack(word, config.threshold_bits, config.n, signed=True)
            real = not padding and fold * config.simd + lane < config.in_channels
            x = acts[lane]
            code = sum(x <= t if flip else x >= t for t in thresholds)
            codes.append(code if real else config.blank_code)
        return codes

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        word = data.ArrayLayout(
            data.StructLayout(
                {
                    "thresholds": data.ArrayLayout(signed(config.threshold_bits), config.n),
                    "flip": 1,
                }
            ),
            config.simd,
        )
        lanes = data.View(word, self._read_thresholds(m, platform))
        wait = self.latency(config)
        act = Signal.like(self.act, reset_less=True)
        m.d.sync += act.eq(self.act)
        o_valid = delay(m, "valid", self.valid, wait, reset=True)
        padding = delay(m, "padding", self.padding, wait)
        surplus = delay(m, "surplus", self.fold == config.in_folds - 1, wait)
        m.d.comb += self.o_valid.eq(o_valid)
        for lane in range(config.simd):
            encoder = Encoder(
                act=Shape(config.act_bits, config.act_signed),
                n=config.n,
                threshold_bits=config.threshold_bits,
            )
            add_submodule(m, platform, f"encoder_{lane}", encoder)
            masked = (config.in_folds - 1) * config.simd + lane >= config.in_channels
            zero = padding | surplus if masked else padding
            m.d.comb += [
                encoder.act.eq(act[lane]),
                encoder.flip.eq(lanes[lane].flip),
                encoder.thresholds.eq(lanes[lane].thresholds),
                self.codes[lane].eq(Mux(zero, config.blank_code, encoder.code)),
            ]
        return m

    def _read_thresholds(self, m: Module, platform: Any) -> Value:
        """Word of the beat's fold, a cycle later. A single baked word is a constant."""
        config = self.config
        if self.words is not None and len(self.words) == 1:
            return Const(self.words[0], config.threshold_word_bits)
        memory = Ram(
            depth=config.in_folds,
            width=config.threshold_word_bits,
            init=self.words,
            writable=config.loadable,
            name="thresholds",
        )
        add_submodule(m, platform, "thresholds", memory)
        m.d.comb += memory.read_addr.eq(self.fold)
        if config.loadable:
            m.d.comb += [
                memory.write_en.eq(self.threshold_en),
                memory.write_addr.eq(self.threshold_addr),
                memory.write_data.eq(self.threshold_data),
            ]
        return memory.read_data
