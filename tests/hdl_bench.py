"""Drivers, monitors and expected values that the tests of components and engines share."""

import random

import numpy as np
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.sim import Simulator

from pa_hdl.config import EngineConfig
from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.parameters import LayerParameters, pack, unpack
from pa_hdl.schedule import Schedule


def simulate(dut, *testbenches, background=()):
    """Run testbenches to their end, those in the background for as long as the others."""
    top = Module()
    top.domains.sync = ClockDomain()  # also for a component without registers
    top.submodules.dut = dut
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in background:
        simulator.add_testbench(testbench, background=True)
    simulator.run()


def outputs_of(dut, inputs, output, latency):
    """What a component without handshake answers, `latency` cycles after each input."""
    got = []

    async def drive(ctx):
        for index in range(len(inputs) + latency):
            for port, value in (inputs[index] if index < len(inputs) else {}).items():
                ctx.set(Value.cast(getattr(dut, port)), value)
            if index >= latency:
                got.append(ctx.get(Value.cast(getattr(dut, output))))
            await ctx.tick()

    simulate(dut, drive)
    return got


def direct(config, parameters, image):
    """Accumulators by the definition: codes, then phi of each tap."""
    acts = image[:, None].astype(np.int64)
    thresholds = parameters.thresholds[:, :, None, None]
    flip = parameters.flip[:, None, None, None]
    codes = np.where(flip, acts <= thresholds, acts >= thresholds).sum(axis=1)
    border = ((0, 0), config.pad[:2], config.pad[2:])
    padded = np.pad(codes, border, constant_values=config.n + 1)
    phi = np.pad(parameters.phi, ((0, 0), (0, 1)))  # padding counts nothing
    acc = np.zeros((config.out_channels, config.out_height, config.out_width), dtype=np.int64)
    for ky in range(config.kernel[0]):
        for kx in range(config.kernel[1]):
            rows = slice(ky, ky + config.stride[0] * config.out_height, config.stride[0])
            columns = slice(kx, kx + config.stride[1] * config.out_width, config.stride[1])
            taps = padded[:, rows, columns][:, : config.out_height, : config.out_width]
            for o in range(config.out_channels):
                for c in range(config.in_channels):
                    acc[o] += phi[parameters.codes[o, c, ky, kx]][taps[c]]
    return acc


def random_image(config, rng):
    low, high = config.act_range
    shape = (config.in_channels, config.height, config.width)
    return rng.integers(low, high + 1, shape)


def in_beats(config, image):
    """Lanes of each beat of a frame; surplus lanes carry noise that must not matter."""
    channels = config.in_folds * config.simd
    padded = np.full((channels, config.height, config.width), config.act_range[1])
    padded[: config.in_channels] = image
    folds = padded.reshape(config.in_folds, config.simd, config.height, config.width)
    return folds.transpose(2, 3, 0, 1).reshape(-1, config.simd).tolist()


def out_beats(config, acc):
    """Lanes of each beat of an output frame, and whether it is the last."""
    channels = config.out_folds * config.pe
    padded = np.zeros((channels, config.out_height, config.out_width), dtype=np.int64)
    padded[: config.out_channels] = acc
    folds = padded.reshape(config.out_folds, config.pe, config.out_height, config.out_width)
    lanes = folds.transpose(2, 3, 0, 1).reshape(-1, config.pe).tolist()
    return [(beat, index == len(lanes) - 1) for index, beat in enumerate(lanes)]


def frames(config, parameters, count, seed):
    """Input beats with ``last``, and output beats, of random frames."""
    rng = np.random.default_rng(seed)
    beats, expected = [], []
    for _ in range(count):
        image = random_image(config, rng)
        lanes = in_beats(config, image)
        beats += [(beat, index == len(lanes) - 1) for index, beat in enumerate(lanes)]
        expected += out_beats(config, direct(config, parameters, image))
    return beats, expected


def baked(*, seed=7, **options):
    """A baked configuration with the exact accumulator bound, and seeded parameters."""
    parameters = LayerParameters.seeded(EngineConfig(loadable=False, **options), seed)
    low, high = parameters.acc_range()
    config = EngineConfig(loadable=False, acc_min=low, acc_max=high, **options)
    return config, parameters


class Bench:
    """Drives an engine with independent random stalls; records beats and their cycles."""

    def __init__(self, dut, *, seed=0, stall_in=0.0, stall_out=0.0):
        self.dut = dut
        self.random_in, self.random_out = random.Random(seed), random.Random(seed + 1)
        self.stall_in, self.stall_out = stall_in, stall_out
        self.got, self.in_cycles, self.out_cycles = [], [], []
        self.cycle = 0

    def run(self, beats, expected, *testbenches):
        """Feed all beats and wait for as many as expected, and a little longer."""

        async def finish(ctx):
            quiet = 0
            while quiet < 40:
                before = len(self.got)
                await ctx.tick()
                quiet = 0 if before < len(self.got) or len(self.got) < len(expected) else quiet + 1

        simulate(
            self.dut, finish, *testbenches, background=(self.count, self.feed(beats), self.drain)
        )

    async def count(self, ctx):
        while True:
            await ctx.tick()
            self.cycle += 1

    def feed(self, beats):
        async def testbench(ctx):
            stream, width = self.dut.i, self.dut.config.act_bits
            payload = Value.cast(stream.payload)
            for lanes, last in beats:
                while self.random_in.random() < self.stall_in:
                    await ctx.tick()
                ctx.set(payload, pack(lanes, width) | int(last) << (len(payload) - 1))
                ctx.set(stream.valid, 1)
                while not (await ctx.tick().sample(stream.ready))[-1]:
                    pass
                self.in_cycles.append(self.cycle)
                ctx.set(stream.valid, 0)

        return testbench

    async def drain(self, ctx):
        stream, config = self.dut.o, self.dut.config
        payload = Value.cast(stream.payload)
        while True:
            ready = self.random_out.random() >= self.stall_out
            ctx.set(stream.ready, ready)
            *_, valid, beat = await ctx.tick().sample(stream.valid, payload)
            if valid and ready:
                lanes = unpack(beat, config.acc_bits, config.pe, signed=True)
                self.got.append((lanes, bool(beat >> (len(payload) - 1))))
                self.out_cycles.append(self.cycle)


WINDOWS = {
    "plain": dict(in_channels=2, height=4, width=3, simd=1),
    "two outputs": dict(in_channels=2, out_channels=2, height=3, width=3, simd=2),
    "strided": dict(in_channels=1, height=5, width=6, simd=1, stride=(2, 2)),
    "valid": dict(in_channels=1, height=4, width=5, simd=1, pad=(0, 0, 0, 0)),
    "point": dict(
        in_channels=2, height=5, width=4, simd=1, kernel=(1, 1), stride=(2, 3), pad=(0, 0, 0, 0)
    ),
    "gaps": dict(
        in_channels=1, height=7, width=5, simd=1, kernel=(1, 2), stride=(3, 2), pad=(0, 1, 0, 0)
    ),
    "lopsided": dict(
        in_channels=1, height=4, width=4, simd=1, kernel=(4, 5), pad=(3, 0, 0, 4), stride=(1, 2)
    ),
    "far below": dict(
        in_channels=1, height=2, width=2, simd=1, kernel=(1, 1), pad=(2, 3, 3, 2), stride=(2, 2)
    ),
    "only padding": dict(
        in_channels=1, height=1, width=1, simd=1, kernel=(1, 1), pad=(1, 0, 0, 1), stride=(2, 2)
    ),
    "grouped": dict(in_channels=4, out_channels=6, height=3, width=3, simd=1, groups=2),
    "grouped, wide": dict(
        in_channels=4, out_channels=4, height=4, width=3, simd=2, pe=2, groups=2, kernel=(2, 3),
        stride=(2, 1), pad=(1, 0, 1, 1),
    ),
    "lanewise": dict(
        in_channels=6, out_channels=6, height=3, width=4, simd=2, pe=2, groups=6, stride=(1, 2)
    ),
    "lanewise point": dict(
        in_channels=2, out_channels=2, height=3, width=3, simd=1, groups=2, kernel=(1, 1),
        pad=(0, 0, 1, 0), stride=(2, 2),
    ),
}  # fmt: skip


def window_configuration(name):
    return MultiplyConfig(**(dict(out_channels=1, pe=1, act_bits=3) | WINDOWS[name]))


def window_schedule(config, rows=None):
    """Schedule of a window whose codes come three cycles after they were accepted."""
    return Schedule(config, rows, code_latency=3, dot_latency=3)
