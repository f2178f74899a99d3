"""The engine against a direct sum, and against its schedule, to the cycle."""

import random

import numpy as np
import pytest
from amaranth.sim import Simulator

from pa_hdl.config import EngineConfig
from pa_hdl.engine import Engine
from pa_hdl.parameters import LayerParameters


def direct(config, parameters, image):
    """Accumulators by the definition: codes, bases and phi, one tap at a time."""
    acts = image[:, None].astype(np.int64)
    thresholds = parameters.thresholds[:, :, None, None]
    flip = parameters.flip[:, None, None, None]
    codes = np.where(flip, acts <= thresholds, acts >= thresholds).sum(axis=1)
    padded = np.pad(codes, ((0, 0), config.pad[:2], config.pad[2:]))
    acc = np.zeros((config.out_channels, config.out_height, config.out_width), dtype=np.int64)
    for ky in range(config.kernel[0]):
        for kx in range(config.kernel[1]):
            rows = slice(ky, ky + config.stride[0] * config.out_height, config.stride[0])
            columns = slice(kx, kx + config.stride[1] * config.out_width, config.stride[1])
            taps = padded[:, rows, columns][:, : config.out_height, : config.out_width]
            for o in range(config.out_channels):
                for c in range(config.in_channels):
                    acc[o] += parameters.phi[parameters.codes[o, c, ky, kx]][taps[c]]
    return acc


def random_image(config, rng):
    low, high = config.act_range
    shape = (config.in_channels, config.height, config.width)
    return rng.integers(low, high + 1, shape)


def in_beats(config, image):
    """Lanes of each beat; surplus lanes carry noise that must not matter."""
    channels = config.in_folds * config.simd
    padded = np.full((channels, config.height, config.width), config.act_range[1])
    padded[: config.in_channels] = image
    folds = padded.reshape(config.in_folds, config.simd, config.height, config.width)
    return folds.transpose(2, 3, 0, 1).reshape(-1, config.simd).tolist()


def out_beats(config, acc):
    channels = config.out_folds * config.pe
    padded = np.zeros((channels, config.out_height, config.out_width), dtype=np.int64)
    padded[: config.out_channels] = acc
    folds = padded.reshape(config.out_folds, config.pe, config.out_height, config.out_width)
    lanes = folds.transpose(2, 3, 0, 1).reshape(-1, config.pe).tolist()
    return [(beat, int(index == len(lanes) - 1)) for index, beat in enumerate(lanes)]


class Bench:
    """Drives an engine and records what comes out, and in which cycles beats moved."""

    def __init__(self, dut, *, seed=0, stall_in=0.0, stall_out=0.0):
        self.dut = dut
        self.random_in, self.random_out = random.Random(seed), random.Random(seed + 1)
        self.stall_in, self.stall_out = stall_in, stall_out
        self.got, self.in_cycles, self.out_cycles = [], [], []

    def run(self, beats, expected, extra=(), reset_at=None):
        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(self._feed(beats), background=True)
        simulator.add_testbench(self._drain(expected))
        for testbench in extra:
            simulator.add_testbench(testbench, background=True)
        simulator.run()

    def _feed(self, beats):
        async def feed(ctx):
            dut, config = self.dut, self.dut.config
            cycle = 0
            for lanes, last in beats:
                while self.random_in.random() < self.stall_in:
                    await ctx.tick()
                    cycle += 1
                for lane in range(config.simd):
                    ctx.set(dut.i.p.data[lane], lanes[lane])
                ctx.set(dut.i.p.last, last)
                ctx.set(dut.i.valid, 1)
                moved = False
                while not moved:
                    _, _, moved = await ctx.tick().sample(dut.i.ready)
                    cycle += 1
                self.in_cycles.append(cycle)
                ctx.set(dut.i.valid, 0)

        return feed

    def _drain(self, expected):
        async def drain(ctx):
            dut, config = self.dut, self.dut.config
            cycle = idle = 0
            while len(self.got) < len(expected) + 1 and idle < 2000:
                ready = self.random_out.random() >= self.stall_out
                ctx.set(dut.o.ready, ready)
                _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                cycle += 1
                idle += 1
                if valid and ready:
                    idle = 0
                    lanes = [payload.data[lane] for lane in range(config.pe)]
                    self.got.append((lanes, payload.last))
                    self.out_cycles.append(cycle)
                elif len(self.got) == len(expected) and idle > 30:
                    break

        return drain


def frames(config, parameters, count, seed):
    rng = np.random.default_rng(seed)
    beats, expected = [], []
    for _ in range(count):
        image = random_image(config, rng)
        lanes = in_beats(config, image)
        beats += [(beat, index == len(lanes) - 1) for index, beat in enumerate(lanes)]
        expected += out_beats(config, direct(config, parameters, image))
    return beats, expected


def baked(**options):
    config = EngineConfig(loadable=False, **options)
    return config, LayerParameters.seeded(config, seed=7)


SHAPES = {
    "plain": dict(in_channels=4, out_channels=4, height=4, width=5, m=4, n=5, simd=2, pe=2),
    "surplus": dict(in_channels=3, out_channels=3, height=4, width=4, m=2, n=3, simd=2, pe=2),
    "valid": dict(
        in_channels=2, out_channels=2, height=5, width=6, m=3, n=3, simd=2, pe=1, pad=(0, 0, 0, 0)
    ),
    "pointwise": dict(
        in_channels=3, out_channels=2, height=6, width=5, kernel=(1, 1), stride=(2, 2),
        pad=(0, 0, 0, 0), m=1, n=1, simd=1, pe=2,
    ),
    "one fold": dict(
        in_channels=2, out_channels=2, height=3, width=4, kernel=(1, 1), pad=(0, 0, 0, 0),
        m=2, n=3, simd=4, pe=3,
    ),
    "large kernel": dict(
        in_channels=1, out_channels=2, height=5, width=4, kernel=(5, 7), pad=(2, 1, 3, 3),
        stride=(1, 2), m=2, n=2, simd=1, pe=2,
    ),
    "far padding": dict(
        in_channels=1, out_channels=1, height=2, width=3, kernel=(2, 1), pad=(4, 3, 2, 1),
        stride=(2, 1), m=1, n=2, simd=1, pe=1, act_signed=True, act_bits=4,
    ),
    "single pixel": dict(
        in_channels=1, out_channels=1, height=1, width=1, kernel=(1, 1), pad=(0, 0, 0, 0),
        m=1, n=1, simd=1, pe=1,
    ),
    "thermometer": dict(
        in_channels=5, out_channels=3, height=3, width=3, m=4, n=5, simd=3, pe=2,
        base="thermometer", stride=(2, 2),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_unstalled_engine_keeps_its_schedule(name):
    config, parameters = baked(**SHAPES[name])
    beats, expected = frames(config, parameters, 4, seed=1)
    dut = Engine(config, parameters)
    bench = Bench(dut)
    bench.run(beats, expected)
    assert bench.got == expected
    schedule, first = dut.schedule, bench.in_cycles[0]
    assert bench.out_cycles[0] - first == schedule.latency
    ends = bench.out_cycles[config.out_beats - 1 :: config.out_beats]
    assert [end - first for end in ends] == [schedule.cycles(k + 1) for k in range(4)]


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(("stall_in", "stall_out"), [(0.5, 0.0), (0.0, 0.7), (0.3, 0.3)])
def test_stalls_change_nothing_but_time(name, stall_in, stall_out):
    config, parameters = baked(**SHAPES[name])
    beats, expected = frames(config, parameters, 3, seed=2)
    bench = Bench(Engine(config, parameters), seed=3, stall_in=stall_in, stall_out=stall_out)
    bench.run(beats, expected)
    assert bench.got == expected
