"""Integer nodes computed on float tensors, exactly and fast enough to train through.

The integers are those of :mod:`pa_nn.golden`; float32 holds them where every partial sum stays
below 2^24, float64 otherwise.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pa_artifact import Node
from pa_nn.layers import PAConv2d

__all__ = [
    "Evaluate",
    "compile_codes",
    "compile_node",
    "compile_sums",
    "exact_conv",
    "straight_through",
]

FLOAT32_EXACT = 1 << 24
Evaluate = Callable[[Sequence[torch.Tensor]], torch.Tensor]


class _StraightThrough(torch.autograd.Function):
    """The exact value forward, the gradient of its differentiable stand-in backward."""

    @staticmethod
    def forward(fake: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
        return exact.to(fake.dtype, copy=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grad, None


def straight_through(fake: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """``exact`` with the gradient of ``fake``; both of one shape."""
    return _StraightThrough.apply(fake, exact)


class _ExactConv(torch.autograd.Function):
    """The exact sums forward; the gradients of the convolution backward, without computing it."""

    @staticmethod
    def forward(
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        exact: torch.Tensor,
        stride: tuple[int, ...],
        padding: tuple[int, ...],
    ) -> torch.Tensor:
        return exact.to(x.dtype, copy=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        x, weight, bias, _, ctx.stride, ctx.padding = inputs
        ctx.biases = None if bias is None else list(bias.shape)
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needed = [*ctx.needs_input_grad[:2], ctx.biases is not None and ctx.needs_input_grad[2]]
        gradients = torch.ops.aten.convolution_backward(
            grad, x, weight, ctx.biases, ctx.stride, ctx.padding, (1, 1), False, (0, 0), 1, needed
        )
        return (*gradients, None, None, None)


def exact_conv(module: PAConv2d, x: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """``exact`` with the gradients of ``module(x)``."""
    padding = module._reversed_padding_repeated_twice
    if padding[0] != padding[1] or padding[2] != padding[3]:
        return straight_through(module(x), exact)
    return _ExactConv.apply(
        module.approximated_input(x),
        module.approximated_weight(),
        module.bias,
        exact,
        tuple(module.stride),
        (padding[2], padding[0]),
    )


def _dtype(bounds: np.ndarray, device: torch.device) -> torch.dtype:
    # Off the CPU a float32 convolution may use reduced precision or transforms that round.
    small = int(np.abs(bounds).max()) < FLOAT32_EXACT
    return torch.float32 if small and device.type == "cpu" else torch.float64


def compile_node(node: Node, bounds: np.ndarray, device: torch.device) -> Evaluate:
    """A function from the operands' integers to the node's, all in float tensors ``(B, C, H, W)``.

    ``bounds`` is the range of the node's result, which no partial sum leaves.
    """
    if node.kind == "pa_conv":
        codes_of, sums = compile_codes(node, device), compile_sums(node, bounds, device)
        return lambda operands: sums(codes_of(operands[0]))
    if node.kind in ("conv8", "linear8"):
        return _products(node, bounds, device)
    if node.kind == "rescale":
        return _rescale(node, device)
    if node.kind == "add":
        return _add(node)
    if node.kind == "concat":
        return lambda operands: torch.cat(list(operands), dim=1)
    if node.kind in ("max_pool", "avg_pool"):
        return _pool(node)
    if node.kind == "global_avg_pool":
        return lambda operands: operands[0].double().sum(dim=(-2, -1), keepdim=True)
    raise ValueError(f"{node.name}: a {node.kind} computes nothing")


def compile_codes(node: Node, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from a ``pa_conv``'s activations to their codes 0..N, int64."""
    thresholds = torch.from_numpy(node.tensors["thresholds"]).to(device)
    flip = torch.from_numpy(node.tensors["flip"]).to(device)
    if not bool(flip.any()) and bool((thresholds == thresholds[:1]).all()):
        ends = thresholds[0].double()
        return lambda x: torch.bucketize(x.contiguous(), ends.to(x.dtype), right=True)
    sign = torch.where(flip, -1.0, 1.0).view(-1, 1, 1).double()
    columns = [sign * column.view(-1, 1, 1).double() for column in thresholds.unbind(1)]

    def codes(x: torch.Tensor) -> torch.Tensor:
        turned = x * sign.to(x.dtype)
        total = torch.zeros_like(x, dtype=torch.uint8)
        for column in columns:
            total += turned >= column.to(x.dtype)
        return total.long()

    return codes


def compile_sums(
    node: Node, bounds: np.ndarray, device: torch.device
) -> Callable[[torch.Tensor], torch.Tensor]:
    """A function from activation codes to the accumulators of a ``pa_conv``.

    One convolution of M times the channels: the activations are looked up in each row of phi, the
    weights are the binary bases ``T_i``.
    """
    dtype = _dtype(bounds, device)
    m, (o, c, kh, kw) = node.attributes["m"], node.tensors["codes"].shape
    table = torch.from_numpy(node.tensors["phi"][1:].T.copy()).to(device, dtype)
    codes = torch.from_numpy(node.tensors["codes"]).to(device)
    index = torch.arange(1, m + 1, device=device).view(1, 1, -1, 1, 1)
    bases = (codes.unsqueeze(2) == index).reshape(o, c * m, kh, kw).to(dtype)
    stride, pad = tuple(node.attributes["stride"]), node.attributes["pad"]

    def sums(act_codes: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = act_codes.shape
        looked_up = F.embedding(act_codes.permute(0, 2, 3, 1), table)
        values = looked_up.reshape(batch, height, width, c * m).permute(0, 3, 1, 2)
        return _conv(values, bases, stride, pad)

    return sums


def _conv(
    x: torch.Tensor,
    weight: torch.Tensor,
    stride: tuple[int, ...],
    pad: Sequence[int],
    groups: int = 1,
) -> torch.Tensor:
    top, bottom, left, right = pad
    if top == bottom and left == right:
        return F.conv2d(x, weight, stride=stride, padding=(top, left), groups=groups)
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, stride=stride, groups=groups)


def _products(node: Node, bounds: np.ndarray, device: torch.device) -> Evaluate:
    dtype = _dtype(bounds, device)
    weight = torch.from_numpy(node.tensors["weight"]).to(device, dtype)
    zero = torch.from_numpy(node.tensors["zero"]).to(device, dtype).view(-1, 1, 1)
    stride, pad, groups = (1, 1), (0, 0, 0, 0), node.attributes.get("groups", 1)
    if node.kind == "conv8":
        stride, pad = tuple(node.attributes["stride"]), node.attributes["pad"]
    weight = weight.reshape(*weight.shape[:2], *(weight.shape[2:] or (1, 1)))
    return lambda operands: _conv(operands[0].to(dtype) - zero, weight, stride, pad, groups)


def _pool(node: Node) -> Evaluate:
    top, bottom, left, right = node.attributes["pad"]
    kernel, stride = tuple(node.attributes["kernel"]), tuple(node.attributes["stride"])
    around = (left, right, top, bottom)

    def largest(operands: Sequence[torch.Tensor]) -> torch.Tensor:
        return F.max_pool2d(F.pad(operands[0], around, value=-torch.inf), kernel, stride)

    def total(operands: Sequence[torch.Tensor]) -> torch.Tensor:
        padded = F.pad(operands[0].double(), around)
        return F.avg_pool2d(padded, kernel, stride, divisor_override=1)

    return largest if node.kind == "max_pool" else total


def _rescale(node: Node, device: torch.device) -> Evaluate:
    mult, bias = (
        torch.from_numpy(node.tensors[key]).to(device).view(-1, 1, 1) for key in ("mult", "bias")
    )
    shift = int(node.tensors["shift"])
    bias = bias + ((1 << shift) >> 1)
    return lambda operands: ((operands[0].long() * mult + bias) >> shift).double()


def _add(node: Node) -> Evaluate:
    bits, signed = node.attributes["bits"], node.attributes["signed"]
    low = -(1 << (bits - 1)) if signed else 0
    high = (1 << (bits - signed)) - 1

    def add(operands: Sequence[torch.Tensor]) -> torch.Tensor:
        total = operands[0]
        for operand in operands[1:]:
            total = total + operand
        return total.clamp(low, high).float()

    return add
