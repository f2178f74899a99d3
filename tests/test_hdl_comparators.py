# amaranth: UnusedElaboratable=no
"""Comparators: every activation against every threshold, padding, surplus lanes, loads."""

import random
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Shape
from hdl_bench import outputs_of, simulate

from pa_hdl.comparators import Comparators, Encoder
from pa_hdl.config import EngineConfig
from pa_hdl.parameters import LayerParameters, pack, threshold_words, unpack

SHAPES = {
    "one": dict(in_channels=1, m=1, n=1, simd=1),
    "one word": dict(in_channels=3, m=1, n=5, simd=4),
    "words": dict(in_channels=5, m=1, n=7, simd=2, act_bits=5, act_signed=True),
    "many": dict(in_channels=2, m=1, n=20, simd=1, act_bits=12),
}


def configuration(name, *, loadable=False):
    return EngineConfig(out_channels=1, height=3, width=3, pe=1, loadable=loadable, **SHAPES[name])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("flip", [0, 1])
def test_encoder_is_right_at_every_threshold(signed, flip):
    shape = Shape(3, signed)
    dut = Encoder(act=shape, n=1, threshold_bits=5)
    low, high = (-4, 3) if signed else (0, 7)
    cases = [
        (act, threshold)
        for act in range(low, high + 1)
        for threshold in range(low - flip, high + 2 - flip)
    ]
    inputs = [{"act": act, "flip": flip, "thresholds": pack([t], 5)} for act, t in cases]
    expected = [int(act <= t if flip else act >= t) for act, t in cases]
    assert outputs_of(dut, inputs, "code", Encoder.latency_of(1)) == expected
    assert [dut.model(act, flip, [t]) for act, t in cases] == expected


def beats_of(config, parameters, seed, *, count=60):
    """Random beats with the codes that a comparison by the definition gives."""
    rng = random.Random(seed)
    low, high = config.act_range
    inputs, expected = [], []
    for index in range(count):
        fold, padding = index % config.in_folds, rng.random() < 0.2
        acts, codes = [], []
        for lane in range(config.simd):
            channel = fold * config.simd + lane
            act, code = rng.randint(low, high), 0
            if channel < config.in_channels:
                thresholds = parameters.thresholds[channel].tolist()
                if rng.random() < 0.5:  # at a threshold, or one beside it
                    act = min(max(rng.choice(thresholds) + rng.randint(-1, 1), low), high)
                flip = parameters.flip[channel]
                code = sum(act <= t if flip else act >= t for t in thresholds)
            acts.append(act)
            codes.append(0 if padding else code)
        inputs.append(
            {"valid": 1, "act": pack(acts, config.act_bits), "fold": fold, "padding": padding}
        )
        expected.append((acts, codes))
    return inputs, expected


@pytest.mark.parametrize("name", SHAPES)
def test_baked_codes_match_the_definition(name):
    config = configuration(name)
    parameters = LayerParameters.seeded(config, seed=1)
    inputs, expected = beats_of(config, parameters, seed=2)
    dut = Comparators(config=config, parameters=parameters)
    got = outputs_of(dut, inputs, "codes", Comparators.latency(config))
    assert [unpack(word, config.code_bits, config.simd) for word in got] == [
        codes for _, codes in expected
    ]
    for beat, (acts, codes) in zip(inputs, expected, strict=True):
        assert dut.model(acts, beat["fold"], beat["padding"]) == codes


def test_loaded_codes_match_the_definition():
    config = configuration("words", loadable=True)
    parameters = LayerParameters.seeded(config, seed=3)
    parameters = replace(
        parameters, flip=np.zeros(5, bool), thresholds=np.tile(np.arange(7), (5, 1))
    )
    inputs, expected = beats_of(config, parameters, seed=4)
    dut = Comparators(config=config)
    got = []

    async def drive(ctx):
        for address, word in enumerate(threshold_words(config, parameters)):
            ctx.set(dut.threshold_en, 1)
            ctx.set(dut.threshold_addr, address)
            ctx.set(dut.threshold_data, word)
            await ctx.tick()
        ctx.set(dut.threshold_en, 0)
        for beat in inputs:
            for port, value in beat.items():
                port = getattr(dut, port)
                ctx.set(port.as_value() if hasattr(port, "as_value") else port, value)
            await ctx.tick()
        ctx.set(dut.valid, 0)
        await ctx.tick().repeat(Comparators.latency(config) + 1)

    async def drain(ctx):
        while True:
            *_, valid, word = await ctx.tick().sample(dut.o_valid, dut.codes.as_value())
            if valid:
                got.append(unpack(word, config.code_bits, config.simd))

    simulate(dut, drive, background=(drain,))
    assert got == [codes for _, codes in expected]
    with pytest.raises(ValueError, match="no thresholds of their own"):
        dut.model([0, 0], 0)
