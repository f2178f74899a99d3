"""What each rounding of the export costs: a row for every place where a float became an integer."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from pa_artifact import Network, Node

__all__ = ["rounding_report"]


def rounding_report(network: Network) -> list[dict[str, Any]]:
    """Largest errors of an exported network, from the float parameters beside its integers.

    Parameters
    ----------
    network : what :func:`pa_nn.export.export_network` returns

    Returns
    -------
    list of ``{"node", "what", "error", "unit"}``
        ``error`` in units of ``unit``: phi in units of its scale (half is exact rounding) and as a
        share of the root mean square product, 8-bit weights in steps, the stem's border in the
        real units of its accumulator, multipliers as a relative error, biases in units of the sum.
    """
    rows = []
    for node in network.nodes:
        for what, error, unit in _ROWS.get(node.kind, _nothing)(node):
            rows.append({"node": node.name, "what": what, "error": float(error), "unit": unit})
    return rows


Row = tuple[str, float, str]


def _nothing(_: Node) -> Iterator[Row]:
    return iter(())


def _pa_conv(node: Node) -> Iterator[Row]:
    scale = float(node.tensors["scale"][0])
    if scale == 0:
        return
    exact = np.outer(node.source["alpha"], node.source["beta"].astype(np.float64))
    error = node.tensors["phi"][1:, 1:] * scale - exact
    yield "phi", np.abs(error).max() / scale, "units of the accumulator"
    rms = np.sqrt(np.mean(exact**2))
    yield "phi", np.sqrt(np.mean(error**2)) / rms, "share of the root mean square product"


def _conv8(node: Node) -> Iterator[Row]:
    weight = node.source["weight"].astype(np.float64)
    folded = weight * node.source["factor"][:, None, None]
    scale = np.abs(folded).max(axis=(1, 2, 3), keepdims=True) / 127
    steps = np.divide(folded, scale, out=np.zeros_like(folded), where=scale > 0)
    yield "weights", np.abs(node.tensors["weight"] - steps).max(), "steps of 8 bits"
    moved = node.tensors["zero"] - node.source["zero"]
    taps = scale * node.tensors["weight"] * moved[:, None, None]
    yield "zero point at the border", _border(taps, node), "real units of the accumulator"


def _border(taps: np.ndarray, node: Node) -> float:
    """The largest sum of what the taps on padding would have contributed.

    The bias assumes every tap inside the image.
    """
    inside = torch.ones(1, taps.shape[1], *node.shape_in[1:], dtype=torch.float64)
    top, bottom, left, right = node.attributes["pad"]
    outside = 1 - torch.nn.functional.pad(inside, (left, right, top, bottom))
    stride = tuple(node.attributes["stride"])
    error = torch.nn.functional.conv2d(outside, torch.from_numpy(taps), stride=stride)
    return float(error.abs().max())


def _linear8(node: Node) -> Iterator[Row]:
    weight = node.source["weight"].astype(np.float64)
    scale = np.abs(weight).max(axis=1, keepdims=True) / 127
    steps = np.divide(weight, scale, out=np.zeros_like(weight), where=scale > 0)
    yield "weights", np.abs(node.tensors["weight"] - steps).max(), "steps of 8 bits"


def _rescale(node: Node) -> Iterator[Row]:
    shift = int(node.tensors["shift"])
    mult = np.abs(node.tensors["mult"])
    if mult.any():
        yield "multiplier", 0.5 / mult[mult > 0].min(), "relative error, at most"
    yield "bias", 0.5 / (1 << shift), "units of the sum, at most"
    yield "result", 0.5, "units of the sum, at most"


_ROWS: Mapping[str, Any] = {
    "pa_conv": _pa_conv,
    "conv8": _conv8,
    "linear8": _linear8,
    "rescale": _rescale,
}
