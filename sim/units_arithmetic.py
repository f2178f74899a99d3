"""Unit vectors of what has no handshake: counting, decoding, comparing, weighing, remembering."""

import random

import numpy as np
from amaranth.hdl import signed
from numpy.typing import NDArray

from pa_hdl.bases import BaseDecoder
from pa_hdl.comparators import Comparators, Encoder
from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.popcount import PhiStore, PopcountDot, PopcountPe
from pa_hdl.memory import Ram
from pa_hdl.parameters import LayerParameters
from pa_hdl.popcount import AndPopcount, Popcount, SumTree
from pa_nn import golden
from sim.unit import Unit, fields, get, lanes, put

__all__ = ["Folds", "arithmetic_units", "threshold_words", "unit_config"]

_COUNT = 120


def unit_config(*, loadable: bool = False, base: str = "onehot") -> EngineConfig:
    """A small layer whose lanes divide neither its input nor its output channels."""
    return EngineConfig(
        in_channels=5,
        out_channels=3,
        height=4,
        width=3,
        pad=(1, 0, 0, 1),
        stride=(2, 1),
        m=4,
        n=5,
        simd=2,
        pe=2,
        act_signed=True,
        base=base,
        loadable=loadable,
    )


def arithmetic_units(seed: int) -> list[Unit]:
    """All of them, with seeded vectors."""
    rng = random.Random(seed)
    return [
        _popcount(rng),
        _and_popcount(rng),
        _sum_tree(rng),
        _base_decoder(rng, "onehot"),
        _base_decoder(rng, "thermometer"),
        _encoder(rng),
        _comparators(rng, loadable=False),
        _comparators(rng, loadable=True),
        _pe(rng),
        _phi_store(rng, "onehot"),
        _phi_store(rng, "thermometer"),
        _dot(rng, base="onehot"),
        _dot(rng, base="thermometer"),
        _loaded_dot(rng),
        *(_ram(rng, latency) for latency in (1, 2)),
    ]


def _words(rng: random.Random, bits: int) -> list[int]:
    return [0, (1 << bits) - 1, *(rng.getrandbits(bits) for _ in range(_COUNT))]


def _popcount(rng: random.Random) -> Unit:
    dut = Popcount(bits=13)
    words = _words(rng, 13)
    counts = [word.bit_count() for word in words]
    gets = [get({"o": counts}, delay=dut.latency)]
    return Unit(name="popcount", component=dut, puts=[put({"i": words})], gets=gets)


def _and_popcount(rng: random.Random) -> Unit:
    dut = AndPopcount(bits=11)
    acts, weights = _words(rng, 11), _words(rng, 11)[::-1]
    counts = [(a & w).bit_count() for a, w in zip(acts, weights, strict=True)]
    puts = [put({"act": acts, "weight": weights})]
    gets = [get({"o": counts}, delay=dut.latency)]
    return Unit(name="and_popcount", component=dut, puts=puts, gets=gets)


def _sum_tree(rng: random.Random) -> Unit:
    low, high, terms = -8, 7, 5
    dut = SumTree(terms=terms, bound=lambda start, end: (low * (end - start), high * (end - start)))
    rows = [[low] * terms, [high] * terms]
    rows += [[rng.randint(low, high) for _ in range(terms)] for _ in range(_COUNT)]
    mask = (1 << len(dut.o)) - 1
    gets = [get({"o": [sum(row) & mask for row in rows]}, delay=dut.latency)]
    puts = [put({"i": [lanes(row, 4) for row in rows]})]
    return Unit(name="sum_tree", component=dut, puts=puts, gets=gets)


def _base_decoder(rng: random.Random, base: str) -> Unit:
    count, width = 5, 3
    dut = BaseDecoder(lanes=width, count=count, base=base)
    rows = [[rng.randint(0, count) for _ in range(width)] for _ in range(_COUNT)]
    words = [
        lanes(
            (
                lanes((code == b if base == "onehot" else code >= b for code in row), 1)
                for b in range(1, count + 1)
            ),
            width,
        )
        for row in rows
    ]
    puts = [put({"i": [lanes(row, 3) for row in rows]})]
    gets = [get({"o": words}, delay=dut.latency)]
    return Unit(name=f"{base}_decoder", component=dut, puts=puts, gets=gets)


def _encoder(rng: random.Random) -> Unit:
    n, bits = 5, 9
    dut = Encoder(act=signed(8), n=n, threshold_bits=bits)
    acts, flips, stored, codes = [], [], [], []
    for index in range(_COUNT):
        flip = index % 2 == 1
        row = np.sort(np.array([[rng.randint(-128, 127) for _ in range(n)]]))
        row = row[:, ::-1] if flip else row
        act = int(row[0, rng.randrange(n)]) + rng.randint(-1, 1)
        acts.append(min(127, max(-128, act)))
        flips.append(int(flip))
        stored.append(lanes(row[0].tolist(), bits))
        codes.append(_codes(np.array([acts[-1]]), row, np.array([flip]))[0])
    masked = [act & 255 for act in acts]
    puts = [put({"act": masked, "flip": flips, "thresholds": stored})]
    gets = [get({"code": codes}, delay=dut.latency_of(n))]
    return Unit(name="encoder", component=dut, puts=puts, gets=gets)


def _codes(acts: NDArray[np.int64], thresholds: NDArray[np.int64], flip: NDArray[np.bool_]) -> list:
    """Golden codes of one pixel."""
    shaped = acts[:, None, None]
    return golden.activation_codes(shaped, thresholds.copy(), flip).flatten().tolist()


def threshold_words(config: EngineConfig, layer: LayerParameters) -> list[int]:
    """Words of the threshold memory, lane by lane: thresholds and flip."""
    width = config.threshold_bits
    words = []
    for start in range(0, config.in_channels, config.simd):
        lane_words = []
        for channel in range(start, min(start + config.simd, config.in_channels)):
            row = layer.thresholds[channel].tolist()
            flip = int(layer.flip[channel])
            lane_words.append(fields((lanes(row, width), config.n * width), (flip, 1)))
        words.append(lanes(lane_words, config.n * width + 1))
    return words


def _comparators(rng: random.Random, *, loadable: bool) -> Unit:
    config = unit_config(loadable=loadable)
    layer = LayerParameters.seeded(config, rng.getrandbits(32))
    dut = Comparators(config=config, parameters=None if loadable else layer)
    low, high = config.act_range
    beats, codes = [], []
    for _ in range(_COUNT):
        fold, padding = rng.randrange(config.in_folds), int(rng.random() < 0.2)
        acts = [rng.randint(low, high) for _ in range(config.simd)]
        channels = range(fold * config.simd, min((fold + 1) * config.simd, config.in_channels))
        near = [int(layer.thresholds[c, rng.randrange(config.n)]) for c in channels]
        if rng.random() < 0.5:
            acts[: len(near)] = [min(high, max(low, t + rng.randint(-1, 1))) for t in near]
        found = _codes(
            np.array(acts[: len(channels)]), layer.thresholds[channels], layer.flip[channels]
        )
        beats.append((lanes(acts, config.act_bits), padding, fold))
        codes.append(0 if padding else lanes(found, config.code_bits))
    act, padded, folds = (list(column) for column in zip(*beats, strict=True))
    items = {"act": act, "padding": padded, "fold": folds}
    gets = [get({"codes": codes}, valid=["o_valid"])]
    if not loadable:
        return Unit(
            name="comparators",
            component=dut,
            puts=[put(items, valid=["valid"])],
            gets=gets,
            stalls=True,
        )
    words = threshold_words(config, layer)
    written = len(words)
    script = {
        "threshold_en": [1] * written + [0] * _COUNT,
        "threshold_addr": [*range(written)] + [0] * _COUNT,
        "threshold_data": words + [0] * _COUNT,
        "valid": [0] * written + [1] * _COUNT,
        **{port: [0] * written + values for port, values in items.items()},
    }
    # Valid must fall when the script ends.
    script = {port: [*values, 0] for port, values in script.items()}
    return Unit(name="loaded_comparators", component=dut, puts=[put(script)], gets=gets)


class Folds:
    """Random folds of some output elements, and their golden accumulators."""

    def __init__(self, rng: random.Random, config: EngineConfig, layer: LayerParameters) -> None:
        self.config = config
        self.act: list[list[int]] = []
        self.weight: list[list[int]] = []
        self.first: list[int] = []
        self.last: list[int] = []
        self.acc: list[list[int]] = []
        for _ in range(_COUNT // 4):
            self._output(rng, layer, rng.randint(1, config.folds_per_output))

    def _output(self, rng: random.Random, layer: LayerParameters, folds: int) -> None:
        c = self.config
        act = [[rng.randint(0, c.n) for _ in range(c.simd)] for _ in range(folds)]
        weight = [[rng.randint(0, c.m) for _ in range(c.pe * c.simd)] for _ in range(folds)]
        self.act += act
        self.weight += weight
        self.first += [1] + [0] * (folds - 1)
        self.last += [0] * (folds - 1) + [1]
        # With thresholds 1 to N an element is its own code.
        channels = folds * c.simd
        thresholds = np.tile(np.arange(1, c.n + 1), (channels, 1))
        codes = np.array(weight).reshape(folds, c.pe, c.simd).transpose(1, 0, 2)
        acc = golden.pa_conv(
            np.array(act).reshape(channels, 1, 1),
            codes.reshape(c.pe, channels, 1, 1),
            layer.phi,
            thresholds,
            np.zeros(channels, dtype=bool),
            (1, 1),
            (0, 0, 0, 0),
        )
        self.acc.append(acc.flatten().tolist())

    @property
    def items(self) -> dict[str, list[int]]:
        """Ports of a dot product."""
        return {
            "act": [lanes(row, self.config.code_bits) for row in self.act],
            "weight": [lanes(row, self.config.weight_code_bits) for row in self.weight],
            "first": self.first,
            "last": self.last,
        }

    @property
    def results(self) -> list[int]:
        """The accumulators of each output element."""
        return [lanes(acc, self.config.acc_bits) for acc in self.acc]


def _dot(rng: random.Random, *, base: str) -> Unit:
    config = unit_config(base=base)
    layer = LayerParameters.seeded(config, rng.getrandbits(32))
    folds = Folds(rng, config, layer)
    return Unit(
        name=f"{base}_dot",
        component=PopcountDot(config=config, parameters=layer),
        puts=[put(folds.items, valid=["valid"])],
        gets=[get({"acc": folds.results}, valid=["o_valid"])],
        stalls=True,
    )


def _loaded_dot(rng: random.Random) -> Unit:
    config = unit_config(loadable=True, base="thermometer")
    layer = LayerParameters.seeded(config, rng.getrandbits(32))
    folds = Folds(rng, config, layer)
    entries = [value & 0xFF for value in layer.phi[1:, 1:].flatten().tolist()]
    written, settle, count = len(entries), 4, len(folds.first)
    before = written + settle
    script = {
        "phi_en": [1] * written + [0] * (settle + count + 1),
        "phi_index": [*range(written)] + [0] * (settle + count + 1),
        "phi_data": entries + [0] * (settle + count + 1),
        "valid": [0] * before + [1] * count + [0],
        **{port: [0] * before + values + [0] for port, values in folds.items.items()},
    }
    return Unit(
        name="loaded_dot",
        component=PopcountDot(config=config),
        puts=[put(script)],
        gets=[get({"acc": folds.results}, valid=["o_valid"])],
    )


def _pe(rng: random.Random) -> Unit:
    config = unit_config()
    layer = LayerParameters.seeded(config, rng.getrandbits(32))
    table = tuple(map(tuple, layer.phi[1:, 1:].tolist()))
    dut = PopcountPe(config=config, table=table)
    folds = Folds(rng, config, layer)
    own = config.simd * config.weight_code_bits
    words = [word & ((1 << own) - 1) for word in folds.items["weight"]]
    bases = [
        lanes((lanes((code == b for code in row), 1) for b in range(1, config.n + 1)), config.simd)
        for row in folds.act
    ]
    late = dut.latency(config) - 1
    count = len(words)
    script = {
        "weight": words + [0] * (late + 1),
        "act_bases": [0, *bases] + [0] * late,
        "valid": [0] * late + [1] * count + [0],
        "first": [0] * late + folds.first + [0],
    }
    mask = (1 << config.acc_bits) - 1
    results = iter(acc[0] & mask for acc in folds.acc)
    expected = [next(results) if last else 0 for last in folds.last]
    gets = [get({"acc": expected}, masks={"acc": [-last for last in folds.last]}, delay=late + 1)]
    return Unit(name="pe", component=dut, puts=[put(script)], gets=gets)


def _phi_store(rng: random.Random, base: str) -> Unit:
    config = unit_config(loadable=True, base=base)
    dut = PhiStore(config=config)
    limit = config.phi_limit
    table = [[rng.randint(-limit, limit) for _ in range(config.n)] for _ in range(config.m)]
    table[0][:2] = [-limit, limit]
    entries = [value & 0xFF for row in table for value in row]
    if base == "thermometer":
        table = [[b - a for a, b in zip([0, *row[:-1]], row, strict=True)] for row in table]
    once, thrice = (8, 10) if base == "onehot" else (9, 11)
    word = fields(
        *(pair for row in table for value in row for pair in ((value, once), (3 * value, thrice)))
    )
    # In no order: each entry goes where its index says.
    order = rng.sample(range(len(entries)), len(entries))
    puts = [put({"index": order, "data": [entries[at] for at in order]}, valid=["en"])]
    gets = [get({"multiples": [word] * 4}, delay=len(entries) + 3)]
    return Unit(name=f"{base}_phi_store", component=dut, puts=puts, gets=gets)


def _ram(rng: random.Random, latency: int) -> Unit:
    depth, width = 11, 9
    contents = [rng.getrandbits(width) for _ in range(depth)]
    dut = Ram(depth=depth, width=width, init=contents, writable=True, latency=latency, name="words")
    script: dict[str, list[int]] = {
        "read_addr": [],
        "write_en": [],
        "write_addr": [],
        "write_data": [],
    }
    expected, masks = [], []
    for _ in range(_COUNT):
        read, write = rng.randrange(depth), rng.randrange(depth)
        enable, value = rng.getrandbits(1), rng.getrandbits(width)
        for port, item in zip(script, (read, enable, write, value), strict=True):
            script[port].append(item)
        expected.append(contents[read])
        masks.append(0 if enable and read == write else -1)
        if enable:
            contents[write] = value
    gets = [get({"read_data": expected}, masks={"read_data": masks}, delay=latency)]
    name = "ram" if latency == 1 else "registered_ram"
    return Unit(name=name, component=dut, puts=[put(script)], gets=gets)
