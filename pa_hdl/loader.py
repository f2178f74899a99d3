"""Run-time loading: the words of the configuration stream, and the component that stores them.

A load is one packet of 32-bit words, TLAST on the last one. :func:`word_map` describes its three
sections and :func:`load_words` writes them:

``weights``
    The weight memory in address order (output fold, ky, kx, input fold). Each of its words, PE by
    PE and lane by lane, is spread over as many stream words as needed, each of which holds
    ``32 // weight_code_bits`` whole codes, the first least significant. Bits above the codes are
    ignored.
``phi``
    ``phi[i][j]`` for ``i`` in 1..m and, innermost, ``j`` in 1..n: the one-hot table, a word each.
``channels``
    For each input channel the flip (0 or 1), then its ``n`` thresholds, a word each.

Numbers are two's complement, sign-extended to the word.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from pa_hdl.config import EngineConfig, ceil_div
from pa_hdl.parameters import LayerParameters, pack, unpack, weight_words

__all__ = ["LoadedWords", "Loader", "Section", "load_words", "word_map"]

WORD_BITS = 32


@dataclass(frozen=True, kw_only=True)
class Section:
    """Consecutive words of a load: where they start, how many, and what they hold."""

    name: str
    offset: int
    words: int
    layout: str


@dataclass(frozen=True, kw_only=True)
class LoadedWords:
    """What a good load writes: weight memory, phi in load order, threshold memory."""

    weights: list[int]
    phi: list[int]
    thresholds: list[int]


def _codes_per_word(config: EngineConfig) -> int:
    return WORD_BITS // config.weight_code_bits


def _words_per_fold(config: EngineConfig) -> int:
    return ceil_div(config.pe * config.simd, _codes_per_word(config))


def word_map(config: EngineConfig) -> list[Section]:
    """Sections of a complete load, in order."""
    per_fold, per_word = _words_per_fold(config), _codes_per_word(config)
    weights = (
        f"{per_fold} words a weight memory address (output fold, ky, kx, input fold), "
        f"{per_word} codes of {config.weight_code_bits} bits a word, PE by PE, lane by lane"
    )
    phi = (
        f"phi[i][j], i = 1..{config.m}, j = 1..{config.n} innermost, "
        f"{-config.phi_limit} to {config.phi_limit}"
    )
    channels = (
        f"for each input channel its flip (0 or 1), then {config.n} thresholds, ascending, "
        "descending where flip is 1"
    )
    layouts = [
        ("weights", config.folds_per_pixel * per_fold, weights),
        ("phi", config.m * config.n, phi),
        ("channels", config.in_channels * (config.n + 1), channels),
    ]
    sections, offset = [], 0
    for name, words, layout in layouts:
        sections.append(Section(name=name, offset=offset, words=words, layout=layout))
        offset += words
    return sections


def load_words(config: EngineConfig, parameters: LayerParameters) -> list[int]:
    """Words of one good load, each 0 to 2^32 - 1.

    Raises
    ------
    ValueError
        If the engine cannot hold the parameters, or is not loadable.
    """
    if not config.loadable:
        raise ValueError("loadable must be True for an engine that is loaded, not False")
    parameters.check(config)
    lanes, width = config.pe * config.simd, config.weight_code_bits
    per_word = _codes_per_word(config)
    words = []
    for fold in weight_words(config, parameters):
        codes = unpack(fold, width, lanes)
        words += [pack(codes[at : at + per_word], width) for at in range(0, lanes, per_word)]
    words += parameters.phi[1:, 1:].ravel().tolist()
    for flip, thresholds in zip(
        parameters.flip.tolist(), parameters.thresholds.tolist(), strict=True
    ):
        words += [int(flip), *thresholds]
    return [word % (1 << WORD_BITS) for word in words]


class Loader(wiring.Component):
    """Store one load: a word a cycle; each memory word is written two cycles after its last one.

    A load waits for ``grant``, that is for an engine that is idle and holds its input back. It is
    good when its length is right and every word is in range; thresholds must also be in order.
    ``loaded`` falls with the grant, and rises when a good load is in the memories. Any other load
    raises ``error``, which the next good load clears; a load too long is swallowed up to its TLAST.
    ``rst`` forgets the load.

    Parameters
    ----------
    config : :class:`~pa_hdl.config.EngineConfig`
        A loadable engine.

    Members
    -------
    i : words of the configuration stream
    request : a load is waiting or running
    grant : the engine is idle and will stay so while ``request`` holds
    loaded, error : state of the last load
    weight_en, weight_addr, weight_data : one word of the weight memory
    threshold_en, threshold_addr, threshold_data : one word of the threshold memory
    phi_en, phi_index, phi_data : one entry of the one-hot table, in load order
    """

    module_name = "loader"

    def __init__(self, config: EngineConfig) -> None:
        if not isinstance(config, EngineConfig):
            raise TypeError(f"Loader configuration must be an EngineConfig, not {config!r}")
        if not config.loadable:
            raise ValueError("loadable must be True for an engine that is loaded, not False")
        self.config = config
        self.codes_per_word = _codes_per_word(config)
        self.words_per_fold = _words_per_fold(config)
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"data": WORD_BITS, "last": 1}))),
                "request": Out(1),
                "grant": In(1),
                "loaded": Out(1),
                "error": Out(1),
                "weight_en": Out(1),
                "weight_addr": Out(_counter(config.folds_per_pixel)),
                "weight_data": Out(config.weight_word_bits),
                "threshold_en": Out(1),
                "threshold_addr": Out(_counter(config.in_folds)),
                "threshold_data": Out(config.threshold_word_bits),
                "phi_en": Out(1),
                "phi_index": Out(_counter(config.m * config.n)),
                "phi_data": Out(signed(config.phi_bits)),
            }
        )

    @property
    def module_key(self) -> EngineConfig:
        return self.config

    def model(self, words: Sequence[int]) -> LoadedWords | None:
        """What ``words``, TLAST on the last, leave in the memories; ``None`` for a bad load."""
        config = self.config
        sections = word_map(config)
        if len(words) != sections[-1].offset + sections[-1].words:
            return None
        weights, phi, channels = (
            words[section.offset : section.offset + section.words] for section in sections
        )
        lanes, width = config.pe * config.simd, config.weight_code_bits
        folds = []
        for at in range(0, len(weights), self.words_per_fold):
            chunks = weights[at : at + self.words_per_fold]
            codes = [code for word in chunks for code in unpack(word, width, self.codes_per_word)]
            folds.append(codes[:lanes])
        entries = [_signed(word) for word in phi]
        rows = [channels[at : at + config.n + 1] for at in range(0, len(channels), config.n + 1)]
        thresholds = [lane for row in rows if (lane := _threshold_lane(config, row)) is not None]
        if (
            any(code > config.m for fold in folds for code in fold)
            or any(abs(entry) > config.phi_limit for entry in entries)
            or len(thresholds) < config.in_channels
        ):
            return None
        lane_bits = config.n * config.threshold_bits + 1
        return LoadedWords(
            weights=[pack(fold, width) for fold in folds],
            phi=entries,
            thresholds=[
                pack(thresholds[at : at + config.simd], lane_bits)
                for at in range(0, config.in_channels, config.simd)
            ],
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        word = Signal(WORD_BITS)
        last = Signal()
        valid = Signal()
        finished = Signal()  # the word is where the last one of a load belongs
        wrong = Signal()  # its value is out of range
        bad = Signal()
        m.d.sync += [word.eq(self.i.p.data), last.eq(self.i.p.last)]
        m.d.sync += valid.eq(self.i.valid & self.i.ready)

        start = Signal()
        section = Signal(_Section)
        with m.If(start):
            m.d.sync += section.eq(_Section.WEIGHTS)
        for current, store, following in (
            (_Section.WEIGHTS, self._weights, _Section.PHI),
            (_Section.PHI, self._phi, _Section.CHANNELS),
            (_Section.CHANNELS, self._channels, _Section.SURPLUS),
        ):
            taken = Signal(name=f"{current.name.lower()}_word")
            m.d.comb += taken.eq(valid & (section == current))
            done = store(m, word, taken, start, wrong)
            with m.If(done):
                m.d.sync += section.eq(following)
        m.d.comb += finished.eq(done)
        self._control(m, start=start, last=valid & last, bad=bad)
        with m.If(start):
            m.d.sync += bad.eq(0)
        with m.Elif(valid):
            m.d.sync += bad.eq(bad | wrong | (finished != last))
        return m

    def _control(self, m: Module, *, start: Signal, last: Value, bad: Signal) -> None:
        with m.FSM(name="load"):
            with m.State("WAIT"):
                m.d.comb += [self.request.eq(self.i.valid), start.eq(self.i.valid & self.grant)]
                with m.If(start):
                    m.d.sync += self.loaded.eq(0)
                    m.next = "RUN"
            with m.State("RUN"):
                # What follows TLAST belongs to the next load.
                m.d.comb += [self.request.eq(1), self.i.ready.eq(~last)]
                with m.If(last):
                    m.next = "SETTLE"
            with m.State("SETTLE"):
                # The last memory word is being written.
                m.d.comb += self.request.eq(1)
                m.d.sync += [self.loaded.eq(~bad), self.error.eq(bad)]
                m.next = "WAIT"

    def _weights(
        self, m: Module, word: Signal, taken: Signal, start: Signal, wrong: Signal
    ) -> Value:
        """Collect the codes of a fold; true on the word that completes the last one."""
        config = self.config
        width, per_word = config.weight_code_bits, self.codes_per_word
        lanes = config.pe * config.simd
        chunk, fold = (
            _Counter(self.words_per_fold, "chunk"),
            _Counter(config.folds_per_pixel, "fold"),
        )
        chunk.step(m, taken, start)
        fold.step(m, taken & chunk.last, start)
        m.d.sync += [self.weight_en.eq(taken & chunk.last), self.weight_addr.eq(fold.value)]
        for index in range(self.words_per_fold):
            bits = min(per_word, lanes - index * per_word) * width
            with m.If(taken & (chunk.value == index)):
                m.d.sync += self.weight_data[index * per_word * width :][:bits].eq(word)
        if config.m < (1 << width) - 1:
            above = Signal(per_word)  # codes of the word that no weight has
            for at in range(per_word):
                m.d.comb += above[at].eq(word.word_select(at, width) > config.m)
            surplus = per_word * self.words_per_fold - lanes
            with m.If(taken & (Mux(chunk.last, above[: per_word - surplus], above) != 0)):
                m.d.comb += wrong.eq(1)
        return taken & chunk.last & fold.last

    def _phi(self, m: Module, word: Signal, taken: Signal, start: Signal, wrong: Signal) -> Value:
        """Hand an entry on; true on the last one."""
        config = self.config
        entry = _Counter(config.m * config.n, "entry")
        entry.step(m, taken, start)
        m.d.sync += [
            self.phi_en.eq(taken),
            self.phi_index.eq(entry.value),
            self.phi_data.eq(word),
        ]
        most_negative = word[: config.phi_bits] == 1 << (config.phi_bits - 1)
        with m.If(taken & (~_fits(word, config.phi_bits) | most_negative)):
            m.d.comb += wrong.eq(1)
        return taken & entry.last

    def _channels(
        self, m: Module, word: Signal, taken: Signal, start: Signal, wrong: Signal
    ) -> Value:
        """Collect flip and thresholds of a fold's lanes; true on the last channel's last word."""
        config = self.config
        width, lane_bits = config.threshold_bits, config.n * config.threshold_bits + 1
        item = _Counter(config.n + 1, "item")
        lane, fold = _Counter(config.simd, "lane"), _Counter(config.in_folds, "in_fold")
        channel = _Counter(config.in_channels, "channel")
        item.step(m, taken, start)
        lane_done = Signal()
        fold_done = Signal()
        m.d.comb += lane_done.eq(taken & item.last)
        m.d.comb += fold_done.eq(lane_done & (lane.last | channel.last))
        channel.step(m, lane_done, start)
        lane.step(m, lane_done, start | fold_done)
        fold.step(m, fold_done, start)

        flip = Signal()
        collected = Signal((config.n - 1) * width)
        ordered = Signal(signed(width))
        previous = Signal(signed(width))
        low, high = config.act_range
        m.d.comb += ordered.eq(Mux(flip, ~word, word))
        with m.If(taken & (item.value == 0)):
            m.d.sync += [flip.eq(word), previous.eq(Mux(word[0], ~high, low))]
            m.d.comb += wrong.eq(word > 1)
        with m.Elif(taken):
            m.d.sync += [
                previous.eq(ordered),
                collected.eq(Cat(collected, word[:width]) >> width),
            ]
            highest = Mux(flip, ~(low - 1), high + 1)
            outside = ~_fits(word, width) | (ordered > highest)
            m.d.comb += wrong.eq(outside | (ordered < previous))

        m.d.sync += [self.threshold_en.eq(fold_done), self.threshold_addr.eq(fold.value)]
        for index in range(config.simd):
            slot = self.threshold_data[index * lane_bits :][:lane_bits]
            with m.If(lane_done & (lane.value == index)):
                m.d.sync += slot.eq(Cat(collected, word[:width], flip))
            with m.Elif(lane_done & (lane.value == 0)):
                # Lanes beyond the last channel stay all zero.
                m.d.sync += slot.eq(0)
        return lane_done & channel.last


class _Section(enum.Enum):
    WEIGHTS = 0
    PHI = 1
    CHANNELS = 2
    SURPLUS = 3


class _Counter:
    """Count to a known number and start again; ``last`` is true on the last value."""

    def __init__(self, count: int, name: str) -> None:
        self.value = Signal(_counter(count), name=name)
        self.last = Signal(name=f"{name}_last")
        self._count = count

    def step(self, m: Module, advance: Value, clear: Value) -> None:
        m.d.comb += self.last.eq(self.value == self._count - 1)
        with m.If(clear | (advance & self.last)):
            m.d.sync += self.value.eq(0)
        with m.Elif(advance):
            m.d.sync += self.value.eq(self.value + 1)


def _counter(count: int) -> Any:
    """Shape of an address: as wide as a memory's, which has at least one bit."""
    return unsigned(max(1, (count - 1).bit_length()))


def _fits(word: Value, width: int) -> Value:
    """Whether a word is the sign extension of its lowest ``width`` bits."""
    sign = word[width - 1 :]
    return sign.all() | ~sign.any()


def _signed(word: int) -> int:
    return word - (1 << WORD_BITS) if word >> (WORD_BITS - 1) else word


def _threshold_lane(config: EngineConfig, words: Sequence[int]) -> int | None:
    """Flip and thresholds of one lane of the threshold memory; ``None`` where one is wrong."""
    flip, *thresholds = words
    low, high = config.act_range
    ordered = [~_signed(word) if flip else _signed(word) for word in thresholds]
    lowest, highest = (~high, ~(low - 1)) if flip else (low, high + 1)
    if flip > 1 or ordered != sorted(ordered) or ordered[0] < lowest or ordered[-1] > highest:
        return None
    return pack(thresholds, config.threshold_bits) | flip << (config.n * config.threshold_bits)
