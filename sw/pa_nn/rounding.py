"""What each rounding of the export costs: a row for every place where a float became an integer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pa_artifact import Network, Node, value_ranges

__all__ = ["rounding_report"]


def rounding_report(network: Network) -> list[dict[str, Any]]:
    """Bounds of every rounding of an exported network, from the floats beside its integers.

    Parameters
    ----------
    network : what :func:`pa_nn.export.export_network` returns

    Returns
    -------
    list of ``{"node", "what", "error", "unit"}``
        ``error`` in units of ``unit``: phi in units of its scale (half is exact rounding) and as a
        share of the root mean square product, 8-bit weights in steps, zero points in pixel values
        and, at the border of the image, in the real units of the accumulator, multipliers as a
        relative error and with biases and results in units of the sum.  Thresholds are exact.
    """
    ranges = value_ranges(network)
    rows = []
    for node in network.nodes:
        bounds = [ranges[operand.name] for operand in network.inputs_of(node.name)]
        for what, error, unit in _ROWS.get(node.kind, _nothing)(node, bounds):
            rows.append({"node": node.name, "what": what, "error": float(error), "unit": unit})
    return rows


Row = tuple[str, float, str]
Bounds = Sequence[np.ndarray]


def _nothing(_: Node, __: Bounds) -> Iterator[Row]:
    return iter(())


def _pa_conv(node: Node, _: Bounds) -> Iterator[Row]:
    yield "thresholds", 0.0, "exact"
    scale = float(node.tensors["scale"][0])
    if scale == 0:
        return
    exact = np.outer(node.source["alpha"], node.source["beta"].astype(np.float64))
    error = node.tensors["phi"][1:, 1:] * scale - exact
    yield "phi", np.abs(error).max() / scale, "units of the accumulator"
    rms = np.sqrt(np.mean(exact**2))
    yield "phi", np.sqrt(np.mean(error**2)) / rms, "share of the root mean square product"


def _weights(node: Node, _: Bounds) -> Iterator[Row]:
    """8-bit weights; zero points are 0 behind fixed point, which has one factor unless it says."""
    channels, inputs = len(node.tensors["zero"]), node.tensors["weight"].shape[1]
    weight = node.source["weight"].reshape(node.tensors["weight"].shape).astype(np.float64)
    factor = node.source.get("factor", np.ones(channels))
    # The input channels of each output channel's group.
    group = np.arange(len(weight)) // _members(node)
    index = (group * inputs)[:, None] + np.arange(inputs)
    shape = (*index.shape, *[1] * (weight.ndim - 2))
    folded = weight * factor[index].reshape(shape)
    scale = np.abs(folded).max(axis=tuple(range(1, folded.ndim)), keepdims=True) / 127
    steps = np.divide(folded, scale, out=np.zeros_like(folded), where=scale > 0)
    yield "weights", np.abs(node.tensors["weight"] - steps).max(), "steps of 8 bits"
    if "zero" not in node.source:
        return
    moved = node.tensors["zero"] - node.source["zero"]
    yield "zero point", np.abs(moved).max(), "pixel values, made up for by the bias"
    if node.kind == "conv8":
        taps = scale * node.tensors["weight"] * moved[index].reshape(shape)
        yield "zero point at the border", _border(taps, node), "real units of the accumulator"


def _members(node: Node) -> int:
    """Output channels of a group."""
    return int(node.shape_out[0]) // int(node.attributes.get("groups", 1))


def _border(taps: np.ndarray, node: Node) -> float:
    """The largest sum of what the taps on padding would have contributed.

    The bias assumes every tap inside the image.
    """
    inside = torch.ones(1, *node.shape_in, dtype=torch.float64)
    top, bottom, left, right = node.attributes["pad"]
    outside = 1 - torch.nn.functional.pad(inside, (left, right, top, bottom))
    stride = tuple(node.attributes["stride"])
    error = torch.nn.functional.conv2d(
        outside, torch.from_numpy(taps), stride=stride, groups=node.attributes.get("groups", 1)
    )
    return float(error.abs().max())


def _rescale(node: Node, bounds: Bounds) -> Iterator[Row]:
    unit = 1 / (1 << int(node.tensors["shift"]))
    mult = np.abs(node.tensors["mult"])
    if mult.any():
        yield "multiplier", 0.5 / mult[mult > 0].min(), "relative error, at most"
    yield "multiplier", 0.5 * unit * int(np.abs(bounds[0]).max()), "units of the sum, at most"
    yield "bias", 0.5 * unit, "units of the sum, at most"
    yield "result", 0.5, "units of the sum, at most"


_ROWS: Mapping[str, Any] = {
    "pa_conv": _pa_conv,
    "conv8": _weights,
    "linear8": _weights,
    "rescale": _rescale,
}
