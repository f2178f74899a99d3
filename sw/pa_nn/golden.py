"""The golden model: the integer contract in PyTorch integers, by AND and popcount of bases.

Whatever else computes these integers (hardware, components' own models, the fast form below) is
proven equal to this.  :func:`pa_conv` is written to be read; :func:`pa_conv_fast` gives the same
integers by a dense float64 convolution, for whole test sets.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from pa_artifact import ArtifactError, Network, Node

__all__ = [
    "activation_codes",
    "avg_pool",
    "conv8",
    "conv8_fast",
    "linear8",
    "max_pool",
    "pa_conv",
    "pa_conv_fast",
    "rescale",
    "run",
    "saturate",
]

Array = torch.Tensor | np.ndarray
# Sums below this are exact in float64.
EXACT = 1 << 53


def activation_codes(acts: Array, thresholds: Array, flip: Array) -> torch.Tensor:
    """``code = #{j : act >= t_j}``, or ``#{j : act <= t_j}`` in channels that flip (Eq. 10, 18).

    Parameters
    ----------
    acts : int64 ``(..., C, H, W)``
    thresholds : int64 ``(C, N)``
    flip : bool ``(C,)``

    Returns
    -------
    int64 ``(..., C, H, W)``, each 0 to N.
    """
    acts, thresholds = _integers(acts), _integers(thresholds)
    flip = torch.as_tensor(flip, dtype=torch.bool).view(-1, 1, 1)
    codes = torch.zeros_like(acts)
    for column in thresholds.unbind(1):
        t = column.view(-1, 1, 1)
        codes += ((acts >= t) & ~flip) | ((acts <= t) & flip)
    return codes


def pa_conv(
    acts: Array,
    codes: Array,
    phi: Array,
    thresholds: Array,
    flip: Array,
    stride: Sequence[int],
    pad: Sequence[int],
) -> torch.Tensor:
    """``acc = sum_ij phi_ij * popcount(T_i & V_j)`` over each window (Eq. 19).

    Parameters
    ----------
    acts : int64 ``(B, C, H, W)`` or ``(C, H, W)``
    codes : ``(O, C, kh, kw)``, each 0 to M
    phi : ``(M + 1, N + 1)``, row and column 0 zero
    thresholds, flip : ``(C, N)`` and ``(C,)``, see :func:`activation_codes`
    stride : rows, columns
    pad : top, bottom, left, right; a tap on padding has code 0

    Returns
    -------
    int64 ``(B, O, Ho, Wo)`` or ``(O, Ho, Wo)``.
    """
    acts, codes, phi = _integers(acts), _integers(codes), _integers(phi)
    batch = acts if acts.ndim == 4 else acts.unsqueeze(0)
    act_codes = activation_codes(batch, thresholds, flip)
    windows, out_shape = _windows(act_codes, codes.shape[2:], stride, pad)
    flat = codes.flatten(1)
    acc = torch.zeros(len(batch), len(codes), windows.shape[1], dtype=torch.int64)
    for j in range(1, phi.shape[1]):
        v_base = windows == j
        for i in range(1, phi.shape[0]):
            t_base = flat == i
            for o in range(len(codes)):
                popcount = (t_base[o] & v_base).sum(dim=-1)
                acc[:, o] += phi[i, j] * popcount
    result = acc.view(len(batch), len(codes), *out_shape)
    return result if acts.ndim == 4 else result[0]


def pa_conv_fast(
    acts: Array,
    codes: Array,
    phi: Array,
    thresholds: Array,
    flip: Array,
    stride: Sequence[int],
    pad: Sequence[int],
) -> torch.Tensor:
    """The integers of :func:`pa_conv` by one float64 convolution, exact while sums stay below 2^53.

    ``acc = sum_i conv(T_i, phi[i][activation code])``: the M convolutions are one of M times the
    channels.  Raises :class:`OverflowError` where a sum could reach 2^53.
    """
    acts, codes, phi = _integers(acts), _integers(codes), _integers(phi)
    batch = acts if acts.ndim == 4 else acts.unsqueeze(0)
    if int(phi.abs().max()) * codes[0].numel() >= EXACT:
        raise OverflowError(f"Sums of {codes[0].numel()} products leave 2^53")
    top, bottom, left, right = pad
    padded = F.pad(activation_codes(batch, thresholds, flip), (left, right, top, bottom))
    m, (o, c, kh, kw) = len(phi) - 1, codes.shape
    bases = codes.unsqueeze(2) == torch.arange(1, m + 1).view(-1, 1, 1)
    values = F.embedding(padded.permute(0, 2, 3, 1), phi[1:].T.double()).flatten(3)
    acc = F.conv2d(
        values.permute(0, 3, 1, 2), bases.double().view(o, c * m, kh, kw), stride=tuple(stride)
    )
    result = acc.to(torch.int64)
    return result if acts.ndim == 4 else result[0]


def conv8(
    acts: Array, weight: Array, zero: Array, stride: Sequence[int], pad: Sequence[int]
) -> torch.Tensor:
    """``acc = sum w * (x - zero_c)`` over each window, padding ``x - zero_c = 0``; int64.

    ``weight`` is ``(O, C / groups, kh, kw)``: each output channel takes the channels of its group.
    """
    acts, weight = _integers(acts), _integers(weight)
    x = acts - _integers(zero).view(-1, 1, 1)
    batch = x if x.ndim == 4 else x.unsqueeze(0)
    windows, out_shape = _windows(batch, weight.shape[2:], stride, pad)
    rows = weight.flatten(1)
    taps = windows.unflatten(-1, (-1, rows.shape[1]))
    members = len(rows) // taps.shape[2]
    acc = torch.stack(
        [(taps[:, :, o // members] * row).sum(dim=-1) for o, row in enumerate(rows)], dim=1
    )
    result = acc.view(len(batch), len(weight), *out_shape)
    return result if acts.ndim == 4 else result[0]


def conv8_fast(
    acts: Array, weight: Array, zero: Array, stride: Sequence[int], pad: Sequence[int]
) -> torch.Tensor:
    """The integers of :func:`conv8` by one float64 convolution."""
    acts, weight = _integers(acts), _integers(weight)
    x = acts - _integers(zero).view(-1, 1, 1)
    if int(x.abs().max()) * 128 * weight[0].numel() >= EXACT:
        raise OverflowError(f"Sums of {weight[0].numel()} products leave 2^53")
    top, bottom, left, right = pad
    padded = F.pad(x, (left, right, top, bottom)).double()
    groups = x.shape[-3] // weight.shape[1]
    acc = F.conv2d(padded, weight.double(), stride=tuple(stride), groups=groups)
    return acc.to(torch.int64)


def max_pool(
    values: Array, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]
) -> torch.Tensor:
    """The largest value of each window; padding counts as lower than any; int64."""
    values = _integers(values)
    lowest = torch.iinfo(torch.int64).min
    return _views(values, kernel, stride, pad, lowest).amax(dim=(-2, -1))


def avg_pool(
    values: Array, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]
) -> torch.Tensor:
    """The sum of each window, to which padding contributes 0; int64."""
    return _views(_integers(values), kernel, stride, pad).sum(dim=(-2, -1))


def linear8(acts: Array, weight: Array, zero: Array) -> torch.Tensor:
    """``acc = sum w * (x - zero_c)``: ``(..., C, 1, 1)`` to ``(..., O, 1, 1)``, int64."""
    acts, weight = _integers(acts), _integers(weight)
    x = acts - _integers(zero).view(-1, 1, 1)
    return (weight * x.squeeze(-1).squeeze(-1).unsqueeze(-2)).sum(dim=-1)[..., None, None]


def rescale(acc: Array, mult: Array, bias: Array, shift: int | Array) -> torch.Tensor:
    """``y = (acc * mult_c + bias_c + half) >> shift``, arithmetic, not saturated; int64."""
    acc, shift = _integers(acc), int(shift)
    half = (1 << shift) >> 1
    return (acc * _integers(mult).view(-1, 1, 1) + _integers(bias).view(-1, 1, 1) + half) >> shift


def saturate(values: torch.Tensor, *, bits: int, signed: bool) -> torch.Tensor:
    """Clip to ``0..2^bits - 1``, or to two's complement of ``bits``."""
    if signed:
        return values.clamp(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    return values.clamp(0, (1 << bits) - 1)


def run(network: Network, images: Array, fast: bool = False) -> dict[str, torch.Tensor]:
    """Every node's integers for a batch of images.

    Parameters
    ----------
    network : a :class:`pa_artifact.Network`, as :func:`pa_artifact.read` returns it
    images : integers ``(B, C, H, W)`` or ``(C, H, W)`` in the format of the network's input
    fast : use the dense float64 forms, which give the same integers

    Returns
    -------
    int64 ``(B, C, H, W)`` (or without ``B``) by the name of the node.
    """
    values: dict[str, torch.Tensor] = {}
    for node in network.nodes:
        operands = [values[operand.name] for operand in network.inputs_of(node.name)]
        values[node.name] = (
            _checked_input(node, images) if node.kind == "input" else evaluate(node, operands, fast)
        )
    return values


def evaluate(node: Node, operands: Sequence[torch.Tensor], fast: bool = False) -> torch.Tensor:
    """One node's integers from those of its operands."""
    return _RULES[node.kind](node, operands, fast)


def _pa_conv_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    form = pa_conv_fast if fast else pa_conv
    return form(
        operands[0],
        node.tensors["codes"],
        node.tensors["phi"],
        node.tensors["thresholds"],
        node.tensors["flip"],
        node.attributes["stride"],
        node.attributes["pad"],
    )


def _conv8_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    form = conv8_fast if fast else conv8
    return form(
        operands[0],
        node.tensors["weight"],
        node.tensors["zero"],
        node.attributes["stride"],
        node.attributes["pad"],
    )


def _linear8_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    return linear8(operands[0], node.tensors["weight"], node.tensors["zero"])


def _rescale_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    return rescale(operands[0], *(node.tensors[key] for key in ("mult", "bias", "shift")))


def _add_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    total = operands[0].clone()
    for operand in operands[1:]:
        total += operand
    return saturate(total, bits=node.attributes["bits"], signed=node.attributes["signed"])


def _concat_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    return torch.cat(list(operands), dim=-3)


def _window_of(node: Node) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    return node.attributes["kernel"], node.attributes["stride"], node.attributes["pad"]


def _max_pool_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    return max_pool(operands[0], *_window_of(node))


def _avg_pool_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    return avg_pool(operands[0], *_window_of(node))


def _global_pool_node(node: Node, operands: Sequence[torch.Tensor], fast: bool) -> torch.Tensor:
    return operands[0].sum(dim=(-2, -1), keepdim=True)


_RULES: dict[str, Callable[[Node, Sequence[torch.Tensor], bool], torch.Tensor]] = {
    "pa_conv": _pa_conv_node,
    "conv8": _conv8_node,
    "linear8": _linear8_node,
    "rescale": _rescale_node,
    "add": _add_node,
    "concat": _concat_node,
    "max_pool": _max_pool_node,
    "avg_pool": _avg_pool_node,
    "global_avg_pool": _global_pool_node,
}


def _checked_input(node: Node, images: Array) -> torch.Tensor:
    values = _integers(images)
    if tuple(values.shape[-3:]) != tuple(node.shape_out):
        raise ArtifactError(
            f"Images must have shape {tuple(node.shape_out)}, not {tuple(values.shape[-3:])}"
        )
    bits, signed = node.attributes["bits"], node.attributes["signed"]
    if not torch.equal(saturate(values, bits=bits, signed=signed), values):
        raise ArtifactError(
            f"Images must be {'signed' if signed else 'unsigned'} integers of {bits} bits, "
            f"not {int(values.min())} to {int(values.max())}"
        )
    return values


def _integers(values: Array) -> torch.Tensor:
    tensor = torch.as_tensor(values)
    if tensor.dtype.is_floating_point or tensor.dtype.is_complex:
        raise TypeError(f"Values must be integers, not {tensor.dtype}")
    return tensor.to(torch.int64)


def _windows(
    values: torch.Tensor, kernel: Sequence[int], stride: Sequence[int], pad: Sequence[int]
) -> tuple[torch.Tensor, tuple[int, int]]:
    """``(B, C, H, W)`` to ``(B, Ho * Wo, C * kh * kw)``, zeros where a tap is on padding."""
    windows = _views(values, kernel, stride, pad)
    batch, _, rows, columns = windows.shape[:4]
    taps = windows.permute(0, 2, 3, 1, 4, 5).reshape(batch, rows * columns, -1)
    return taps, (rows, columns)


def _views(
    values: torch.Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    pad: Sequence[int],
    padding: int = 0,
) -> torch.Tensor:
    """``(..., C, H, W)`` to ``(..., C, Ho, Wo, kh, kw)``."""
    top, bottom, left, right = pad
    padded = F.pad(values, (left, right, top, bottom), value=padding)
    return padded.unfold(-2, kernel[0], stride[0]).unfold(-2, kernel[1], stride[1])
