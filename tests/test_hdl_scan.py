# amaranth: UnusedElaboratable=no
"""The scans address what the definition of a convolution picks, one fold a cycle."""

import random
from itertools import islice

import pytest
from hdl_bench import WINDOWS, simulate, window_configuration, window_schedule

from pa_hdl.scan import PixelScan, TapScan, clamp
from pa_hdl.window import Window


@pytest.mark.parametrize("name", WINDOWS)
def test_scans_agree_with_the_definition_of_a_convolution(name):
    """Pixel and tap models together address what the window's model picks."""
    config = window_configuration(name)
    rows = window_schedule(config).rows
    depth = rows * config.width * config.in_folds
    frame = list(range(config.in_beats))
    pixels = PixelScan(config=config, rows=rows).model()
    taps = TapScan(config=config, rows=rows)
    for number in range(2):
        expected = Window(config=config, rows=rows).model(frame, blank=None)
        folds = [
            fold
            for pixel in islice(pixels, config.out_height * config.out_width)
            for fold in taps.model(pixel)
        ]
        start = number * config.in_beats
        assert [fold["address"] for fold in folds] == [
            None if beat is None else (start + beat) % depth for beat in expected
        ]


@pytest.mark.parametrize("name", WINDOWS)
def test_pixels_match_model(name):
    config = window_configuration(name)
    dut = PixelScan(config=config, rows=config.height + 1)
    count = 2 * config.out_height * config.out_width
    got = []

    async def testbench(ctx):
        ctx.set(dut.arrived, 1)
        await ctx.tick().repeat(config.height * config.width)
        ctx.set(dut.o.ready, 1)
        for cycle in range(2 * config.height * config.width + count):
            if cycle == config.height * config.width:
                ctx.set(dut.arrived, 0)
            *_, valid, pixel = await ctx.tick().sample(dut.o.valid, dut.o.payload)
            if valid:
                got.append({key: pixel[key] for key in ("base", "offset", "x", "y", "frees")})

    simulate(dut, testbench)
    assert got == list(islice(dut.model(), count))


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("name", WINDOWS)
def test_no_pixel_comes_before_its_window(name, stall):
    """Each comes two cycles after what it needs arrived, or one after the pixel before it."""
    config = window_configuration(name)
    dut = PixelScan(config=config, rows=config.height + 1)
    size, frames = config.height * config.width, 2
    needs = [
        frame * size + (dut.needed(config, oy, 0) - 1) * config.width + dut.needed(config, ox, 1)
        for frame in range(frames)
        for oy in range(config.out_height)
        for ox in range(config.out_width)
    ]
    rng = random.Random(1)
    arrivals, times = [], []

    async def testbench(ctx):
        ctx.set(dut.o.ready, 1)
        cycle = 0
        while len(times) < len(needs):
            arrived = len(arrivals) < frames * size and rng.random() >= stall
            if arrived:
                arrivals.append(cycle)
            ctx.set(dut.arrived, arrived)
            *_, valid = await ctx.tick().sample(dut.o.valid)
            if valid:
                times.append(cycle)
            cycle += 1

    simulate(dut, testbench)
    expected = []
    for need in needs:
        after = expected[-1] + 1 if expected else 0
        expected.append(max(after, arrivals[need - 1] + 1 + PixelScan.LATENCY))
    assert times == expected


@pytest.mark.parametrize("name", WINDOWS)
def test_taps_match_model(name):
    config = window_configuration(name)
    rows = window_schedule(config).rows
    dut = TapScan(config=config, rows=rows)
    pixels = list(islice(PixelScan(config=config, rows=rows).model(), 12))
    got, cycles, freed = [], [], []

    async def feed(ctx):
        ctx.set(dut.credit, 1)
        for pixel in pixels:
            ctx.set(dut.i.payload, pixel)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().repeat(4)

    async def drain(ctx):
        cycle = 0
        while True:
            *_, valid, padding, address, weight_addr, first, last, frees = await ctx.tick().sample(
                dut.valid, dut.padding, dut.address, dut.weight_addr, dut.first, dut.last, dut.frees
            )
            cycle += 1
            freed.append(frees)
            if valid:
                cycles.append(cycle)
                place = None if padding else address
                got.append(
                    {"address": place, "weight_addr": weight_addr, "first": first, "last": last}
                )

    simulate(dut, feed, background=(drain,))
    assert got == [fold for pixel in pixels for fold in dut.model(pixel)]
    assert cycles == list(range(cycles[0], cycles[0] + len(got)))
    assert sum(freed) == sum(pixel["frees"] for pixel in pixels)


@pytest.mark.parametrize("name", ["grouped", "grouped, wide", "lanewise", "lanewise point"])
def test_an_output_channel_reads_the_channels_of_its_group(name):
    config = window_configuration(name)
    read = {}
    for index in range(config.folds_per_pixel):
        ky, kx, fold = config.position(index)
        lanes = range(fold * config.simd, (fold + 1) * config.simd)
        out_fold = index // config.folds_per_output
        for pe in range(config.pe):
            out = out_fold * config.pe + pe
            own = [out] if config.lanewise else lanes
            read.setdefault(out, set()).update((ky, kx, channel) for channel in own)
    inside = config.in_channels // config.groups
    members = config.out_channels // config.groups
    taps = [(ky, kx) for ky in range(config.kernel[0]) for kx in range(config.kernel[1])]
    for out in range(config.out_channels):
        start = out // members * inside
        channels = range(start, start + inside)
        assert read[out] == {(*tap, channel) for tap in taps for channel in channels}


def test_clamp():
    assert [clamp(value, 1, 3) for value in (-4, 1, 2, 9)] == [1, 1, 2, 3]
