# amaranth: UnusedElaboratable=no
"""Loads, good and bad: what the loader writes, what it reports, and that it recovers."""

import dataclasses
import random

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from pa_hdl.config import EngineConfig
from pa_hdl.loader import LoadedWords, Loader, load_words, word_map
from pa_hdl.parameters import LayerParameters, threshold_words, weight_words


def shape(**options):
    base = {
        "in_channels": 3,
        "out_channels": 5,
        "height": 4,
        "width": 4,
        "kernel": (1, 2),
        "pad": (0, 0, 0, 0),
        "m": 4,
        "n": 3,
        "simd": 2,
        "pe": 2,
        "act_bits": 6,
    }
    return EngineConfig(**(base | options))


SHAPES = [
    shape(),
    shape(m=1, n=1, phi_bits=2, act_bits=1, simd=1, pe=1),
    shape(m=3, n=2, simd=3, pe=5, act_signed=True),
    shape(m=8, n=7, simd=4, pe=3, phi_bits=32, act_bits=30),
    shape(m=255, n=1, simd=1, pe=6, kernel=(1, 1)),
]


class Bench:
    """Drive words into a loader with stalls, and keep what it writes."""

    def __init__(self, config, seed=0):
        self.dut = Loader(config)
        self.draw = random.Random(seed)
        self.written = self._nothing()

    @staticmethod
    def _nothing():
        return {"weight": {}, "phi": {}, "threshold": {}}

    async def monitor(self, ctx):
        dut = self.dut
        ports = {
            "weight": (dut.weight_en, dut.weight_addr, dut.weight_data),
            "phi": (dut.phi_en, dut.phi_index, dut.phi_data),
            "threshold": (dut.threshold_en, dut.threshold_addr, dut.threshold_data),
        }
        while True:
            values = [value for port in ports.values() for value in port]
            sampled = (await ctx.tick().sample(*values))[2:]
            for index, name in enumerate(ports):
                enable, address, word = sampled[3 * index : 3 * index + 3]
                if enable:
                    self.written[name][address] = word

    async def send(self, ctx, words, last=None):
        """One packet, TLAST on its last word; true when the load was good."""
        dut = self.dut
        self.written = self._nothing()
        for index, word in enumerate(words):
            while self.draw.random() < 0.2:
                await ctx.tick()
            ctx.set(dut.i.payload, {"data": word, "last": index == len(words) - 1})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)
            if index < len(words) - 1:
                assert ctx.get(dut.request) == 1
                assert ctx.get(dut.loaded) == 0
        await ctx.tick().until(~dut.request)
        assert ctx.get(dut.loaded) != ctx.get(dut.error)
        return bool(ctx.get(dut.loaded))

    def contents(self):
        def in_order(words):
            assert sorted(words) == list(range(len(words)))
            return [words[at] for at in range(len(words))]

        return LoadedWords(
            weights=in_order(self.written["weight"]),
            phi=in_order(self.written["phi"]),
            thresholds=in_order(self.written["threshold"]),
        )

    def run(self, testbench):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(testbench)
        simulator.add_testbench(self.monitor, background=True)
        simulator.run_until(20e-3)


@pytest.mark.parametrize("config", SHAPES, ids=range(len(SHAPES)))
def test_good_load_fills_the_memories(config):
    parameters = LayerParameters.seeded(config, 1)
    words = load_words(config, parameters)
    bench = Bench(config)
    done = []

    async def check(ctx):
        assert ctx.get(bench.dut.loaded) == 0
        ctx.set(bench.dut.grant, 1)
        assert await bench.send(ctx, words)
        contents = bench.contents()
        assert contents == bench.dut.model(words)
        assert contents.weights == weight_words(config, parameters)
        assert contents.thresholds == threshold_words(config, parameters)
        assert contents.phi == parameters.phi[1:, 1:].ravel().tolist()
        done.append(True)

    bench.run(check)
    assert done


def mutations(config, words):
    """A wrong version of a good load for each thing that can be wrong with it."""
    weights, phi, channels = word_map(config)

    def put(at, value):
        return [*words[:at], value % (1 << 32), *words[at + 1 :]]

    first, last = channels.offset, len(words) - 1
    low, high = config.act_range
    yield "cut to one word", words[:1]
    yield "cut in the weights", words[: weights.words - 1]
    yield "cut in phi", words[: phi.offset + 1]
    yield "one word short", words[:-1]
    yield "one word long", [*words, 0]
    yield "another load long", words + words
    yield "weight code", put(weights.words - 1, config.m + 1)
    yield "most negative phi", put(phi.offset, -config.phi_limit - 1)
    yield "phi too large", put(phi.offset + phi.words - 1, config.phi_limit + 1)
    yield "flip", put(first, 2)
    row = slice(first + 1, first + config.n + 1)
    for name, flip, thresholds in (
        ("threshold above", 0, [low] * (config.n - 1) + [high + 2]),
        ("threshold below", 0, [low - 1] + [low] * (config.n - 1)),
        ("flipped threshold above", 1, [high + 1] + [low] * (config.n - 1)),
        ("flipped threshold below", 1, [low] * (config.n - 1) + [low - 2]),
        ("descending", 0, [low + 1] + [low] * (config.n - 1)),
        ("ascending flipped", 1, [low] * (config.n - 1) + [low + 1]),
        ("wraps", 0, [low] * (config.n - 1) + [1 << 20]),
    ):
        changed = put(first, flip)
        changed[row] = [value % (1 << 32) for value in thresholds]
        yield name, changed
    yield "last threshold", put(last, 1 << 20)


def test_bad_loads_are_reported_and_the_next_good_one_recovers():
    config = shape()
    words = load_words(config, LayerParameters.seeded(config, 2))
    bench = Bench(config, seed=1)
    seen = []

    async def check(ctx):
        ctx.set(bench.dut.grant, 1)
        for name, wrong in mutations(config, words):
            assert bench.dut.model(wrong) is None, name
            assert not await bench.send(ctx, wrong), name
            assert not await bench.send(ctx, wrong), name
            assert await bench.send(ctx, words), name
            assert bench.contents() == bench.dut.model(words), name
            seen.append(name)

    bench.run(check)
    assert len(seen) == 18


def test_equal_and_extreme_thresholds_are_good():
    config = shape(in_channels=2, n=3)
    low, high = config.act_range
    words = load_words(config, LayerParameters.seeded(config, 2))
    at = word_map(config)[2].offset
    words[at:] = [value % (1 << 32) for value in (0, low, low, high + 1, 1, high, low - 1, low - 1)]
    bench = Bench(config)
    done = []

    async def check(ctx):
        ctx.set(bench.dut.grant, 1)
        assert await bench.send(ctx, words)
        assert bench.contents() == bench.dut.model(words)
        done.append(True)

    bench.run(check)
    assert done


def test_waits_for_the_grant():
    config = shape()
    words = load_words(config, LayerParameters.seeded(config, 3))
    bench = Bench(config)
    done = []

    async def check(ctx):
        dut = bench.dut
        assert ctx.get(dut.request) == 0
        ctx.set(dut.i.payload, {"data": words[0], "last": 0})
        ctx.set(dut.i.valid, 1)
        for _ in range(10):
            await ctx.tick()
            assert ctx.get(dut.request) == 1
            assert ctx.get(dut.i.ready) == 0
        ctx.set(dut.grant, 1)
        assert await bench.send(ctx, words)
        ctx.set(dut.grant, 0)
        ctx.set(dut.i.valid, 1)
        for _ in range(10):
            await ctx.tick()
            assert ctx.get(dut.loaded) == 1
        done.append(True)

    bench.run(check)
    assert done


def test_a_word_a_cycle():
    config = shape()
    words = load_words(config, LayerParameters.seeded(config, 4))
    bench = Bench(config)
    cycles = []

    async def check(ctx):
        dut = bench.dut
        ctx.set(dut.grant, 1)
        ctx.set(dut.i.valid, 1)
        taken = count = 0
        while not ctx.get(dut.loaded):
            if taken < len(words):
                ctx.set(dut.i.payload, {"data": words[taken], "last": taken == len(words) - 1})
            else:
                ctx.set(dut.i.valid, 0)
            taken += ctx.get(dut.i.ready) and taken < len(words)
            await ctx.tick()
            count += 1
        cycles.append(count)

    bench.run(check)
    assert cycles == [len(words) + 3]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_model_takes_only_what_load_words_makes(data):
    config = shape()
    words = load_words(config, LayerParameters.seeded(config, data.draw(st.integers(0, 5))))
    loader = Loader(config)
    loaded = loader.model(words)
    assert loaded is not None
    at = data.draw(st.integers(0, len(words) - 1))
    changed = [*words]
    changed[at] = data.draw(st.integers(0, (1 << 32) - 1))
    result = loader.model(changed)
    # Only the bits above the codes of a weight word carry nothing.
    nothing = at < word_map(config)[0].words or changed == words
    assert result is None or result != loaded or nothing


def test_word_map_covers_the_load():
    for config in SHAPES:
        sections = word_map(config)
        assert [section.name for section in sections] == ["weights", "phi", "channels"]
        assert [section.offset for section in sections] == [
            0,
            sections[0].words,
            sections[0].words + sections[1].words,
        ]
        words = load_words(config, LayerParameters.seeded(config, 0))
        assert len(words) == sections[-1].offset + sections[-1].words


def test_rejects():
    with pytest.raises(TypeError, match="must be an EngineConfig, not 3"):
        Loader(3)
    baked = dataclasses.replace(shape(), loadable=False)
    with pytest.raises(ValueError, match="loadable must be True"):
        Loader(baked)
    with pytest.raises(ValueError, match="loadable must be True"):
        load_words(baked, LayerParameters.seeded(baked, 0))
