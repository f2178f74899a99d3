# amaranth: UnusedElaboratable=no
"""Convolutions of 8-bit weights against a direct sum: groups, zero points, stalls, bad frames."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
from nodes_bench import NodeRun, check_node, check_reset, frames_of, random_frame, words_of

from pa_hdl.emit import ModuleLibrary
from pa_hdl.nodes.multiply import MultiplyEngine
from pa_hdl.nodes.multiply_config import MultiplyConfig

POINT = dict(kernel=(1, 1), pad=(0, 0, 0, 0))
LAYERS = {
    "plain": dict(in_channels=4, out_channels=6, height=4, width=3, simd=2, pe=3),
    "image": dict(
        in_channels=3, out_channels=4, height=6, width=5, simd=3, pe=2, stride=(2, 2),
        zero=(124, 116, 104),
    ),
    "image by channel": dict(
        in_channels=3, out_channels=2, height=4, width=4, simd=1, pe=2, zero=(124, -3, 104)
    ),
    "grouped": dict(
        in_channels=8, out_channels=12, height=3, width=3, simd=2, pe=3, groups=2, kernel=(2, 2),
        pad=(1, 0, 0, 0),
    ),
    "grouped, one fold": dict(
        in_channels=6, out_channels=3, height=4, width=4, simd=2, pe=1, groups=3, stride=(2, 1)
    ),
    "multiplier": dict(in_channels=2, out_channels=6, height=3, width=3, simd=1, pe=3, groups=2),
    "depthwise": dict(
        in_channels=6, out_channels=6, height=5, width=4, simd=2, pe=2, groups=6, stride=(2, 2),
        act_signed=True, act_bits=6,
    ),
    "depthwise, one fold": dict(
        in_channels=3, out_channels=3, height=3, width=3, simd=3, pe=3, groups=3, kernel=(2, 3)
    ),
    "linear": dict(in_channels=8, out_channels=6, height=1, width=1, simd=4, pe=2, act_bits=12)
    | POINT,
    "one product": dict(in_channels=1, out_channels=1, height=2, width=3, simd=1, pe=1) | POINT,
    "small range": dict(
        in_channels=2, out_channels=2, height=3, width=3, simd=2, pe=2, zero=(5, 6),
        act_ranges=((3, 9), (6, 6)),
    ),
}  # fmt: skip


def engine_of(options, seed=1, low=-128, high=127):
    """An engine with random weights and the exact bound of its accumulators."""
    config = MultiplyConfig(**options)
    rng = np.random.default_rng(seed)
    weight = rng.integers(low, high, config.weight_shape, endpoint=True).astype(np.int8)
    least, most = config.exact_acc_range(weight)
    return MultiplyEngine(
        config=MultiplyConfig(**options, acc_min=least, acc_max=most), weight=weight
    )


def random_frames(dut, count, seed=2):
    """Frames within the ranges of the channels."""
    rng = np.random.default_rng(seed)
    [shape] = dut.shapes_in
    low, high = np.array(dut.config.act_ranges)[:, :, None, None].transpose(1, 0, 2, 3)
    size = (shape.channels, shape.height, shape.width)
    return [rng.integers(low, high, size, endpoint=True) for _ in range(count)]


def direct(dut, codes):
    """The sum over the definition's six indices, given ``x - zero``."""
    config = dut.config
    out = np.zeros((config.out_channels, config.out_height, config.out_width), np.int64)
    inside = config.in_channels // config.groups
    for o, oy, ox in np.ndindex(*out.shape):
        group = o // (config.out_channels // config.groups)
        for c, ky, kx in np.ndindex(inside, *config.kernel):
            y = oy * config.stride[0] - config.pad[0] + ky
            x = ox * config.stride[1] - config.pad[2] + kx
            if 0 <= y < config.height and 0 <= x < config.width:
                element = int(codes[group * inside + c, y, x])
                out[o, oy, ox] += element * int(dut.weight[o, c, ky, kx])
    return out


@pytest.mark.parametrize("name", LAYERS)
def test_model_is_the_direct_sum(name):
    dut = engine_of(LAYERS[name])
    [frame] = random_frames(dut, 1)
    codes = frame - np.array(dut.config.zero)[:, None, None]
    assert (dut.model(frame) == direct(dut, codes)).all()


@pytest.mark.parametrize("name", LAYERS)
def test_an_unstalled_engine_keeps_its_schedule(name):
    dut = engine_of(LAYERS[name])
    run = check_node(dut, [random_frames(dut, 4)], gap=0)
    first, [departed] = run.accepted[0][0], run.departed
    assert departed[0] - first == dut.schedule.latency
    ends = departed[dut.config.out_beats - 1 :: dut.config.out_beats]
    assert [end - first for end in ends] == [dut.schedule.cycles(k + 1) for k in range(4)]
    assert dut.schedule.overhead == 0


def random_layer(seed):
    """A small layer: windows of all kinds, groups, and lanes that divide what they must."""
    rng = random.Random(seed)
    while True:
        groups, inside, members = rng.choice((1, 2, 3)), rng.randint(1, 3), rng.randint(1, 3)
        divisors = [[d for d in (1, 2, 3) if n % d == 0] for n in (inside, members, groups)]
        simd, pe, lanes = (rng.choice(some) for some in divisors)
        if groups > 1 and inside == members == 1:
            simd = pe = lanes
        options = dict(
            in_channels=groups * inside, out_channels=groups * members, groups=groups,
            simd=simd, pe=pe, height=rng.randint(1, 6), width=rng.randint(1, 6),
            kernel=(rng.randint(1, 4), rng.randint(1, 4)),
            stride=(rng.randint(1, 3), rng.randint(1, 3)),
            pad=tuple(rng.choice((0, 0, 1, 2)) for _ in range(4)), act_bits=3,
        )  # fmt: skip
        try:
            config = MultiplyConfig(**options)
        except ValueError:
            continue
        if max(config.folds_per_frame, config.in_beats) < 250:
            return options


@pytest.mark.parametrize("seed", range(12))
def test_any_layer_keeps_its_schedule(seed):
    dut = engine_of(random_layer(seed))
    frames = random_frames(dut, 4, seed)
    run = check_node(dut, [frames], gap=0)
    first, [departed] = run.accepted[0][0], run.departed
    ends = departed[dut.config.out_beats - 1 :: dut.config.out_beats]
    assert [end - first for end in ends] == [dut.schedule.cycles(k + 1) for k in range(4)]
    assert departed[0] - first == dut.schedule.latency
    check_node(dut, [frames[:2]], gap=1.5, seed=seed)


@pytest.mark.parametrize(("gap", "stall"), [(0.8, 0.0), (0.0, 0.6), (0.5, 0.4)])
@pytest.mark.parametrize(
    "name", ["plain", "image by channel", "grouped", "depthwise", "linear", "one product"]
)
def test_stalls_change_nothing_but_time(name, gap, stall):
    dut = engine_of(LAYERS[name])
    check_node(dut, [random_frames(dut, 3)], gap=gap, stall=stall, seed=3)


@pytest.mark.parametrize("name", ["image", "depthwise"])
def test_reset_in_mid_frame_forgets_the_frame(name):
    dut = engine_of(LAYERS[name])
    check_reset(dut, [random_frames(dut, 2)], seed=4)


def run_words(dut, words, count):
    """What becomes of beats that must give ``count`` frames, and of the flags for bad frames."""
    flags = []

    async def watch(ctx):
        while True:
            *_, short, long = await ctx.tick().sample(dut.frame_short, dut.frame_long)
            flags.append((short, long))

    wanted = [count * dut.config.out_beats]
    run = NodeRun(dut, [words], [np.arange(len(words))], wanted=wanted, watch=[watch])
    return run, flags[-1]


@pytest.mark.parametrize("name", ["image", "image by channel", "grouped", "depthwise"])
def test_missing_beats_are_padding(name):
    dut = engine_of(LAYERS[name])
    frames = random_frames(dut, 2)
    [shape], config = dut.shapes_in, dut.config
    words = [words_of(shape, frame) for frame in frames]
    cut = shape.beats // 2 + 1
    last = 1 << (shape.lanes * shape.bits)
    short = [*words[0][: cut - 1], words[0][cut - 1] | last, *words[1]]
    run, flags = run_words(dut, short, 2)
    codes = frames[0] - np.array(config.zero)[:, None, None]
    present = np.repeat(np.arange(shape.beats) < cut, shape.lanes)
    codes = codes * present.reshape(shape.height, shape.width, -1).transpose(2, 0, 1)
    got = frames_of(dut.shapes_out[0], run.got[0])
    assert (got[0] == direct(dut, codes)).all()
    assert (got[1] == dut.model(frames[1])).all()
    assert flags == (1, 0)


def test_a_long_frame_is_cut():
    dut = engine_of(LAYERS["depthwise"])
    frames = random_frames(dut, 2)
    words = [words_of(dut.shapes_in[0], frame) for frame in frames]
    last = words[0].pop()
    whole = last & (1 << dut.shapes_in[0].lanes * dut.shapes_in[0].bits) - 1
    long = [*words[0], whole, *words[0][:5], last, *words[1]]
    run, flags = run_words(dut, long, 2)
    got = frames_of(dut.shapes_out[0], run.got[0])
    assert (got == np.array([dut.model(frame) for frame in frames])).all()
    assert flags == (0, 1)


@pytest.mark.parametrize("name", ["plain", "depthwise"])
@pytest.mark.parametrize("weight", [-128, 0, 127])
def test_extreme_weights_and_inputs_do_not_overflow(name, weight):
    dut = engine_of(LAYERS[name], low=weight, high=weight)
    [shape] = dut.shapes_in
    frames = [random_frame(shape, np.random.default_rng(0), end, end) for end in shape.range]
    check_node(dut, [frames], gap=0)
    values = np.concatenate([dut.model(frame).ravel() for frame in frames])
    if name == "plain":
        assert (min(values.min(), 0), max(values.max(), 0)) == dut.config.acc_range
    assert dut.shapes_out[0].range[0] <= values.min()


def node(kind="conv8", **attributes):
    tensors = dict(weight=np.arange(-4, 4, dtype=np.int8), zero=np.array([1, 2], np.int16))
    if kind == "conv8":
        tensors["weight"] = tensors["weight"].reshape(2, 1, 2, 2)
        attributes = dict(kernel=[2, 2], stride=[1, 2], pad=[1, 0, 0, 0], groups=2) | attributes
        shapes = dict(shape_in=(2, 3, 4), shape_out=(2, 3, 2))
    else:
        tensors["weight"] = tensors["weight"].reshape(4, 2)
        shapes = dict(shape_in=(2, 1, 1), shape_out=(4, 1, 1))
    return SimpleNamespace(name="stem", kind=kind, attributes=attributes, tensors=tensors, **shapes)


def test_a_node_decides_what_it_knows():
    ranges = np.array([[0, 9], [-3, 5]])
    dut = MultiplyEngine.from_node(
        node(), simd=1, pe=1, act_bits=5, act_signed=True, act_range=ranges
    )
    assert dut.config.lanewise
    assert (dut.config.out_height, dut.config.out_width) == (3, 2)
    assert dut.config.code_ranges().tolist() == [[-1, 8], [-5, 3]]
    assert dut.config.acc_range == (-80, 18)
    check_node(dut, [random_frames(dut, 2)])


def test_a_linear_layer_is_a_convolution_of_one_pixel():
    dut = MultiplyEngine.from_node(node("linear8"), simd=2, pe=4, act_bits=3, act_signed=False)
    assert dut.config.folds_per_frame == 1
    image = np.array([3, 7]).reshape(2, 1, 1)
    expected = np.arange(-4, 4).reshape(4, 2) @ np.array([2, 5])
    assert dut.model(image).ravel().tolist() == expected.tolist()
    assert dut.shapes_out[0].channels == 4


def test_a_node_without_groups_is_dense():
    whole = node()
    del whole.attributes["groups"]
    whole.tensors["weight"] = np.ones((2, 2, 2, 2), np.int8)
    dut = MultiplyEngine.from_node(whole, simd=2, pe=1, act_bits=5, act_signed=True)
    assert dut.config.groups == 1


def test_each_distinct_component_is_written_once():
    library = ModuleLibrary(prefix="wide")
    options = dict(in_channels=32, out_channels=32, height=4, width=4, simd=16, pe=16)
    library.add_top(engine_of(options))
    names = [name for name in library.components if "multiply_pe" in name]
    assert names == ["wide_multiply_pe_16"]
    assert sorted(library.memories) == ["wide_weights.mem"]


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (np.zeros((6, 4, 3, 3)), TypeError, "weight must hold integers, not float64"),
        (np.zeros((6, 4, 3), int), ValueError, r"weight must have shape \(6, 4, 3, 3\), not"),
        (np.full((6, 4, 3, 3), 128), ValueError, "weight must be -128 to 127, not 128"),
        (np.full((6, 4, 3, 3), 2), ValueError, r"acc_min and acc_max must include 0 to 18360, not"),
    ],
)
def test_wrong_weights_are_quoted(weight, error, message):
    config = MultiplyConfig(**LAYERS["plain"], acc_min=0, acc_max=5)
    with pytest.raises(error, match=message):
        MultiplyEngine(config=config, weight=weight)


def test_wrong_nodes_are_named():
    with pytest.raises(ValueError, match="layer 'stem' must be a conv8 or a linear8, not 'add'"):
        MultiplyEngine.from_node(node("add"), simd=1, pe=1, act_bits=8, act_signed=False)
    with pytest.raises(ValueError, match=r"layer 'stem': simd and pe must be equal .* not 2 and 1"):
        MultiplyEngine.from_node(node(), simd=2, pe=1, act_bits=8, act_signed=False)
    with pytest.raises(TypeError, match="must be a MultiplyConfig, not None"):
        MultiplyEngine(config=None, weight=None)
