"""Unit vectors of the nodes between engines: queues, forks, widths, sums, scaling, pools."""

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pa_hdl.nodes.add import Add
from pa_hdl.nodes.concat import Concat
from pa_hdl.nodes.fifo import Fifo
from pa_hdl.nodes.fork import Fork
from pa_hdl.nodes.global_pool import GlobalPool
from pa_hdl.nodes.node import StreamNode, port_name
from pa_hdl.nodes.rescale import Rescale, Scaler
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.nodes.width import WidthConverter
from pa_hdl.popcount import range_shape
from pa_hdl.windowed import WindowNode
from pa_nn import golden
from sim.unit import Unit, fields, get, lanes, put

__all__ = ["frame_words", "node_unit", "node_units"]

_FRAMES = 3

Frame = NDArray[np.int64]


def node_units(seed: int) -> list[Unit]:
    """All of them, with seeded vectors."""
    rng = random.Random(seed)
    shape = _shape(6, 2)
    return [
        _same("fifo", rng, Fifo(shape=shape, depth=5)),
        _same("deep_fifo", rng, Fifo(shape=shape, depth=37)),
        _same("fork", rng, Fork(shape=shape, outputs=3)),
        _same("gather", rng, WidthConverter(shape_in=shape, lanes=6)),
        _same("split", rng, WidthConverter(shape_in=shape, lanes=1)),
        _same("regroup", rng, WidthConverter(shape_in=shape, lanes=3)),
        _add(rng),
        _concat(rng),
        _scaler(rng),
        _rescale("rescale", rng, lanes=2),
        _rescale("rescale_one_fold", rng, lanes=6),
        _global_pool("global_pool", rng, lanes=2),
        _global_pool("global_pool_one_fold", rng, lanes=6),
    ]


def frame_words(shape: StreamShape, frames: Sequence[Frame]) -> list[int]:
    """Payloads of the beats of frames ``(C, H, W)``."""
    words = []
    for frame in frames:
        beats = frame.transpose(1, 2, 0).reshape(-1, shape.lanes).tolist()
        words += [
            fields((lanes(beat, shape.bits), shape.lanes * shape.bits), (at == len(beats) - 1, 1))
            for at, beat in enumerate(beats)
        ]
    return words


def node_unit(
    name: str,
    component: StreamNode | WindowNode,
    frames: Sequence[Sequence[Frame]],
    expected: Sequence[Sequence[Frame]],
) -> Unit:
    """Bench of a node: frames for each input, and those expected from each output."""
    shapes_in, shapes_out = component.shapes_in, component.shapes_out
    puts, gets = [], []
    for index, (shape, some) in enumerate(zip(shapes_in, frames, strict=True)):
        port = port_name("i", index, len(shapes_in))
        words = {f"{port}__payload": frame_words(shape, some)}
        puts.append(put(words, valid=[f"{port}__valid"], ready=f"{port}__ready"))
    for index, (shape, some) in enumerate(zip(shapes_out, expected, strict=True)):
        port = port_name("o", index, len(shapes_out))
        words = {f"{port}__payload": frame_words(shape, some)}
        gets.append(get(words, valid=[f"{port}__valid"], ready=f"{port}__ready"))
    return Unit(name=name, component=component, puts=puts, gets=gets, stalls=True)


def _shape(channels: int, lanes: int, bits: int = 7, signed: bool = True) -> StreamShape:
    return StreamShape(channels=channels, height=2, width=3, lanes=lanes, bits=bits, signed=signed)


def _frames(rng: random.Random, shape: StreamShape) -> list[Frame]:
    size = (shape.channels, shape.height, shape.width)
    draw = np.random.default_rng(rng.getrandbits(32)).integers
    return [draw(*shape.range, size, np.int64, endpoint=True) for _ in range(_FRAMES)]


def _same(name: str, rng: random.Random, component: StreamNode) -> Unit:
    """What leaves the frame as it is, at each output."""
    frames = _frames(rng, component.shapes_in[0])
    return node_unit(name, component, [frames], [frames] * len(component.shapes_out))


def _add(rng: random.Random) -> Unit:
    shapes = [_shape(6, 2), _shape(6, 2, 5, False), _shape(6, 2, 9)]
    frames = [_frames(rng, shape) for shape in shapes]
    totals = [a + b + c for a, b, c in zip(*frames, strict=True)]
    component = Add(shapes=shapes, bits=7, signed=False)
    return node_unit("add", component, frames, [[np.clip(total, 0, 127) for total in totals]])


def _concat(rng: random.Random) -> Unit:
    shapes = [_shape(2, 2), _shape(6, 2), _shape(4, 2)]
    frames = [_frames(rng, shape) for shape in shapes]
    joined = [np.concatenate(parts) for parts in zip(*frames, strict=True)]
    return node_unit("concat", Concat(shapes=shapes, bits=7, signed=True), frames, [joined])


def _scaler(rng: random.Random) -> Unit:
    count, shift, bits = 120, 5, 14
    limits = {"x": (-300, 511), "mult": (-(1 << 14), 9), "bias": (-(1 << 18), 1 << 17)}
    formats = {name: range_shape(*limit) for name, limit in limits.items()}
    items = {name: [rng.randint(*limit) for _ in range(count)] for name, limit in limits.items()}
    results = [
        (x * mult + bias) >> shift & ((1 << bits) - 1)
        for x, mult, bias in zip(*items.values(), strict=True)
    ]
    masked = {
        name: [value & ((1 << formats[name].width) - 1) for value in values]
        for name, values in items.items()
    }
    component = Scaler(**formats, shift=shift, out_bits=bits)
    return Unit(
        name="scaler",
        component=component,
        constants={"enable": 1},
        puts=[put(masked)],
        gets=[get({"o": results}, delay=component.latency)],
    )


def _rescale(name: str, rng: random.Random, lanes: int) -> Unit:
    shape, shift = _shape(6, lanes, 12), 8
    mult = [rng.randint(-(1 << 15), 1 << 15) for _ in range(shape.channels)]
    bias = [rng.randint(-(1 << 20), 1 << 20) for _ in range(shape.channels)]
    frames = _frames(rng, shape)
    results = [
        golden.rescale(frame, np.array(mult), np.array(bias), shift).numpy() for frame in frames
    ]
    bound = 1 << 20
    component = Rescale(
        shape=shape, mult=mult, bias=bias, shift=shift, result_range=(-bound, bound - 1)
    )
    return node_unit(name, component, [frames], [results])


def _global_pool(name: str, rng: random.Random, lanes: int) -> Unit:
    shape = _shape(6, lanes)
    frames = _frames(rng, shape)
    totals = [frame.sum(axis=(1, 2), keepdims=True) for frame in frames]
    return node_unit(name, GlobalPool(shape=shape), [frames], [totals])
