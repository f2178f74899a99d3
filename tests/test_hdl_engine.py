# amaranth: UnusedElaboratable=no
"""The engine against a direct sum: shapes, stalls, bad frames, reset, loads."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from hdl_bench import Bench, baked, direct, frames, in_beats, out_beats, random_image, simulate

from pa_hdl.config import EngineConfig
from pa_hdl.engine import Engine
from pa_hdl.loader import load_words
from pa_hdl.parameters import LayerParameters

POINT = dict(kernel=(1, 1), pad=(0, 0, 0, 0))
SHAPES = {
    "plain": dict(in_channels=4, out_channels=4, height=3, width=4, m=4, n=5, simd=2, pe=2),
    "surplus": dict(in_channels=3, out_channels=3, height=4, width=3, m=2, n=3, simd=2, pe=2),
    "valid": dict(
        in_channels=2, out_channels=2, height=5, width=6, m=3, n=3, simd=2, pe=1, pad=(0, 0, 0, 0)
    ),
    "strided point": dict(
        in_channels=3, out_channels=2, height=6, width=5, stride=(2, 2), m=1, n=1, simd=1, pe=2
    )
    | POINT,
    "one fold": dict(in_channels=2, out_channels=2, height=3, width=4, m=2, n=3, simd=4, pe=3)
    | POINT,
    "large kernel": dict(
        in_channels=1, out_channels=2, height=5, width=4, kernel=(5, 7), pad=(2, 1, 3, 3),
        stride=(1, 2), m=2, n=2, simd=1, pe=2,
    ),
    "far padding": dict(
        in_channels=1, out_channels=1, height=2, width=3, kernel=(2, 1), pad=(4, 3, 2, 1),
        stride=(2, 1), m=1, n=2, simd=1, pe=1, act_signed=True, act_bits=4,
    ),
    "single pixel": dict(in_channels=1, out_channels=1, height=1, width=1, m=1, n=1, simd=1, pe=1)
    | POINT,
    "thermometer": dict(
        in_channels=5, out_channels=3, height=3, width=3, m=4, n=5, simd=3, pe=2,
        base="thermometer", stride=(2, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_an_unstalled_engine_keeps_its_schedule(name):
    config, parameters = baked(**SHAPES[name])
    beats, expected = frames(config, parameters, 4, seed=1)
    bench = Bench(dut := Engine(config, parameters))
    bench.run(beats, expected)
    assert bench.got == expected
    first = bench.in_cycles[0]
    assert bench.out_cycles[0] - first == dut.schedule.latency
    ends = bench.out_cycles[config.out_beats - 1 :: config.out_beats]
    assert [end - first for end in ends] == [dut.schedule.cycles(k + 1) for k in range(4)]


@pytest.mark.parametrize(("stall_in", "stall_out"), [(0.6, 0.0), (0.0, 0.8), (0.3, 0.3)])
@pytest.mark.parametrize("name", ["surplus", "strided point", "one fold", "far padding"])
def test_stalls_change_nothing_but_time(name, stall_in, stall_out):
    config, parameters = baked(**SHAPES[name])
    beats, expected = frames(config, parameters, 3, seed=2)
    bench = Bench(Engine(config, parameters), seed=3, stall_in=stall_in, stall_out=stall_out)
    bench.run(beats, expected)
    assert bench.got == expected


@pytest.mark.parametrize("name", ["plain", "far padding", "thermometer"])
def test_model_is_the_direct_sum(name):
    config, parameters = baked(**SHAPES[name])
    image = random_image(config, np.random.default_rng(4))
    expected = direct(config, parameters, image)
    assert (Engine(config, parameters).model(image) == expected).all()


@pytest.mark.parametrize("cut", [1, 5, 11])
def test_a_short_frame_is_padded_and_the_next_is_right(cut):
    config, parameters = baked(**SHAPES["surplus"])
    beats, expected = frames(config, parameters, 2, seed=5)
    cut = config.in_beats - cut
    beats = [*beats[: cut - 1], (beats[cut - 1][0], True), *beats[config.in_beats :]]
    bench = Bench(dut := Engine(config, parameters), seed=6, stall_in=0.2)
    flags = {}

    async def watch(ctx):
        flags["before"] = ctx.get(dut.frame_short)
        await ctx.tick().until(dut.frame_short)
        await ctx.tick().repeat(600)
        flags["after"] = ctx.get(dut.frame_short), ctx.get(dut.frame_long)

    bench.run(beats, expected, watch)
    assert flags == {"before": 0, "after": (1, 0)}
    assert bench.got[config.out_beats :] == expected[config.out_beats :]
    assert bench.got[: config.out_beats] == padded_frame(config, parameters, beats[:cut])


def padded_frame(config, parameters, beats):
    """Output of a frame whose missing beats have code 0, whatever the thresholds say."""
    channels = config.in_folds * config.simd
    lanes = np.zeros((config.in_beats, config.simd), dtype=np.int64)
    real = np.zeros_like(lanes, dtype=bool)
    lanes[: len(beats)] = [lane for lane, _ in beats]
    real[: len(beats)] = True

    def image_of(array):
        folds = array.reshape(config.height, config.width, channels)
        return folds.transpose(2, 0, 1)[: config.in_channels]

    codes = (image_of(lanes)[:, None] >= parameters.thresholds[:, :, None, None]).sum(axis=1)
    flipped = (image_of(lanes)[:, None] <= parameters.thresholds[:, :, None, None]).sum(axis=1)
    codes = np.where(parameters.flip[:, None, None], flipped, codes) * image_of(real)
    # An identity comparator turns codes back into an image of codes.
    identity = LayerParameters(
        codes=parameters.codes,
        phi=parameters.phi,
        thresholds=np.tile(np.arange(1, config.n + 1), (config.in_channels, 1)),
        flip=np.zeros(config.in_channels, dtype=bool),
    )
    return out_beats(config, direct(config, identity, codes))


def test_a_long_frame_is_cut_and_the_next_is_right():
    config, parameters = baked(**SHAPES["surplus"])
    beats, expected = frames(config, parameters, 2, seed=7)
    size = config.in_beats
    surplus = [(lanes, index == 4) for index, (lanes, _) in enumerate(beats[:5])]
    beats = [*beats[: size - 1], (beats[size - 1][0], False), *surplus, *beats[size:]]
    bench = Bench(dut := Engine(config, parameters))
    flags = []

    async def watch(ctx):
        await ctx.tick().repeat(800)
        flags.extend([ctx.get(dut.frame_short), ctx.get(dut.frame_long)])

    bench.run(beats, expected, watch)
    assert bench.got == expected
    assert flags == [0, 1]


@pytest.mark.parametrize("moment", [9, 40, 77])
def test_reset_in_mid_frame_forgets_the_frame(moment):
    config, parameters = baked(**SHAPES["valid"])
    beats, expected = frames(config, parameters, 2, seed=10)
    dut, reset = Engine(config, parameters), Signal()
    bench = Bench(dut, stall_in=0.2)

    async def testbench(ctx):
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.o.ready, 1)
        await ctx.tick().repeat(moment)
        ctx.set(dut.i.valid, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        await bench.feed(beats)(ctx)
        while len(bench.got) < len(expected):
            await ctx.tick()
        await ctx.tick().repeat(40)

    async def drain(ctx):
        await ctx.tick().repeat(moment + 1)
        await bench.drain(ctx)

    simulate(ResetInserter(reset)(dut), testbench, background=(drain,))
    assert bench.got == expected


def load(dut, words):
    """Testbench that sends one load."""

    async def testbench(ctx):
        for index, word in enumerate(words):
            ctx.set(dut.cfg.p.data, word)
            ctx.set(dut.cfg.p.last, index == len(words) - 1)
            ctx.set(dut.cfg.valid, 1)
            await ctx.tick().until(dut.cfg.ready)
        ctx.set(dut.cfg.valid, 0)

    return testbench


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
def test_a_load_takes_its_turn_between_frames(base):
    config = EngineConfig(**SHAPES["surplus"], base=base)
    first, second = (LayerParameters.seeded(config, seed) for seed in (1, 2))
    dut = Engine(config)
    rng = np.random.default_rng(8)
    images = [random_image(config, rng) for _ in range(4)]
    beats = [
        (lanes, index == config.in_beats - 1)
        for image in images
        for index, lanes in enumerate(in_beats(config, image))
    ]
    bench = Bench(dut, seed=9, stall_out=0.1)
    early = []

    async def loads(ctx):
        await ctx.tick().repeat(20)
        early.append(len(bench.in_cycles))
        await load(dut, load_words(config, first))(ctx)
        while len(bench.in_cycles) < config.in_beats + 3:
            await ctx.tick()
        await load(dut, load_words(config, second))(ctx)

    expected = []
    for image, parameters in zip(images, (first, first, second, second), strict=True):
        expected += out_beats(config, direct(config, parameters, image))
    bench.run(beats, expected, loads)
    assert early == [0]
    assert bench.got == expected


def test_a_bad_load_and_a_reset_leave_the_engine_unready():
    config = EngineConfig(**SHAPES["one fold"])
    parameters = LayerParameters.seeded(config, seed=1)
    words = load_words(config, parameters)
    dut, reset, states = Engine(config), Signal(), []

    async def testbench(ctx):
        async def observe():
            await ctx.tick().repeat(8)
            states.append((ctx.get(dut.cfg_loaded), ctx.get(dut.cfg_error), ctx.get(dut.i.ready)))

        await observe()
        for attempt in (words[:-1], words, [*words, 0], words):
            await load(dut, attempt)(ctx)
            await observe()
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        await observe()

    simulate(ResetInserter(reset)(dut), testbench)
    bad, good, none = (0, 1, 0), (1, 0, 1), (0, 0, 0)
    assert states == [none, bad, good, bad, good, none]


def test_a_layer_whose_products_are_all_zero():
    config, parameters = baked(**SHAPES["surplus"])
    config = replace(config, acc_min=0, acc_max=0)
    parameters = replace(parameters, phi=parameters.phi * 0)
    beats, expected = frames(config, parameters, 1, seed=11)
    bench = Bench(Engine(config, parameters))
    bench.run(beats, expected)
    assert bench.got == expected


def test_parameters_are_given_exactly_when_baked():
    config, parameters = baked(**SHAPES["surplus"])
    with pytest.raises(ValueError, match="parameters must be given exactly when"):
        Engine(config)
    with pytest.raises(ValueError, match="parameters must be given exactly when"):
        Engine(EngineConfig(**SHAPES["surplus"]), parameters)
    with pytest.raises(TypeError, match="must be an EngineConfig, not 5"):
        Engine(5)
