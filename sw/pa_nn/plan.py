"""Recognise a traced network as steps that hardware computes in integers.

A step is one operation on integers; between steps stand signals: the real value of a step's
integers, batch normalised, rectified.  Comparators absorb both; where a value must stay real (a
sum, a shortcut, a pooled image, the logits) an ``add`` step brings it to fixed point.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

from pa_nn.layers import PAConv2d, PALayer

__all__ = ["LOGITS", "Signal", "Step", "UnsupportedError", "make_plan"]

LOGITS = "logits"
INPUT = "input"

SUPPORTED = (
    "a first Conv2d, PAConv2d, BatchNorm2d, ReLU, addition, average pooling to 1x1, flatten "
    "and a last Linear"
)


class UnsupportedError(ValueError):
    """A part of a model that hardware cannot compute; one line with its path."""

    def __init__(self, path: str, problem: str, supported: str = SUPPORTED) -> None:
        super().__init__(f"{path}: {problem} is not supported; supported: {supported}")


@dataclass(frozen=True)
class Signal:
    """Real values of the step ``step``, then batch normalisation ``norm``, then ReLU."""

    step: str
    norm: str | None = None
    relu: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation on integers.

    Members
    -------
    name : the name of its node in a ``.pa`` file
    kind : the kind of that node
    operands : what it works on; several only for ``add``
    module : path of the module with its parameters, empty where it has none
    relu : an ``add`` that saturates at 0
    """

    name: str
    kind: str
    operands: tuple[Signal, ...] = ()
    module: str = ""
    relu: bool = False


@dataclass(frozen=True)
class _Sum:
    """An addition that still waits for the ReLU behind it."""

    name: str
    operands: tuple[Signal, ...]


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, PALayer) or super().is_leaf_module(m, module_qualified_name)


def make_plan(model: nn.Module) -> tuple[Step, ...]:
    """The steps of ``model``, producers first; the last one is the ``add`` called ``logits``.

    Raises
    ------
    UnsupportedError
        With the path of the module, what it does and what is supported.
    """
    try:
        graph = _Tracer().trace(model)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UnsupportedError(
            type(model).__name__, f"a forward that torch.fx cannot trace ({reason})"
        ) from error
    return _Planner(model, graph).plan()


_IDENTITIES = (nn.Identity, nn.Dropout)
_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")
_RELUS = (torch.relu, F.relu, "relu", "relu_")
_FLATTENS = (torch.flatten, "flatten")
_MEANS = (torch.mean, "mean")


def _path(node: fx.Node) -> str:
    """The path of the module that ``node`` is, or is called in."""
    if node.op == "call_module":
        return str(node.target)
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return str(stack[-1][0]) if stack else node.name


def _argument(node: fx.Node, position: int, name: str, default: Any = None) -> Any:
    return node.args[position] if len(node.args) > position else node.kwargs.get(name, default)


_Handler = Callable[[fx.Node], Signal | _Sum]


class _Planner:
    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        self.modules = dict(model.named_modules())
        self.graph = graph
        self.steps: dict[str, Step] = {}
        self.values: dict[fx.Node, Signal | _Sum] = {}
        self.fixed: dict[Signal | _Sum, Signal] = {}

    def plan(self) -> tuple[Step, ...]:
        self._drop_identities()
        for node in self.graph.nodes:
            if node.op == "output":
                self._output(node)
            else:
                self.values[node] = self._handler(node)(node)
        return tuple(self.steps.values())

    def _drop_identities(self) -> None:
        for node in list(self.graph.nodes):
            if node.op == "call_module" and isinstance(self._module(node), _IDENTITIES):
                node.replace_all_uses_with(node.args[0])
                self.graph.erase_node(node)

    def _module(self, node: fx.Node) -> Any:
        return self.modules[str(node.target)]

    def _handler(self, node: fx.Node) -> _Handler:
        if node.op == "placeholder":
            return self._placeholder
        if node.op == "call_module":
            modules: tuple[tuple[type, _Handler], ...] = (
                (PAConv2d, self._pa_conv),
                (PALayer, self._unsupported),
                (nn.Conv2d, self._conv8),
                (nn.BatchNorm2d, self._norm),
                (nn.ReLU, self._relu),
                (nn.AdaptiveAvgPool2d, self._pool),
                (nn.Flatten, self._flatten),
                (nn.Linear, self._linear),
            )
            for kind, handler in modules:
                if isinstance(self._module(node), kind):
                    return handler
        elif node.op in ("call_function", "call_method"):
            functions: tuple[tuple[tuple[Any, ...], _Handler], ...] = (
                (_ADDITIONS, self._add),
                (_RELUS, self._relu),
                (_FLATTENS, self._flatten),
                (_MEANS, self._mean),
                ((F.adaptive_avg_pool2d,), self._pool),
            )
            for targets, handler in functions:
                if node.target in targets:
                    return handler
        return self._unsupported

    def _unsupported(self, node: fx.Node) -> Signal:
        if node.op == "call_module":
            what = type(self._module(node)).__name__
        else:
            what = getattr(node.target, "__name__", str(node.target))
        raise UnsupportedError(_path(node), what)

    def _step(self, step: Step) -> Signal:
        if step.name in self.steps:
            raise UnsupportedError(step.name, "calling one module twice", "one call a module")
        self.steps[step.name] = step
        return Signal(step.name)

    def _operand(self, node: fx.Node) -> Any:
        operand = node.args[0] if node.args else node.kwargs.get("input")
        if not isinstance(operand, fx.Node) or operand not in self.values:
            raise UnsupportedError(_path(node), f"the operand {operand!r}")
        return operand

    def _fix(self, value: Signal | _Sum, *, relu: bool = False) -> Signal:
        """``value`` in fixed point: the signal of an ``add`` step."""
        key = value
        if isinstance(value, _Sum):
            key = replace(value, name=f"{value.name}+") if relu else value
            step = Step(name=value.name, kind="add", operands=value.operands, relu=relu)
        else:
            if value.norm is None and not value.relu and self.steps[value.step].kind == "add":
                return value
            step = Step(
                name=f"{value.norm or value.step}.out",
                kind="add",
                operands=(replace(value, relu=False),),
                relu=value.relu,
            )
        if key not in self.fixed:
            if step.name in self.steps:
                step = replace(step, name=f"{step.name}.{'relu' if step.relu else 'signed'}")
            self.fixed[key] = self._step(step)
        return self.fixed[key]

    def _signal(self, node: fx.Node) -> Signal:
        value = self.values[node]
        return self._fix(value) if isinstance(value, _Sum) else value

    def _placeholder(self, node: fx.Node) -> Signal:
        if INPUT in self.steps:
            raise UnsupportedError(node.name, "a second input", "one image tensor")
        return self._step(Step(name=INPUT, kind="input"))

    def _conv8(self, node: fx.Node) -> Signal:
        path, signal = _path(node), self._signal(self._operand(node))
        if signal != Signal(INPUT):
            raise UnsupportedError(
                path, "a Conv2d that is not the first layer", "PAConv2d there (see pa_nn.convert)"
            )
        self._check_conv(path, self._module(node))
        return self._step(Step(name=path, kind="conv8", operands=(signal,), module=path))

    def _pa_conv(self, node: fx.Node) -> Signal:
        path, module, operand = _path(node), self._module(node), self._operand(node)
        self._check_conv(path, module)
        if module.activation is None:
            raise UnsupportedError(
                path, "N=None (activations in full precision)", "N from 1 to 255"
            )
        signal = self._signal(operand)
        if signal.step == INPUT:
            raise UnsupportedError(path, "a PAConv2d as the first layer", "Conv2d there")
        if any(self._needs_real(user) for user in operand.users):
            signal = self._fix(signal)
        return self._step(Step(name=path, kind="pa_conv", operands=(signal,), module=path))

    def _needs_real(self, user: fx.Node) -> bool:
        return not (user.op == "call_module" and isinstance(self._module(user), PAConv2d))

    def _check_conv(self, path: str, module: Any) -> None:
        if module.groups != 1:
            raise UnsupportedError(path, f"groups={module.groups}", "groups=1")
        if tuple(module.dilation) != (1, 1):
            raise UnsupportedError(path, f"dilation={tuple(module.dilation)}", "dilation=1")
        if module.padding_mode != "zeros":
            raise UnsupportedError(path, f"padding_mode={module.padding_mode!r}", "'zeros'")

    def _norm(self, node: fx.Node) -> Signal:
        path, module = _path(node), self._module(node)
        if module.running_mean is None:
            raise UnsupportedError(
                path, "BatchNorm2d without running statistics", "track_running_stats=True"
            )
        signal = self._signal(self._operand(node))
        if signal.step == INPUT:
            raise UnsupportedError(path, "batch normalisation of the input", "mean and std")
        if signal.norm is not None or signal.relu:
            signal = self._fix(signal)
        return replace(signal, norm=path)

    def _relu(self, node: fx.Node) -> Signal:
        value = self.values[self._operand(node)]
        if isinstance(value, _Sum):
            return self._fix(value, relu=True)
        if value.step == INPUT:
            raise UnsupportedError(_path(node), "ReLU of the input")
        return replace(value, relu=True)

    def _add(self, node: fx.Node) -> Signal | _Sum:
        path = _path(node)
        if len(node.args) != 2 or any(key != "alpha" for key in node.kwargs):
            raise UnsupportedError(path, "this form of addition", "a + b")
        if node.kwargs.get("alpha", 1) != 1:
            raise UnsupportedError(path, f"alpha={node.kwargs['alpha']}", "alpha=1")
        operands: list[Signal] = []
        for operand in node.args:
            if not isinstance(operand, fx.Node):
                raise UnsupportedError(path, f"adding {operand!r}", "adding two activations")
            value = self.values[operand]
            if isinstance(value, _Sum) and len(operand.users) == 1:
                operands.extend(value.operands)
                continue
            signal = self._signal(operand)
            if signal.step == INPUT or self.steps[signal.step].kind == "linear8":
                raise UnsupportedError(path, f"adding {signal.step}", "adding two activations")
            operands.append(self._fix(signal) if signal.relu else signal)
        return _Sum(self._name(node, "add"), tuple(operands))

    def _name(self, node: fx.Node, operation: str) -> str:
        """A name for an operation: its module's, or that of the module that calls it."""
        path = _path(node)
        if node.op == "call_module" or path == node.name:
            return path
        name = f"{path}.{operation}"
        return name if name not in self.steps else f"{path}.{node.name}"

    def _pool(self, node: fx.Node) -> Signal:
        if node.op == "call_module":
            size = self._module(node).output_size
        else:
            size = _argument(node, 1, "output_size")
        if size not in (1, (1, 1), [1, 1]):
            raise UnsupportedError(_path(node), f"pooling to {size}", "average pooling to 1x1")
        return self._pooled(node)

    def _mean(self, node: fx.Node) -> Signal:
        dims = _argument(node, 1, "dim")
        if not isinstance(dims, list | tuple) or sorted(d % 4 for d in dims) != [2, 3]:
            raise UnsupportedError(_path(node), f"the mean over {dims}", "the mean over (2, 3)")
        return self._pooled(node)

    def _pooled(self, node: fx.Node) -> Signal:
        signal = self._signal(self._operand(node))
        if signal.step == INPUT:
            raise UnsupportedError(_path(node), "pooling of the input")
        name = self._name(node, "pool")
        return self._step(Step(name=name, kind="global_avg_pool", operands=(self._fix(signal),)))

    def _flatten(self, node: fx.Node) -> Signal:
        signal = self._signal(self._operand(node))
        if node.op == "call_module":
            start = self._module(node).start_dim
        else:
            start = _argument(node, 1, "start_dim", 0)
        if start != 1 or self.steps[signal.step].kind != "global_avg_pool":
            raise UnsupportedError(
                _path(node), f"flatten from dimension {start} of {signal.step}", "pooled images"
            )
        return signal

    def _linear(self, node: fx.Node) -> Signal:
        path, signal = _path(node), self._signal(self._operand(node))
        if self.steps[signal.step].kind != "global_avg_pool" or signal.norm or signal.relu:
            raise UnsupportedError(path, f"Linear behind {signal.step}", "Linear behind pooling")
        if any(user.op != "output" for user in node.users):
            raise UnsupportedError(path, "a Linear that is not the last layer", "a last Linear")
        return self._step(Step(name=path, kind="linear8", operands=(signal,), module=path))

    def _output(self, node: fx.Node) -> None:
        result = node.args[0]
        value = self.values.get(result) if isinstance(result, fx.Node) else None
        if not isinstance(value, Signal) or self.steps[value.step].kind != "linear8":
            raise UnsupportedError("output", "a model that ends otherwise", "a last Linear")
        self._step(Step(name=LOGITS, kind="add", operands=(value,)))
