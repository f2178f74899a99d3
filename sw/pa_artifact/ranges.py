"""Interval arithmetic over a network: the lowest and highest integer each channel can take."""

from collections.abc import Sequence

import numpy as np

from pa_artifact.network import ArtifactError, Network, Node

__all__ = ["format_range", "node_range", "taps_inside", "value_ranges"]

# Integers below this are exact in float64, so that no implementation can lose one.
EXACT = 1 << 53


def format_range(bits: int, signed: bool) -> tuple[int, int]:
    """The lowest and highest integer of a number format."""
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def value_ranges(network: Network) -> dict[str, np.ndarray]:
    """Lowest and highest value of each node, ``(channels, 2)`` int64.

    Exact bounds, each tap of a convolution taken by itself and including 0, which a tap on padding
    contributes.  Raises :class:`ArtifactError` where a value could leave ±2^53.
    """
    ranges: dict[str, np.ndarray] = {}
    for node in network.nodes:
        operands = [ranges[operand.name] for operand in network.inputs_of(node.name)]
        ranges[node.name] = node_range(node, operands)
    return ranges


def node_range(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    """The range of one node's result, from those of its operands; see :func:`value_ranges`."""
    return _RULES[node.kind](node, operands)


def _checked(node: Node, low: Sequence[int], high: Sequence[int]) -> np.ndarray:
    if min(low) <= -EXACT or max(high) >= EXACT:
        raise ArtifactError(
            f"{node.name}: values from {min(low)} to {max(high)} leave ±2^53, which must hold them"
        )
    return np.stack([np.array(low, np.int64), np.array(high, np.int64)], axis=1)


def _uniform(node: Node, bounds: tuple[int, int]) -> np.ndarray:
    channels = node.shape_out[0]
    return _checked(node, [bounds[0]] * channels, [bounds[1]] * channels)


def _input(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    return _uniform(node, format_range(node.attributes["bits"], node.attributes["signed"]))


def _products(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    weight = node.tensors["weight"].astype(np.int64)
    groups = node.attributes.get("groups", 1)
    # Output channels by their group, and the input channels that each group takes.
    weight = weight.reshape(groups, -1, weight.shape[1], weight[0, 0].size)
    bounds = operands[0] - node.tensors["zero"].astype(np.int64)[:, None]
    # A tap on padding contributes 0.
    low = np.minimum(bounds[:, 0], 0).reshape(groups, 1, -1, 1)
    high = np.maximum(bounds[:, 1], 0).reshape(groups, 1, -1, 1)
    widest = max(-int(low.min()), int(high.max()))
    if widest * 128 * weight[0, 0].size >= 1 << 62:
        raise ArtifactError(f"{node.name}: inputs up to {widest} are too wide for a {node.kind}")
    positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
    lowest = (positive * low + negative * high).sum(axis=(2, 3)).ravel()
    highest = (positive * high + negative * low).sum(axis=(2, 3)).ravel()
    return _checked(node, lowest.tolist(), highest.tolist())


def _pa_conv(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    phi = node.tensors["phi"].astype(np.int64)
    codes = node.tensors["codes"].reshape(node.shape_out[0], -1)
    low = np.minimum(phi.min(axis=1), 0)[codes].sum(axis=1)
    high = np.maximum(phi.max(axis=1), 0)[codes].sum(axis=1)
    return _checked(node, low.tolist(), high.tolist())


def _rescale(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    shift = int(node.tensors["shift"])
    half = (1 << shift) >> 1
    low, high = [], []
    for (first, last), mult, bias in zip(
        operands[0].tolist(),
        node.tensors["mult"].tolist(),
        node.tensors["bias"].tolist(),
        strict=True,
    ):
        products = sorted((first * mult, last * mult))
        if max(-products[0], products[1]) + abs(bias) + half >= 1 << 62:
            raise ArtifactError(f"{node.name}: mult {mult} and bias {bias} overflow 62 bits")
        low.append((products[0] + bias + half) >> shift)
        high.append((products[1] + bias + half) >> shift)
    return _checked(node, low, high)


def _add(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    lowest, highest = format_range(node.attributes["bits"], node.attributes["signed"])
    total = np.sum(operands, axis=0)
    clipped = np.clip(total, lowest, highest)
    return _checked(node, clipped[:, 0].tolist(), clipped[:, 1].tolist())


def _concat(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(operands)


def _max_pool(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    # No window lies on padding alone, so padding is never what is left.
    return operands[0]


def taps_inside(node: Node) -> tuple[np.ndarray, np.ndarray]:
    """How many rows, and columns, of each window of a pooling node lie inside the image."""
    top, _, left, _ = node.attributes["pad"]
    axes = []
    for axis, before in ((0, top), (1, left)):
        size, steps = node.shape_in[axis + 1], node.shape_out[axis + 1]
        first = np.arange(steps) * node.attributes["stride"][axis] - before
        last = np.minimum(first + node.attributes["kernel"][axis], size)
        axes.append(np.maximum(last - np.maximum(first, 0), 0))
    return axes[0], axes[1]


def _avg_pool(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    rows, columns = taps_inside(node)
    return _sums(node, operands[0], (rows.min() * columns.min(), rows.max() * columns.max()))


def _global_avg_pool(node: Node, operands: Sequence[np.ndarray]) -> np.ndarray:
    pixels = node.shape_in[1] * node.shape_in[2]
    return _sums(node, operands[0], (pixels, pixels))


def _sums(node: Node, bounds: np.ndarray, taps: tuple[int, int]) -> np.ndarray:
    """The range of a sum of at least, and at most, so many values."""
    low = [min(int(value) * int(count) for count in taps) for value in bounds[:, 0]]
    high = [max(int(value) * int(count) for count in taps) for value in bounds[:, 1]]
    return _checked(node, low, high)


_RULES = {
    "input": _input,
    "conv8": _products,
    "pa_conv": _pa_conv,
    "rescale": _rescale,
    "add": _add,
    "concat": _concat,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "global_avg_pool": _global_avg_pool,
    "linear8": _products,
}
