# amaranth: UnusedElaboratable=no
"""Cycles of an engine behind a stream that comes as it likes."""

import numpy as np
import pytest
from hdl_bench import simulate

from pa_hdl.config import EngineConfig
from pa_hdl.engine import Engine
from pa_hdl.nodes.timing import one_per_cycle
from pa_hdl.parameters import LayerParameters
from pa_hdl.passage import window_passage

POINT = {"kernel": (1, 1), "pad": (0, 0, 0, 0)}
SHAPES = {
    "same": {"in_channels": 4, "out_channels": 4, "simd": 2, "pe": 2, "height": 6, "width": 5},
    "wide": {"in_channels": 4, "out_channels": 4, "simd": 4, "pe": 4, "height": 5, "width": 4},
    "stride": {
        **{"in_channels": 4, "out_channels": 6, "simd": 4, "pe": 2, "height": 7, "width": 6},
        "stride": (2, 2),
    },
    "point": {"in_channels": 2, "out_channels": 2, "simd": 2, "pe": 2, "height": 4, "width": 5}
    | POINT,
    "point_stride": {
        **{"in_channels": 2, "out_channels": 2, "simd": 1, "pe": 2, "height": 7, "width": 6},
        **POINT,
        "stride": (2, 2),
    },
    "seven": {
        **{"in_channels": 3, "out_channels": 2, "simd": 3, "pe": 2, "height": 8, "width": 8},
        **{"kernel": (7, 7), "pad": (3, 3, 3, 3), "stride": (2, 2)},
    },
    "vector": {"in_channels": 4, "out_channels": 4, "simd": 2, "pe": 1, "height": 1, "width": 1}
    | POINT,
    "gaps": {
        **{"in_channels": 2, "out_channels": 2, "simd": 2, "pe": 1, "height": 9, "width": 4},
        **{"kernel": (2, 2), "pad": (0, 0, 0, 0), "stride": (3, 3)},
    },
}
FRAMES = 3


def arrivals_of(seed, beats, density, longest):
    random = np.random.default_rng(seed)
    gaps = np.where(random.random(beats) < density, random.integers(0, longest, beats), 0)
    return one_per_cycle(np.cumsum(gaps))


def measured(dut, arrivals, not_before=None):
    """Cycles in which beats entered and left, the output ready from the given cycles on."""
    config, entered, left = dut.config, [], []
    if not_before is None:
        not_before = np.zeros(FRAMES * config.out_beats, np.int64)

    async def drive(ctx):
        cycle, beat = 0, 0
        while len(left) < FRAMES * config.out_beats or beat < len(arrivals):
            offered = beat < len(arrivals) and arrivals[beat] <= cycle
            ctx.set(dut.i.valid, int(offered))
            if offered:
                ctx.set(dut.i.p.last, int((beat + 1) % config.in_beats == 0))
                if ctx.get(dut.i.ready):
                    entered.append(cycle)
                    beat += 1
            ready = len(left) < len(not_before) and not_before[len(left)] <= cycle
            ctx.set(dut.o.ready, int(ready))
            if ready and ctx.get(dut.o.valid):
                left.append(cycle)
            await ctx.tick()
            cycle += 1

    simulate(dut, drive)
    return entered, left


@pytest.mark.parametrize(("density", "longest"), [(0, 2), (0.5, 3), (0.9, 30), (0.02, 200)])
@pytest.mark.parametrize("name", sorted(SHAPES))
def test_passage_is_exact(name, density, longest):
    config = EngineConfig(m=2, n=3, loadable=False, **SHAPES[name])
    dut = Engine(config, LayerParameters.seeded(config, 1))
    arrivals = arrivals_of(longest, FRAMES * config.in_beats, density, longest)
    passage = dut.passage(arrivals)
    entered, left = measured(dut, arrivals)
    assert entered == passage.accepted[0].tolist()
    assert left == passage.departed[0].tolist()


@pytest.mark.parametrize("name", ["same", "stride", "point_stride", "vector"])
def test_an_engine_held_back_is_never_later_than_said(name):
    config = EngineConfig(m=2, n=3, loadable=False, **SHAPES[name])
    dut = Engine(config, LayerParameters.seeded(config, 1))
    arrivals = np.arange(FRAMES * config.in_beats) * 3
    free = dut.passage(arrivals).departed[0]
    gaps = np.random.default_rng(1).integers(0, 60, len(free))
    not_before = one_per_cycle(free + gaps)
    passage = window_passage(dut.schedule, arrivals, not_before)
    entered, left = measured(dut, arrivals, not_before)
    assert (np.array(left) <= passage.departed[0]).all()
    assert (np.array(entered) <= passage.accepted[0]).all()
    assert (passage.departed[0] >= not_before).all()
    nothing = np.zeros_like(not_before)
    assert np.array_equal(window_passage(dut.schedule, arrivals, nothing).departed[0], free)


def test_passage_agrees_with_the_schedule_of_a_source_that_never_waits():
    config = EngineConfig(m=2, n=3, loadable=False, **SHAPES["stride"])
    dut = Engine(config, LayerParameters.seeded(config, 1))
    passage = dut.passage(np.arange(4 * config.in_beats))
    assert passage.departed[0][0] == dut.schedule.latency
    assert passage.departed[0][-1] == dut.schedule.cycles(4)


@pytest.mark.parametrize("beats", [0, 5])
def test_parts_of_frames_are_refused(beats):
    config = EngineConfig(m=2, n=3, loadable=False, **SHAPES["same"])
    dut = Engine(config, LayerParameters.seeded(config, 1))
    message = f"arrivals must be whole frames of 60 beats, not {beats} beats"
    with pytest.raises(ValueError, match=message):
        window_passage(dut.schedule, np.arange(beats))
