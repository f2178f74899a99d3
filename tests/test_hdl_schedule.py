"""The schedule equals simulation to the cycle, and the rate is what was promised."""

import random
from itertools import pairwise

import pytest
from hdl_bench import Bench, baked, frames

from pa_hdl.config import EngineConfig
from pa_hdl.engine import Engine
from pa_hdl.schedule import Schedule


def random_shape(seed):
    """A small shape: kernels, strides and padding of all kinds, few channels, (M, N) = (1, 1)."""
    rng = random.Random(seed)
    while True:
        shape = dict(
            in_channels=rng.randint(1, 3), out_channels=rng.randint(1, 3),
            height=rng.randint(1, 6), width=rng.randint(1, 6),
            kernel=(rng.randint(1, 4), rng.randint(1, 4)),
            stride=(rng.randint(1, 3), rng.randint(1, 3)),
            pad=tuple(rng.choice((0, 0, 1, 2)) for _ in range(4)),
            m=1, n=1, simd=rng.randint(1, 4), pe=rng.randint(1, 3), act_bits=2,
        )  # fmt: skip
        try:
            config = EngineConfig(**shape)
        except ValueError:
            continue
        if max(config.folds_per_frame, config.in_beats) < 250:
            return shape


@pytest.mark.parametrize("seed", range(16))
def test_equals_simulation(seed):
    config, parameters = baked(**random_shape(seed))
    count = 5
    beats, expected = frames(config, parameters, count, seed=seed)
    bench = Bench(dut := Engine(config, parameters))
    bench.run(beats, expected)
    assert bench.got == expected
    first = bench.in_cycles[0]
    ends = [cycle - first for cycle in bench.out_cycles[config.out_beats - 1 :: config.out_beats]]
    schedule = dut.schedule
    assert bench.out_cycles[0] - first == schedule.latency
    assert ends == [schedule.cycles(number + 1) for number in range(count)]
    assert schedule.overhead == 0


LAYERS = {
    "3x3": dict(),
    "3x3 of 8x8": dict(height=8, width=8),
    "3x3 stride 2": dict(stride=(2, 2)),
    "3x3 valid": dict(pad=(0, 0, 0, 0)),
    "1x1 stride 2": dict(kernel=(1, 1), stride=(2, 2), pad=(0, 0, 0, 0)),
    "1x1 wide": dict(kernel=(1, 1), pad=(0, 0, 0, 0), simd=64, pe=64),
    "5x5": dict(kernel=(5, 5), pad=(2, 2, 2, 2)),
    "7x7 stride 2": dict(kernel=(7, 7), pad=(3, 3, 3, 3), stride=(2, 2)),
    "7x7 valid": dict(kernel=(7, 7), pad=(0, 0, 0, 0)),
    "3x3 stride 3": dict(kernel=(3, 3), stride=(3, 3), pad=(0, 0, 0, 0), simd=64, pe=64),
    "one pixel": dict(kernel=(1, 1), pad=(0, 0, 0, 0), height=1, width=1, simd=64, pe=64),
    "224": dict(height=224, width=224),
}


def layer(name):
    shape = dict(in_channels=64, out_channels=64, height=16, width=16, m=4, n=5, simd=32, pe=8)
    return EngineConfig(**(shape | LAYERS[name]))


@pytest.mark.parametrize("name", LAYERS)
def test_the_rate_has_no_overhead(name):
    schedule = Schedule(config := layer(name))
    assert schedule.overhead == 0
    assert schedule.initiation_interval == max(config.in_beats, config.folds_per_frame)
    assert schedule.rows <= 2 * config.kernel[0] + 6


@pytest.mark.parametrize("name", ["3x3 valid", "1x1 stride 2", "3x3 stride 3", "one pixel"])
def test_the_row_buffer_is_the_smallest_that_keeps_the_rate(name):
    config = layer(name)
    rows = Schedule(config).rows
    fewest = Schedule(config).fewest_rows
    for fewer in range(fewest, rows):
        assert Schedule(config, fewer).overhead > 0
    with pytest.raises(ValueError, match=f"rows must be at least {fewest}, not {fewest - 1}"):
        Schedule(config, fewest - 1)


@pytest.mark.parametrize("name", ["3x3", "one pixel", "3x3 stride 3"])
def test_many_frames_extrapolate(name):
    schedule = Schedule(layer(name))
    cycles = [schedule.cycles(count) for count in range(1, 40)]
    steps = [after - before for before, after in pairwise(cycles)]
    assert steps[-1] == schedule.initiation_interval
    assert schedule.cycles(10**6) == cycles[-1] + (10**6 - 39) * schedule.initiation_interval


def test_a_buffer_that_is_too_small_costs_what_simulation_shows():
    """The model also holds where the line buffer is the bottleneck."""
    config, parameters = baked(
        in_channels=1, out_channels=1, height=4, width=4, m=1, n=1, simd=1, pe=1, act_bits=2,
        kernel=(2, 2), stride=(2, 2), pad=(0, 0, 0, 0),
    )  # fmt: skip
    beats, expected = frames(config, parameters, 6, seed=3)
    dut = Engine(config, parameters)
    dut.schedule = schedule = Schedule(config, dut.schedule.fewest_rows)
    assert schedule.overhead > 0
    bench = Bench(dut)
    bench.run(beats, expected)
    ends = bench.out_cycles[config.out_beats - 1 :: config.out_beats]
    first = bench.in_cycles[0]
    assert [end - first for end in ends] == [schedule.cycles(number + 1) for number in range(6)]


def test_frames_are_counted_from_one():
    with pytest.raises(ValueError, match="frames must be at least 1, not 0"):
        Schedule(layer("3x3")).cycles(0)
