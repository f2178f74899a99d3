"""What the modules of a network hold, as the numbers and shapes that lowering needs."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from pa_nn import integers
from pa_nn.integers import Affine
from pa_nn.operations import NO_PAD, Pad, Window

__all__ = [
    "Shape",
    "array",
    "biases",
    "floats",
    "layer_window",
    "normalised",
    "pool_window",
    "source_of_layer",
    "source_of_norm",
]

Shape = tuple[int, int, int]


def floats(tensor: torch.Tensor | None, count: int, default: float = 0.0) -> list[float]:
    """``count`` numbers in float64, all ``default`` where there is no tensor."""
    if tensor is None:
        return [default] * count
    return tensor.detach().to("cpu", torch.float64).flatten().tolist()


def array(tensor: torch.Tensor) -> np.ndarray:
    """A copy in float32."""
    return tensor.detach().cpu().float().numpy().copy()


def biases(module: Any, count: int) -> list[float]:
    """The bias of each output channel, finite; 0 where the layer has none."""
    return integers.finite_floats("Bias", floats(module.bias, count))


def normalised(values: Affine, module: Any, path: str) -> Affine:
    """Exact real values behind the batch normalisation ``module``, at ``path``."""
    count = len(values.slope)
    if module.num_features != count:
        raise ValueError(f"{path} takes {module.num_features} channels, not {count}")
    parameters = (
        floats(module.weight, count, 1.0),
        floats(module.bias, count),
        floats(module.running_mean, count),
        floats(module.running_var, count),
    )
    for numbers in parameters:
        integers.finite_floats(f"Parameters of {path}", numbers)
    return values.then(integers.batch_norm(*parameters, float(module.eps)))


def source_of_norm(module: Any) -> dict[str, np.ndarray]:
    """A batch normalisation that was folded in, for whoever checks it."""
    source = {
        "norm.mean": array(module.running_mean),
        "norm.var": array(module.running_var),
        "norm.eps": np.array(float(module.eps)),
    }
    if module.weight is not None:
        source |= {"norm.gamma": array(module.weight), "norm.beta": array(module.bias)}
    return source


def source_of_layer(module: Any) -> dict[str, np.ndarray]:
    """The float weights of a layer, for whoever checks its integers."""
    source = {"weight": array(module.weight)}
    if module.bias is not None:
        source["bias"] = array(module.bias)
    return source


def layer_window(module: Any, shape: Shape, pad: Pad) -> tuple[Window, Shape]:
    """How a layer of weights slides over images of ``shape`` with ``pad`` more zeros around.

    Returns the window and the shape of the result.  A linear layer sees the whole image at once.
    """
    if isinstance(module, nn.Linear):
        if module.in_features != math.prod(shape):
            raise ValueError(
                f"a linear layer of {module.in_features} features takes no image of {shape}"
            )
        return _slide(shape, Window(shape[1:], (1, 1), NO_PAD), module.out_features)
    if module.in_channels != shape[0]:
        raise ValueError(f"a convolution of {module.in_channels} channels takes no {shape[0]}")
    left, right, top, bottom = (int(n) for n in module._reversed_padding_repeated_twice)
    window = Window(
        (int(module.kernel_size[0]), int(module.kernel_size[1])),
        (int(module.stride[0]), int(module.stride[1])),
        _sum((top, bottom, left, right), pad),
    )
    return _slide(shape, window, module.out_channels)


def pool_window(
    window: Window | None, size: tuple[int, int], shape: Shape, pad: Pad
) -> tuple[Window, Shape]:
    """How pooling slides, by ``window`` or to an image of ``size``; see :func:`layer_window`."""
    if window is not None:
        return _slide(shape, replace(window, pad=_sum(window.pad, pad)), shape[0])
    rows, columns = size
    if shape[1] % rows or shape[2] % columns:
        raise ValueError(
            f"pooling of {shape[1]}x{shape[2]} to {rows}x{columns} has windows of several sizes"
        )
    kernel = (shape[1] // rows, shape[2] // columns)
    return _slide(shape, Window(kernel, kernel, NO_PAD), shape[0])


def _sum(first: Pad, second: Pad) -> Pad:
    return (
        first[0] + second[0],
        first[1] + second[1],
        first[2] + second[2],
        first[3] + second[3],
    )


def _slide(shape: Shape, window: Window, channels: int) -> tuple[Window, Shape]:
    top, bottom, left, right = window.pad
    height, width = shape[1] + top + bottom, shape[2] + left + right
    if window.kernel[0] > height or window.kernel[1] > width:
        raise ValueError(f"kernel {window.kernel} is larger than the padded image {height}x{width}")
    rows = (height - window.kernel[0]) // window.stride[0] + 1
    columns = (width - window.kernel[1]) // window.stride[1] + 1
    return window, (channels, rows, columns)
