"""Unit vectors of the nodes with a line buffer other than PA engines: 8-bit layers and pools."""

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pa_hdl.nodes.multiply import MultiplyEngine
from pa_hdl.nodes.multiply_config import MultiplyConfig
from pa_hdl.nodes.multiply_dot import MultiplyDot, ZeroPoint
from pa_hdl.nodes.pool import Pool
from pa_hdl.nodes.stream import StreamShape
from pa_hdl.windowed import WindowNode
from pa_nn import golden
from sim.unit import Unit, get, lanes, put
from sim.units_nodes import node_unit

__all__ = ["engine_units"]

_FRAMES = 3
_COUNT = 120

_MULTIPLY: dict[str, dict[str, Any]] = {
    "multiply": dict(
        in_channels=4, out_channels=6, height=4, width=3, stride=(2, 1), pad=(1, 0, 0, 1), simd=2,
        pe=3, zero=(120, 7, 0, -5),
    ),
    "multiply_grouped": dict(
        in_channels=4, out_channels=6, height=3, width=3, simd=1, pe=3, groups=2, act_bits=6,
        act_signed=True, kernel=(2, 3),
    ),
    "multiply_depthwise": dict(
        in_channels=6, out_channels=6, height=4, width=3, simd=2, pe=2, groups=6, stride=(1, 2),
        act_bits=5,
    ),
    "multiply_linear": dict(
        in_channels=6, out_channels=4, height=1, width=1, simd=2, pe=2, kernel=(1, 1),
        pad=(0, 0, 0, 0), act_bits=11, act_signed=True,
    ),
}  # fmt: skip

_POOLS: dict[str, dict[str, Any]] = {
    "max_pool": dict(kernel=(3, 3), stride=(2, 2), pad=(1, 1, 1, 1)),
    "sum_pool": dict(kernel=(2, 3), stride=(2, 1), pad=(1, 0, 0, 1)),
}


def engine_units(seed: int) -> list[Unit]:
    """All of them, with seeded vectors."""
    rng = random.Random(seed)
    return [
        _zero_point(rng),
        _multiply_dot(rng),
        *(_multiply(name, rng) for name in _MULTIPLY),
        *(_pool(name, rng) for name in _POOLS),
    ]


def _draw(rng: random.Random) -> np.random.Generator:
    return np.random.default_rng(rng.getrandbits(32))


def _random_frames(node: WindowNode, rng: random.Random) -> NDArray[np.int64]:
    [shape] = node.shapes_in
    size = (_FRAMES, shape.channels, shape.height, shape.width)
    return _draw(rng).integers(*shape.range, size, np.int64, endpoint=True)


def _multiply(name: str, rng: random.Random) -> Unit:
    config = MultiplyConfig(**_MULTIPLY[name])
    weight = _draw(rng).integers(-128, 128, config.weight_shape).astype(np.int8)
    low, high = config.exact_acc_range(weight)
    options = {**_MULTIPLY[name], "acc_min": low, "acc_max": high}
    node = MultiplyEngine(config=MultiplyConfig(**options), weight=weight)
    frames = _random_frames(node, rng)
    zero = np.array(config.zero, np.int64)
    if config.height * config.width == 1:
        acc = golden.linear8(frames, weight[..., 0, 0], zero)
    else:
        acc = golden.conv8(frames, weight, zero, config.stride, config.pad)
    return node_unit(name, node, [list(frames)], [list(acc.numpy())])


def _zero_point(rng: random.Random) -> Unit:
    config = MultiplyConfig(**_MULTIPLY["multiply"])
    items: dict[str, list[int]] = {"act": [], "padding": [], "fold": []}
    codes = []
    for _ in range(_COUNT):
        fold, padding = rng.randrange(config.in_folds), int(rng.random() < 0.2)
        acts = [rng.randint(*config.act_range) for _ in range(config.simd)]
        zero = config.zero[fold * config.simd :]
        differences = [act - z for act, z in zip(acts, zero, strict=False)]
        codes.append(0 if padding else lanes(differences, config.code_bits))
        for port, value in zip(items, (lanes(acts, config.act_bits), padding, fold), strict=True):
            items[port].append(value)
    return Unit(
        name="zero_point",
        component=ZeroPoint(config=config),
        puts=[put(items, valid=["valid"])],
        gets=[get({"codes": codes}, valid=["o_valid"])],
        stalls=True,
    )


def _multiply_dot(rng: random.Random) -> Unit:
    config = MultiplyConfig(**_MULTIPLY["multiply"])
    low, high = config.code_range
    limit = 1 << (config.weight_bits - 1)
    items: dict[str, list[int]] = {"act": [], "weight": [], "first": [], "last": []}
    accs = []
    for _ in range(_COUNT // 4):
        totals = [0] * config.pe
        size = rng.randint(1, config.folds_per_output)
        for step in range(size):
            act = [rng.randint(low, high) for _ in range(config.simd)]
            weight = [rng.randrange(-limit, limit) for _ in range(config.pe * config.products)]
            for index in range(config.pe):
                own = weight[index * config.products : (index + 1) * config.products]
                totals[index] += sum(a * w for a, w in zip(act, own, strict=True))
            items["act"].append(lanes(act, config.code_bits))
            items["weight"].append(lanes(weight, config.weight_bits))
            items["first"].append(int(step == 0))
            items["last"].append(int(step == size - 1))
        accs.append(lanes(totals, config.acc_bits))
    return Unit(
        name="multiply_dot",
        component=MultiplyDot(config=config),
        puts=[put(items, valid=["valid"])],
        gets=[get({"acc": accs}, valid=["o_valid"])],
        stalls=True,
    )


def _pool(name: str, rng: random.Random) -> Unit:
    shape = StreamShape(channels=6, height=4, width=5, lanes=2, bits=5, signed=True)
    node = Pool(shape=shape, operation=name.removesuffix("_pool"), **_POOLS[name])
    config = node.config
    frames = _random_frames(node, rng)
    reference = golden.max_pool if config.operation == "max" else golden.avg_pool
    results = reference(frames, config.kernel, config.stride, config.pad)
    return node_unit(name, node, [list(frames)], [list(results.numpy())])
