# amaranth: UnusedElaboratable=no
"""Frames of any length at the input, whole frames at the output, whatever stalls."""

import random

import pytest
from hdl_bench import simulate

from pa_hdl.config import EngineConfig
from pa_hdl.frame import Collector, FrameGuard
from pa_hdl.parameters import pack, unpack

CONFIG = EngineConfig(
    in_channels=3, out_channels=3, height=2, width=2, kernel=(1, 1), pad=(0, 0, 0, 0), m=1, n=1,
    simd=2, pe=2, act_bits=6,
)  # fmt: skip
TINY = EngineConfig(
    in_channels=1, out_channels=1, height=1, width=1, kernel=(1, 1), pad=(0, 0, 0, 0), m=1, n=1,
    simd=1, pe=1, act_bits=6,
)  # fmt: skip


def guard_run(config, lengths, *, stall=0.3, hold=None):
    """Beats that come out for frames of these lengths; a frame's number is its data."""
    rng_in, rng_out = random.Random(1), random.Random(2)
    dut = FrameGuard(config=config)
    beats = [(n, k == length - 1) for n, length in enumerate(lengths) for k in range(length)]
    got, flags, starts = [], [], []

    async def feed(ctx):
        for value, last in beats:
            while rng_in.random() < stall:
                await ctx.tick()
            ctx.set(dut.i.p.data[0], value)
            ctx.set(dut.i.p.last, last)
            ctx.set(dut.i.valid, 1)
            while not (await ctx.tick().sample(dut.i.ready))[-1]:
                pass
            flags.append((ctx.get(dut.frame_short), ctx.get(dut.frame_long)))
            ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(60)

    async def drain(ctx):
        while True:
            ready = rng_out.random() >= stall
            ctx.set(dut.o.ready, ready)
            *_, valid, payload, started = await ctx.tick().sample(
                dut.o.valid, dut.o.payload, dut.started
            )
            if valid and ready:
                got.append(None if payload.padding else payload.data[0])
                assert payload.fold == (len(got) - 1) % config.in_folds
                starts.append(started)
            else:
                assert not started

    simulate(dut, feed, background=[drain] + ([hold(dut)] if hold else []))
    assert starts == [int(k % config.in_beats == 0) for k in range(len(got))]
    return dut, beats, got, flags


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize(
    ("lengths", "short", "long"),
    [
        ([8, 8, 8], 0, 0),
        ([8, 3, 8], 1, 0),
        ([1, 8, 7, 8], 1, 0),
        ([9, 8, 30, 8], 0, 1),
        ([2, 11, 8, 5, 8], 1, 1),
    ],
)
def test_every_frame_has_its_length(lengths, short, long, stall):
    dut, beats, got, flags = guard_run(CONFIG, lengths, stall=stall)
    assert got == dut.model(beats)
    assert len(got) == len(lengths) * CONFIG.in_beats
    assert flags[-1] == (short, long)
    assert flags == sorted(flags), "flags never fall"


def test_frames_of_one_beat():
    dut, beats, got, flags = guard_run(TINY, [1, 3, 1, 1])
    assert got == dut.model(beats) == [0, 1, 2, 3]
    assert flags[-1] == (0, 1)


def test_hold_stops_at_a_frame_boundary():
    seen = []

    def hold(dut):
        async def testbench(ctx):
            await ctx.tick().repeat(12)
            ctx.set(dut.hold, 1)
            await ctx.tick().repeat(60)
            seen.append((ctx.get(dut.idle), ctx.get(dut.i.ready), ctx.get(dut.o.valid)))
            ctx.set(dut.hold, 0)

        return testbench

    dut, beats, got, _ = guard_run(CONFIG, [8] * 4, hold=hold)
    assert seen == [(1, 0, 0)]
    assert got == dut.model(beats)


@pytest.mark.parametrize("stall", [0.0, 0.6])
@pytest.mark.parametrize("config", [CONFIG, TINY])
def test_collector_never_overflows(config, stall):
    """A producer that obeys credits and has a long pipeline loses nothing."""
    pipeline = 9
    dut = Collector(config=config, round_trip=pipeline + Collector.LATENCY + 1)
    rng = random.Random(3)
    accs = [[rng.randint(-40, 40) for _ in range(config.pe)] for _ in range(40)]
    got, cycles = [], []

    async def produce(ctx):
        waiting = [None] * pipeline
        queue = list(accs)
        while queue or any(waiting):
            take = bool(queue and ctx.get(dut.credit))
            ctx.set(dut.take, take)
            waiting.append(queue.pop(0) if take else None)
            lanes = waiting.pop(0)
            ctx.set(dut.valid, lanes is not None)
            ctx.set(dut.acc.as_value(), pack(lanes or [], config.acc_bits))
            await ctx.tick()
        ctx.set(dut.valid, 0)
        await ctx.tick().repeat(300)

    async def drain(ctx):
        cycle = 0
        while True:
            ready = rng.random() >= stall
            ctx.set(dut.o.ready, ready)
            *_, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload.as_value())
            cycle += 1
            if valid and ready:
                lanes = unpack(payload, config.acc_bits, config.pe, signed=True)
                got.append((lanes, bool(payload >> (config.acc_bits * config.pe))))
                cycles.append(cycle)

    simulate(dut, produce, background=(drain,))
    assert got == dut.model(accs)
    if stall == 0 and config.folds_per_output == 1:
        assert cycles == list(range(cycles[0], cycles[0] + len(accs))), "one beat a cycle"


def test_round_trip_is_positive():
    with pytest.raises(ValueError, match="round_trip must be at least 1, not 0"):
        Collector(config=CONFIG, round_trip=0)
