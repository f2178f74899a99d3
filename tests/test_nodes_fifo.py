# amaranth: UnusedElaboratable=no
"""Queues of every kind of memory: order, capacity, and the cycle of each transfer."""

from collections import deque

import numpy as np
import pytest
from amaranth.hdl import Value
from hdl_bench import simulate
from nodes_bench import check_node, check_reset, random_frame, stream_shape

from pa_hdl.nodes.fifo import Fifo

SHAPE = stream_shape(2, 3, 4, 2)
DEPTHS = [2, 3, 8, 32, 33, 50]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(("gap", "stall"), [(0.0, 0.0), (0.7, 0.0), (0.0, 0.6), (0.8, 0.4)])
def test_matches_model(depth, gap, stall):
    rng = np.random.default_rng(depth)
    frames = [random_frame(SHAPE, rng) for _ in range(12)]
    run = check_node(Fifo(shape=SHAPE, depth=depth), [frames], gap=gap, stall=stall, seed=depth)
    if gap == stall == 0:
        assert np.all(np.diff(run.departed[0]) == 1), "one beat a cycle"


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_state_is_that_of_a_queue(depth):
    """Bursts on either side fill and empty it; its ports follow an ideal queue cycle by cycle."""
    dut = Fifo(shape=SHAPE, depth=depth)
    rng = np.random.default_rng(depth)
    cycles = 60 * depth
    bursts = [np.repeat(rng.random(cycles) < 0.5, rng.integers(1, 2 * depth)) for _ in range(2)]
    seen = set()

    async def testbench(ctx):
        queue: deque[int] = deque()
        payload_in, payload_out = Value.cast(dut.i.payload), Value.cast(dut.o.payload)
        for cycle in range(cycles):
            valid, ready = (bool(burst[cycle]) for burst in bursts)
            word = int(rng.integers(1 << len(payload_in)))
            ctx.set(dut.i.valid, valid)
            ctx.set(payload_in, word)
            ctx.set(dut.o.ready, ready)
            assert ctx.get(dut.i.ready) == (len(queue) < depth)
            assert ctx.get(dut.o.valid) == bool(queue)
            if queue:
                assert ctx.get(payload_out) == queue[0]
            seen.add((len(queue), valid, ready))
            write = valid and len(queue) < depth
            if ready and queue:
                queue.popleft()
            if write:
                queue.append(word)
            await ctx.tick()

    simulate(dut, testbench)
    assert {level for level, _, _ in seen} == set(range(depth + 1))


@pytest.mark.parametrize("depth", [4, 40])
def test_reset_empties_it(depth):
    rng = np.random.default_rng(depth)
    check_reset(Fifo(shape=SHAPE, depth=depth), [[random_frame(SHAPE, rng) for _ in range(3)]])


def test_storage_and_name():
    assert Fifo(shape=SHAPE, depth=5).storage_bits == 5 * 13
    assert Fifo(shape=SHAPE, depth=5).module_name == "fifo_5"


@pytest.mark.parametrize("depth", [1, 0, -3])
def test_depth_is_two_or_more(depth):
    with pytest.raises(ValueError, match=f"Depth of a queue must be at least 2, not {depth}"):
        Fifo(shape=SHAPE, depth=depth)


@pytest.mark.parametrize("depth", [2.0, "3", True])
def test_depth_is_an_integer(depth):
    with pytest.raises(TypeError, match=f"Depth of a queue must be an integer, not {depth!r}"):
        Fifo(shape=SHAPE, depth=depth)


def test_shape_is_a_stream_shape():
    with pytest.raises(TypeError, match="inputs of a node must be of type StreamShape, not 3"):
        Fifo(shape=3, depth=4)
