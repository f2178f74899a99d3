# amaranth: UnusedElaboratable=no
"""The scans address what the definition of a convolution picks, one fold a cycle."""

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
    """With the writer a frame ahead, pixels come one a cycle."""
    config = window_configuration(name)
    dut = PixelScan(config=config, rows=config.height + 1)
    count = 2 * config.out_height * config.out_width
    got = []

    async def testbench(ctx):
        for _ in range(2):
            ctx.set(dut.frame_done, 1)
            await ctx.tick()
            ctx.set(dut.frame_done, 0)
            ctx.set(dut.o.ready, 1)
            for _ in range(count // 2):
                *_, valid, pixel = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                while not valid:
                    *_, valid, pixel = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                got.append({key: pixel[key] for key in ("base", "offset", "x", "y", "frees")})

    simulate(dut, testbench)
    assert got == list(islice(dut.model(), count))


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
