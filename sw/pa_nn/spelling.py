"""How PyTorch spells each operation: modules, functions and methods, and their arguments.

A handler reads one node of a traced graph; what its arguments ask for beyond what hardware
computes, it refuses.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import fx, nn

from pa_nn.layers import PALayer
from pa_nn.operations import NO_PAD, Operation, UnsupportedError, Window

__all__ = [
    "FUNCTIONS",
    "MODULES",
    "Handler",
    "Reader",
    "Shape",
    "Size",
    "Value",
    "argument",
    "path_of",
]


@dataclass(frozen=True)
class Shape:
    """The shape of an operation's result."""


@dataclass(frozen=True)
class Size:
    """One dimension of an operation's result."""

    dimension: Any


Value = Operation | Shape | Size | UnsupportedError


class Reader(Protocol):
    """What a handler may ask whoever reads the graph."""

    values: Mapping[Any, Value]

    def module(self, node: fx.Node) -> Any:
        """The module that ``node`` calls."""

    def operand(self, node: fx.Node, *, flat: bool | None = False) -> Operation:
        """The first operand, which must be flat, or must not, unless ``flat`` is None."""

    def as_operation(self, node: fx.Node, value: Any, *, flat: bool | None) -> Operation:
        """Any operand of ``node``."""

    def make(self, node: fx.Node, kind: str, *inputs: Operation, **fields: Any) -> Operation:
        """The operation that ``node`` is."""

    def unsupported(self, node: fx.Node) -> Value:
        """Raise :class:`UnsupportedError` for ``node``."""


Handler = Callable[[Any, fx.Node], Value]


def path_of(node: fx.Node) -> str:
    """The path of the module that ``node`` is, or is called in."""
    if node.op == "call_module":
        return str(node.target)
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else node.name


def argument(node: fx.Node, position: int, name: str, default: Any = None) -> Any:
    """An argument of a function or method by its place or its name."""
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, list | tuple):
        return (int(value[0]), int(value[-1]))
    return (int(value), int(value))


_MAX_POOL_OPTIONS = {
    "kernel_size": None,
    "stride": None,
    "padding": 0,
    "dilation": 1,
    "ceil_mode": False,
    "return_indices": False,
}
_AVG_POOL_OPTIONS = {
    "kernel_size": None,
    "stride": None,
    "padding": 0,
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor_override": None,
}


def _identity(reader: Reader, node: fx.Node) -> Operation:
    return reader.operand(node, flat=None)


def _dropout(reader: Reader, node: fx.Node) -> Operation:
    if argument(node, 2, "training", True) is not False:
        what = "dropout in evaluation mode (training=True)"
        raise UnsupportedError(path_of(node), what, "training=self.training")
    return _identity(reader, node)


def _conv(reader: Reader, node: fx.Node) -> Operation:
    module, path = reader.module(node), path_of(node)
    if isinstance(module, PALayer) and module.groups != 1:
        raise UnsupportedError(path, f"groups={module.groups}", "groups=1, or a Conv2d")
    if tuple(module.dilation) != (1, 1):
        raise UnsupportedError(path, f"dilation={tuple(module.dilation)}", "dilation=1")
    if module.padding_mode != "zeros":
        raise UnsupportedError(path, f"padding_mode={module.padding_mode!r}", "'zeros'")
    return reader.make(node, "conv", reader.operand(node))


def _linear(reader: Reader, node: fx.Node) -> Operation:
    return reader.make(node, "linear", reader.operand(node, flat=True))


def _norm(reader: Reader, node: fx.Node) -> Operation:
    module = reader.module(node)
    if module.running_mean is None:
        what = f"{type(module).__name__} without running statistics"
        raise UnsupportedError(path_of(node), what, "track_running_stats=True")
    flat = isinstance(module, nn.BatchNorm1d)
    return reader.make(node, "norm", reader.operand(node, flat=flat))


def _relu(reader: Reader, node: fx.Node) -> Operation:
    return reader.make(node, "relu", reader.operand(node, flat=None))


def _relu6(reader: Reader, node: fx.Node) -> Operation:
    return reader.make(node, "relu", reader.operand(node, flat=None), cap=6.0)


def _clamp(reader: Reader, node: fx.Node) -> Operation:
    if node.op == "call_module":
        low, high = reader.module(node).min_val, reader.module(node).max_val
    elif node.target is F.hardtanh:
        low = argument(node, 1, "min_val", -1.0)
        high = argument(node, 2, "max_val", 1.0)
    else:
        low, high = argument(node, 1, "min"), argument(node, 2, "max")
    numbers = all(type(bound) in (int, float) for bound in (low, high) if bound is not None)
    if not numbers or low != 0 or (high is not None and not high > 0):
        raise UnsupportedError(
            path_of(node), f"clipping to {low!r}..{high!r}", "clipping to 0..6, or ReLU"
        )
    cap = None if high is None else float(high)
    return reader.make(node, "relu", reader.operand(node, flat=None), cap=cap)


def _add(reader: Reader, node: fx.Node) -> Operation:
    path = path_of(node)
    if len(node.args) != 2 or any(key != "alpha" for key in node.kwargs):
        raise UnsupportedError(path, "this form of addition", "a + b")
    if node.kwargs.get("alpha", 1) != 1:
        raise UnsupportedError(path, f"alpha={node.kwargs['alpha']}", "alpha=1")
    for value in node.args:
        if not isinstance(value, fx.Node):
            raise UnsupportedError(path, f"adding {value!r}", "adding two activations")
    first = reader.operand(node, flat=None)
    second = reader.as_operation(node, node.args[1], flat=first.flat)
    return reader.make(node, "add", first, second)


def _concat(reader: Reader, node: fx.Node) -> Operation:
    path = path_of(node)
    tensors, dimension = argument(node, 0, "tensors"), argument(node, 1, "dim", 0)
    if not isinstance(tensors, list | tuple) or not tensors:
        raise UnsupportedError(path, f"concatenating {tensors!r}", "a list of activations")
    flat = reader.as_operation(node, tensors[0], flat=None).flat
    inputs = [reader.as_operation(node, tensor, flat=flat) for tensor in tensors]
    if dimension not in ((1, -1) if flat else (1, -3)):
        raise UnsupportedError(path, f"concatenating along {dimension}", "dimension 1")
    return inputs[0] if len(inputs) == 1 else reader.make(node, "concat", *inputs)


def _max_pool(reader: Reader, node: fx.Node) -> Operation:
    options = _options(reader, node, _MAX_POOL_OPTIONS)
    return reader.make(node, "max_pool", reader.operand(node), window=_window(node, options))


def _avg_pool(reader: Reader, node: fx.Node) -> Operation:
    options = _options(reader, node, _AVG_POOL_OPTIONS)
    window = _window(node, options)
    if not options["count_include_pad"] and window.pad != NO_PAD:
        raise UnsupportedError(
            path_of(node), "count_include_pad=False with padding", "count_include_pad=True"
        )
    return reader.make(node, "avg_pool", reader.operand(node), window=window)


def _options(reader: Reader, node: fx.Node, names: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a pooling function behind its operand, or the module's."""
    if node.op == "call_module":
        module = reader.module(node)
        return {name: getattr(module, name, default) for name, default in names.items()}
    return {
        name: argument(node, position, name, default)
        for position, (name, default) in enumerate(names.items(), start=1)
    }


def _adaptive_pool(reader: Reader, node: fx.Node) -> Operation:
    if node.op == "call_module":
        size = reader.module(node).output_size
    else:
        size = argument(node, 1, "output_size")
    sizes = size if isinstance(size, list | tuple) else (size, size)
    if len(sizes) != 2 or any(type(number) is not int for number in sizes):
        raise UnsupportedError(path_of(node), f"pooling to {size}", "average pooling to 1x1")
    operand = reader.operand(node)
    return reader.make(node, "adaptive_avg_pool", operand, size=(sizes[0], sizes[1]))


def _mean(reader: Reader, node: fx.Node) -> Operation:
    dims = argument(node, 1, "dim")
    if not isinstance(dims, list | tuple) or sorted(d % 4 for d in dims) != [2, 3]:
        raise UnsupportedError(path_of(node), f"the mean over {dims}", "the mean over (2, 3)")
    flat = not argument(node, 2, "keepdim", False)
    return reader.make(node, "adaptive_avg_pool", reader.operand(node), flat=flat)


def _flatten(reader: Reader, node: fx.Node) -> Operation:
    operand = reader.operand(node, flat=None)
    if node.op == "call_module":
        bounds = (reader.module(node).start_dim, reader.module(node).end_dim)
    else:
        bounds = (argument(node, 1, "start_dim", 0), argument(node, 2, "end_dim", -1))
    if bounds[0] != 1 or bounds[1] not in (-1, 1 if operand.flat else 3):
        raise UnsupportedError(
            path_of(node), f"flatten from dimension {bounds[0]} to {bounds[1]}", "from 1 to -1"
        )
    return operand if operand.flat else reader.make(node, "flatten", operand, flat=True)


def _view(reader: Reader, node: fx.Node) -> Operation:
    """``x.view(x.size(0), -1)`` and the like."""
    operand = reader.operand(node, flat=None)
    sizes = argument(node, 1, "shape")
    sizes = list(sizes) if isinstance(sizes, list | tuple) else list(node.args[1:])
    known = [reader.values.get(s) if isinstance(s, fx.Node) else s for s in sizes]
    batch = known and (known[0] == -1 or known[0] == Size(0))
    if len(known) != 2 or not batch or type(known[1]) is not int or known[0] == known[1]:
        shape = ", ".join(map(str, sizes))
        raise UnsupportedError(path_of(node), f"the view ({shape})", "flatten, view(size(0), -1)")
    return operand if operand.flat else reader.make(node, "flatten", operand, flat=True)


def _size(reader: Reader, node: fx.Node) -> Value:
    dimension = argument(node, 1, "dim")
    return Shape() if dimension is None else Size(dimension)


def _getattr(reader: Reader, node: fx.Node) -> Value:
    return Shape() if node.args[1] == "shape" else reader.unsupported(node)


def _getitem(reader: Reader, node: fx.Node) -> Value:
    if isinstance(reader.values.get(node.args[0]), Shape):
        return Size(node.args[1])
    return reader.unsupported(node)


def _pad(reader: Reader, node: fx.Node) -> Operation:
    if node.op == "call_module":
        module = reader.module(node)
        widths, mode, value = module.padding, "constant", getattr(module, "value", 0)
    else:
        widths, mode = argument(node, 1, "pad"), argument(node, 2, "mode", "constant")
        value = argument(node, 3, "value")
    plain = isinstance(widths, list | tuple) and len(widths) in (2, 4)
    if not plain or any(type(width) is not int or width < 0 for width in widths):
        raise UnsupportedError(path_of(node), f"padding by {widths}", "left, right, top, bottom")
    if mode != "constant" or value not in (None, 0):
        raise UnsupportedError(path_of(node), f"padding {mode} of {value}", "padding with zeros")
    left, right, top, bottom = (*widths, 0, 0)[:4]
    operand = reader.operand(node)
    if operand.kind == "pad":
        first = operand.pad
        pad = (first[0] + top, first[1] + bottom, first[2] + left, first[3] + right)
        return reader.make(node, "pad", *operand.inputs, pad=pad)
    return reader.make(node, "pad", operand, pad=(top, bottom, left, right))


def _window(node: fx.Node, options: dict[str, Any]) -> Window:
    for name, allowed in (("ceil_mode", False), ("return_indices", False)):
        if options.get(name, allowed) != allowed:
            raise UnsupportedError(path_of(node), f"{name}={options[name]}", f"{name}={allowed}")
    if _pair(options.get("dilation", 1)) != (1, 1):
        raise UnsupportedError(path_of(node), f"dilation={options['dilation']}", "dilation=1")
    if options.get("divisor_override") is not None:
        what = f"divisor_override={options['divisor_override']}"
        raise UnsupportedError(path_of(node), what, "divisor_override=None")
    kernel = _pair(options["kernel_size"])
    stride = kernel if options["stride"] in (None, [], ()) else _pair(options["stride"])
    rows, columns = _pair(options["padding"])
    return Window(kernel, stride, (rows, rows, columns, columns))


MODULES: tuple[tuple[Any, Handler], ...] = (
    (nn.Conv2d, _conv),
    (nn.Linear, _linear),
    ((nn.BatchNorm2d, nn.BatchNorm1d), _norm),
    (nn.ReLU, _relu),
    (nn.Hardtanh, _clamp),
    (nn.MaxPool2d, _max_pool),
    (nn.AvgPool2d, _avg_pool),
    (nn.AdaptiveAvgPool2d, _adaptive_pool),
    (nn.Flatten, _flatten),
    ((nn.ZeroPad2d, nn.ConstantPad2d), _pad),
    ((nn.Identity, nn.Dropout, nn.Dropout2d), _identity),
)

FUNCTIONS: tuple[tuple[tuple[Any, ...], Handler], ...] = (
    ((operator.add, operator.iadd, torch.add, "add", "add_"), _add),
    ((torch.relu, torch.relu_, F.relu, F.relu_, "relu", "relu_"), _relu),
    ((F.relu6,), _relu6),
    ((F.hardtanh, F.hardtanh_, torch.clamp, torch.clip), _clamp),
    (("clamp", "clamp_", "clip", "clip_"), _clamp),
    ((torch.cat, torch.concat, torch.concatenate), _concat),
    ((F.max_pool2d, torch.max_pool2d), _max_pool),
    ((F.avg_pool2d,), _avg_pool),
    ((F.adaptive_avg_pool2d,), _adaptive_pool),
    ((torch.mean, "mean"), _mean),
    ((torch.flatten, "flatten"), _flatten),
    ((torch.reshape, "reshape", "view"), _view),
    (("size",), _size),
    ((getattr,), _getattr),
    ((operator.getitem,), _getitem),
    ((F.pad,), _pad),
    ((F.dropout, F.dropout2d), _dropout),
    # Not clone: what changes in place changes every name of a tensor, but no copy of it.
    (("contiguous",), _identity),
)
