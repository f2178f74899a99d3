"""Drives nodes of a network beat by beat, at given cycles or with random stalls."""

import numpy as np
from amaranth.hdl import Cat, ResetInserter, Signal, Value
from hdl_bench import simulate

from pa_hdl.nodes.stream import StreamShape
from pa_hdl.parameters import pack, unpack

QUIET = 24
"""How many cycles without a beat the bench waits for one too many."""


def stream_shape(channels, height, width, lanes, bits=6, signed=True):
    return StreamShape(
        channels=channels, height=height, width=width, lanes=lanes, bits=bits, signed=signed
    )


def random_frame(shape, rng, low=None, high=None):
    low = shape.range[0] if low is None else low
    high = shape.range[1] if high is None else high
    size = (shape.channels, shape.height, shape.width)
    return rng.integers(low, high, size, dtype=np.int64, endpoint=True)


def random_arrivals(beats, rng, gap):
    """Cycles in which beats are offered: bursts and gaps, on average ``gap`` idle cycles a beat."""
    gaps = rng.geometric(1 / (1 + 4 * gap), beats) - 1
    gaps[rng.random(beats) < 0.75] = 0
    return np.cumsum(gaps + 1).astype(np.int64) + rng.integers(0, 9)


def words_of(shape, frame):
    """Payloads of a frame's beats."""
    beats = frame.transpose(1, 2, 0).reshape(-1, shape.lanes).tolist()
    top = shape.lanes * shape.bits
    return [
        pack(beat, shape.bits) | int(k == len(beats) - 1) << top for k, beat in enumerate(beats)
    ]


def frames_of(shape, words):
    """Frames that payloads hold, after checking ``last``."""
    top = shape.lanes * shape.bits
    assert len(words) % shape.beats == 0
    assert [word >> top for word in words] == [
        int((k + 1) % shape.beats == 0) for k in range(len(words))
    ]
    lanes = [unpack(word, shape.bits, shape.lanes, signed=shape.signed) for word in words]
    images = np.array(lanes, np.int64).reshape(-1, shape.height, shape.width, shape.channels)
    return list(images.transpose(0, 3, 1, 2))


class NodeRun:
    """One run of a node: what came out, and the cycles of all transfers.

    ``arrivals`` are the cycles from which on each input's beats are offered; ``stall`` is the
    probability that an output is not ready; ``watch`` are further testbenches in the background.
    """

    def __init__(self, dut, words, arrivals, *, stall=0.0, seed=0, wanted=None, watch=()):
        self.dut = dut
        self.accepted = [[] for _ in dut.inputs]
        self.departed = [[] for _ in dut.outputs]
        self.got = [[] for _ in dut.outputs]
        frames = len(words[0]) // dut.shapes_in[0].beats
        wanted = wanted or [shape.beats * frames for shape in dut.shapes_out]
        background = [
            self._feed(stream, *given, done)
            for stream, given, done in zip(
                dut.inputs, zip(words, arrivals, strict=True), self.accepted, strict=True
            )
        ]
        for index, stream in enumerate(dut.outputs):
            rng = np.random.default_rng((seed, index))
            background.append(self._drain(stream, rng, stall, index))

        async def finish(ctx):
            quiet = 0
            while quiet < QUIET:
                before = [len(got) for got in self.got]
                await ctx.tick()
                after = [len(got) for got in self.got]
                quiet = 0 if before != after or after < wanted else quiet + 1

        simulate(dut, finish, background=[*background, *watch])

    @staticmethod
    def _feed(stream, words, arrivals, done):
        async def testbench(ctx):
            cycle = 0
            payload = Value.cast(stream.payload)
            for word, arrival in zip(words, arrivals, strict=True):
                while cycle < arrival:
                    await ctx.tick()
                    cycle += 1
                ctx.set(payload, word)
                ctx.set(stream.valid, 1)
                taken = False
                while not taken:
                    taken = (await ctx.tick().sample(stream.ready))[-1]
                    cycle += 1
                done.append(cycle - 1)
                ctx.set(stream.valid, 0)

        return testbench

    def _drain(self, stream, rng, stall, index):
        async def testbench(ctx):
            payload = Value.cast(stream.payload)
            cycle = 0
            while True:
                ready = bool(rng.random() >= stall)
                ctx.set(stream.ready, ready)
                *_, valid, word = await ctx.tick().sample(stream.valid, payload)
                if valid and ready:
                    self.got[index].append(word)
                    self.departed[index].append(cycle)
                cycle += 1

        return testbench


def check_node(dut, frames, *, gap=1.0, stall=0.0, seed=0):
    """Run frames (a list for each input) through a node; compare data, and cycles if no stalls.

    The beats are offered at random cycles, ``gap`` idle ones a beat on average.
    """
    rng = np.random.default_rng(seed)
    words = [
        [word for frame in some for word in words_of(shape, frame)]
        for shape, some in zip(dut.shapes_in, frames, strict=True)
    ]
    arrivals = [random_arrivals(len(some), rng, gap) for some in words]
    run = NodeRun(dut, words, arrivals, stall=stall, seed=seed)
    expected = [dut.model(*operands) for operands in zip(*frames, strict=True)]
    for index, shape in enumerate(dut.shapes_out):
        got = frames_of(shape, run.got[index])
        wanted = [each[index] if isinstance(each, tuple) else each for each in expected]
        np.testing.assert_array_equal(got, wanted)
    if not stall:
        passage = dut.passage(*arrivals)
        for curve, cycles in zip(passage.accepted, run.accepted, strict=True):
            np.testing.assert_array_equal(curve, cycles)
        for curve, cycles in zip(passage.departed, run.departed, strict=True):
            np.testing.assert_array_equal(curve, cycles)
    return run


def check_reset(dut, frames, *, seed=0):
    """Interrupt a frame by a reset of one cycle, output held; the frames that follow are right."""
    rng = np.random.default_rng(seed)
    words = [
        [word for frame in some for word in words_of(shape, frame)]
        for shape, some in zip(dut.shapes_in, frames, strict=True)
    ]
    rst = Signal()
    cut = [int(rng.integers(1, shape.beats + 1)) for shape in dut.shapes_in]
    got = [[] for _ in dut.outputs]

    def feed(stream, some, first):
        async def testbench(ctx):
            payload = Value.cast(stream.payload)
            for word in some[:first]:
                ctx.set(payload, word)
                ctx.set(stream.valid, 1)
                await ctx.tick()
            ctx.set(stream.valid, 0)
            for _ in range(max(cut) - first):
                await ctx.tick()
            ctx.set(rst, 1)
            await ctx.tick()
            ctx.set(rst, 0)
            for word in some:
                ctx.set(payload, word)
                ctx.set(stream.valid, 1)
                while not (await ctx.tick().sample(stream.ready))[-1]:
                    pass
                ctx.set(stream.valid, 0)

        return testbench

    async def drain(ctx):
        ctx.set(Cat(stream.ready for stream in dut.outputs), 0)
        for _ in range(max(cut) + 1):
            await ctx.tick()
        ctx.set(Cat(stream.ready for stream in dut.outputs), -1)
        while True:
            ports = [Cat(stream.valid, Value.cast(stream.payload)) for stream in dut.outputs]
            for index, beat in enumerate((await ctx.tick().sample(*ports))[2:]):
                if beat & 1:
                    got[index].append(beat >> 1)

    async def finish(ctx):
        for _ in range(max(len(some) for some in words) * 8 + 100):
            await ctx.tick()

    background = [
        feed(stream, some, first)
        for stream, some, first in zip(dut.inputs, words, cut, strict=True)
    ]
    simulate(ResetInserter(rst)(dut), finish, background=[*background, drain])
    expected = [dut.model(*operands) for operands in zip(*frames, strict=True)]
    for index, shape in enumerate(dut.shapes_out):
        wanted = [each[index] if isinstance(each, tuple) else each for each in expected]
        np.testing.assert_array_equal(frames_of(shape, got[index]), wanted)
