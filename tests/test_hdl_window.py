# amaranth: UnusedElaboratable=no
"""The window's folds, in order, whatever stalls; its writer against its model."""

import random

import pytest
from hdl_bench import WINDOWS, simulate, window_configuration, window_schedule

from pa_hdl.parameters import pack, unpack
from pa_hdl.window import LineWriter, Window


def run(config, rows, *, frames, stall_in, stall_out):
    """Folds as they come out of a window, as (codes, weight address, first, last)."""
    dut = Window(config=config, rows=rows)
    rng_in, rng_out = random.Random(1), random.Random(2)
    beats = [
        [rng_in.randint(1, config.code_range[1]) for _ in range(config.simd)]
        for _ in range(frames * config.in_beats)
    ]
    got = []
    wanted = frames * config.folds_per_frame

    async def feed(ctx):
        """Beats arrive three cycles after they were reserved, as from the comparators."""
        queue, waiting = list(beats), [None] * 3
        while queue or any(waiting):
            send = bool(queue) and rng_in.random() >= stall_in and ctx.get(dut.room)
            ctx.set(dut.reserve, send)
            waiting.append(queue.pop(0) if send else None)
            codes = waiting.pop(0)
            ctx.set(dut.valid, codes is not None)
            ctx.set(dut.codes.as_value(), pack(codes or [], config.code_bits))
            await ctx.tick()
        ctx.set(dut.valid, 0)

    async def drain(ctx):
        addresses, quiet = [0] * Window.WEIGHT_LATENCY, 0
        while quiet < 40:
            ctx.set(dut.credit, rng_out.random() >= stall_out)
            *_, valid, first, last, codes, following = await ctx.tick().sample(
                dut.o_valid, dut.first, dut.last, dut.o_codes.as_value(), dut.weight_addr
            )
            if valid:
                lanes = unpack(codes, config.code_bits, config.simd)
                got.append((lanes, addresses[0], first, last))
            addresses = [*addresses[1:], following]
            quiet = 0 if valid or len(got) < wanted else quiet + 1

    simulate(dut, drain, background=(feed,))
    return dut, beats, got


@pytest.mark.parametrize(
    ("stall_in", "stall_out"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.6), (0.3, 0.3)]
)
@pytest.mark.parametrize("name", WINDOWS)
def test_folds_match_model(name, stall_in, stall_out):
    config = window_configuration(name)
    schedule = window_schedule(config)
    rows = schedule.fewest_rows if stall_in and stall_out else schedule.rows
    dut, beats, got = run(config, rows, frames=3, stall_in=stall_in, stall_out=stall_out)
    size = config.in_beats
    expected = []
    for start in range(0, len(beats), size):
        folds = dut.model(beats[start : start + size], blank=[0] * config.simd)
        for index, lanes in enumerate(folds):
            step = index % config.folds_per_output
            expected.append(
                (
                    lanes,
                    index % config.folds_per_pixel,
                    int(step == 0),
                    int(step == config.folds_per_output - 1),
                )
            )
    assert got == expected


@pytest.mark.parametrize("name", ["plain", "far below"])
def test_writer_matches_model(name):
    config = window_configuration(name)
    dut = LineWriter(config=config, rows=2)
    seen, room = [], []

    async def testbench(ctx):
        pixels = 0
        for beat in range(2 * config.in_beats):
            seen.append((pixels, ctx.get(dut.address)))
            room.append(ctx.get(dut.room))
            ctx.set(dut.reserve, 1)
            ctx.set(dut.valid, 1)
            ctx.set(dut.frees, int(beat % (config.width * config.in_folds) == 0))
            pixels += ctx.get(dut.pixel_done)
            await ctx.tick()

    simulate(dut, testbench)
    assert seen == [dut.model(beats) for beats in range(2 * config.in_beats)]
    assert all(room)


def test_writer_stops_when_no_row_is_free():
    config = window_configuration("plain")
    dut = LineWriter(config=config, rows=2)
    taken = []

    async def testbench(ctx):
        for _ in range(40):
            room = ctx.get(dut.room)
            ctx.set(dut.reserve, room)
            taken.append(room)
            await ctx.tick()
        ctx.set(dut.reserve, 0)
        ctx.set(dut.frees, 1)
        await ctx.tick()
        ctx.set(dut.frees, 0)
        taken.append(ctx.get(dut.room))

    simulate(dut, testbench)
    assert sum(taken[:-1]) == 2 * config.width * config.in_folds
    assert taken[-1] == 1
