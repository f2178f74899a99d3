# amaranth: UnusedElaboratable=no
"""Pools against the definition: formats, windows, stalls, bad frames."""

import numpy as np
import pytest
from nodes_bench import NodeRun, check_node, check_reset, frames_of, random_frame, words_of

from pa_hdl.emit import ModuleLibrary
from pa_hdl.nodes.pool import OffsetCode, Pool, PoolConfig, PoolLanes
from pa_hdl.nodes.stream import StreamShape


def pool(channels=4, height=5, width=4, lanes=2, bits=5, signed=True, operation="max", **window):
    shape = StreamShape(
        channels=channels, height=height, width=width, lanes=lanes, bits=bits, signed=signed
    )
    options = dict(kernel=(2, 2), stride=(2, 2), pad=(0, 0, 0, 0)) | window
    return Pool(shape=shape, operation=operation, **options)


POOLS = {
    "halving": dict(),
    "resnet": dict(kernel=(3, 3), pad=(1, 1, 1, 1), signed=False),
    "overlapping": dict(kernel=(3, 2), stride=(1, 1), pad=(1, 0, 0, 1)),
    "one channel": dict(channels=1, lanes=1, kernel=(3, 3), stride=(1, 2), pad=(1, 1, 1, 1)),
    "all lanes": dict(channels=3, lanes=3, kernel=(2, 3), stride=(2, 1)),
    "whole image": dict(kernel=(5, 4), stride=(1, 1)),
    "gaps": dict(kernel=(1, 1), stride=(2, 3), bits=1, signed=False),
    "one signed bit": dict(bits=1, pad=(1, 0, 0, 0)),
    "wide": dict(channels=2, lanes=1, bits=24, stride=(1, 2), pad=(1, 0, 1, 1)),
}


def direct(dut, image):
    """Results by the definition; ``None`` stands for an element that is not there."""
    config = dut.config
    out = np.zeros((config.out_channels, config.out_height, config.out_width), np.int64)
    for c, oy, ox in np.ndindex(*out.shape):
        taps = []
        for ky, kx in np.ndindex(*config.kernel):
            y = oy * config.stride[0] - config.pad[0] + ky
            x = ox * config.stride[1] - config.pad[2] + kx
            if 0 <= y < config.height and 0 <= x < config.width and image[c, y, x] is not None:
                taps.append(int(image[c, y, x]))
        if config.operation == "max":
            out[c, oy, ox] = max(taps, default=config.act_range[0])
        else:
            out[c, oy, ox] = sum(taps)
    return out


def random_frames(dut, count, seed=1):
    rng = np.random.default_rng(seed)
    return [random_frame(dut.shapes_in[0], rng) for _ in range(count)]


@pytest.mark.parametrize("operation", ["max", "sum"])
@pytest.mark.parametrize("name", POOLS)
def test_an_unstalled_pool_keeps_its_schedule(name, operation):
    dut = pool(**POOLS[name], operation=operation)
    frames = random_frames(dut, 4)
    assert (dut.model(frames[0]) == direct(dut, frames[0])).all()
    run = check_node(dut, [frames], gap=0)
    first, [departed] = run.accepted[0][0], run.departed
    assert departed[0] - first == dut.schedule.latency
    ends = departed[dut.config.out_beats - 1 :: dut.config.out_beats]
    assert [end - first for end in ends] == [dut.schedule.cycles(k + 1) for k in range(4)]
    assert dut.schedule.overhead == 0


@pytest.mark.parametrize(("gap", "stall"), [(0.8, 0.0), (0.0, 0.6), (0.5, 0.4)])
@pytest.mark.parametrize(
    ("name", "operation"), [("resnet", "max"), ("overlapping", "sum"), ("gaps", "max")]
)
def test_stalls_change_nothing_but_time(name, operation, gap, stall):
    dut = pool(**POOLS[name], operation=operation)
    check_node(dut, [random_frames(dut, 3)], gap=gap, stall=stall, seed=3)


@pytest.mark.parametrize("operation", ["max", "sum"])
@pytest.mark.parametrize("signed", [False, True])
def test_extremes_do_not_overflow(operation, signed):
    dut = pool(operation=operation, signed=signed, kernel=(3, 3), stride=(1, 1))
    [given], [taken] = dut.shapes_in, dut.shapes_out
    rng = np.random.default_rng(0)
    frames = [random_frame(given, rng, end, end) for end in given.range]
    check_node(dut, [frames], gap=0)
    taps = 9 if operation == "sum" else 1
    assert [dut.model(frame).flat[0] for frame in frames] == [end * taps for end in given.range]
    narrower = StreamShape(
        channels=1, height=1, width=1, lanes=1, bits=taken.bits - 1, signed=taken.signed
    )
    assert taken.signed == signed
    assert narrower.range[1] < given.range[1] * taps or narrower.range[0] > given.range[0] * taps


def test_reset_in_mid_frame_forgets_the_frame():
    dut = pool(**POOLS["overlapping"])
    check_reset(dut, [random_frames(dut, 2)], seed=4)


@pytest.mark.parametrize("operation", ["max", "sum"])
def test_bad_frames_harm_only_themselves(operation):
    dut = pool(**POOLS["overlapping"], operation=operation)
    [shape] = dut.shapes_in
    short, good, long = random_frames(dut, 3, seed=5)
    top = 1 << (shape.lanes * shape.bits)
    cut = shape.beats // 2 + 1
    words = words_of(shape, short)[:cut]
    words[-1] |= top
    words += words_of(shape, good)
    words += [word & (top - 1) for word in words_of(shape, long)] + [5, 7, top | 3]
    words += words_of(shape, good)
    flags = []

    async def watch(ctx):
        while True:
            *_, early, late = await ctx.tick().sample(dut.frame_short, dut.frame_long)
            flags.append((early, late))

    wanted = [4 * dut.config.out_beats]
    run = NodeRun(dut, [words], [np.arange(len(words))], wanted=wanted, watch=[watch])
    present = np.repeat(np.arange(shape.beats) < cut, shape.lanes)
    present = present.reshape(shape.height, shape.width, -1).transpose(2, 0, 1)
    expected = [direct(dut, np.where(present, short.astype(object), None))]
    expected += [dut.model(frame) for frame in (good, long, good)]
    assert (frames_of(dut.shapes_out[0], run.got[0]) == np.array(expected)).all()
    assert {(1, 0), (1, 1)} <= set(flags)
    assert flags[-1] == (1, 1)


@pytest.mark.parametrize("operation", ["max", "sum"])
def test_models_of_the_parts_agree_with_the_whole(operation):
    dut = pool(operation=operation, kernel=(2, 1), height=2, width=1, channels=2)
    codes, lanes = OffsetCode(config=dut.config), PoolLanes(config=dut.config)
    [frame] = random_frames(dut, 1)
    folds = [codes.model(beat) for beat in frame.transpose(1, 2, 0).reshape(-1, 2).tolist()]
    assert lanes.model(folds) == dut.model(frame).ravel().tolist()
    assert codes.model([3, -3], padding=True) == [0, 0]


def test_each_distinct_component_is_written_once():
    library = ModuleLibrary(prefix="pool")
    library.add_top(pool(channels=64, lanes=64))
    assert len(library.components) == len(set(library.components))
    assert library.memories == {}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(operation="min"), ValueError, "operation must be one of max, sum, not 'min'"),
        (dict(kernel=(6, 2)), ValueError, "kernel height must be at most .* 5, not 6"),
        (dict(stride=(0, 2)), ValueError, "stride must be at least 1, not 0"),
        (dict(pad=(0, 0, 0)), TypeError, r"pad must be 4 integers, not \(0, 0, 0\)"),
        (dict(lanes=3), ValueError, "must divide its 4 channels, not 3"),
    ],
)
def test_wrong_pools_are_quoted(change, error, message):
    with pytest.raises(error, match=message):
        pool(**change)


def test_wrong_shapes_are_quoted():
    with pytest.raises(TypeError, match="shape of a pool must be a StreamShape, not 4"):
        Pool(shape=4, operation="max", kernel=(1, 1), stride=(1, 1), pad=(0, 0, 0, 0))
    with pytest.raises(ValueError, match="groups of a pool must be equal, not 4, 2 and 2"):
        PoolConfig(
            in_channels=4, out_channels=2, groups=2, height=3, width=3, simd=1, pe=1,
            operation="max",
        )  # fmt: skip
