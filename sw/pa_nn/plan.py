"""Recognise a network as steps that hardware computes in integers.

A step is one operation on integers; between steps stand signals: the real value of a step's
integers, batch normalised, rectified.  Comparators absorb both; where a value must stay real (a
sum, a shortcut, a pooled image, the input of an 8-bit layer, the logits) an ``add`` step brings it
to fixed point.
"""

from dataclasses import dataclass, replace

from torch import nn

from pa_nn.layers import PALayer
from pa_nn.operations import NO_PAD, Operation, Pad, UnsupportedError, Window
from pa_nn.tracing import trace

__all__ = ["INPUT", "LOGITS", "Signal", "Step", "UnsupportedError", "make_plan"]

LOGITS = "logits"
INPUT = "input"
# Results without an offset.
FIXED_POINT = ("add", "concat", "max_pool", "avg_pool", "global_avg_pool")
PARAMETERS = ("conv", "linear")


@dataclass(frozen=True)
class Signal:
    """Real values of the step ``step``, then batch normalisation ``norm``, then ReLU up to ``cap``.

    A ``cap`` of None is infinity.
    """

    step: str
    norm: str | None = None
    relu: bool = False
    cap: float | None = None


@dataclass(frozen=True, kw_only=True)
class Step:
    """One operation on integers.

    Members
    -------
    name : the name of its node in a ``.pa`` file
    kind : the kind of that node; a ``linear8`` or ``pa_conv`` of a linear layer is a convolution of
        the whole image
    operands : what it works on; several only for ``add`` and ``concat``
    module : path of the module with its parameters, empty where it has none
    relu : an ``add`` that saturates at 0
    cap : what an ``add`` saturates at, at the latest; None for infinity
    pad : zeros around the operand, beside the module's own
    window : of a pooling step; None for an adaptive one
    size : rows and columns of the result of an adaptive ``avg_pool``
    """

    name: str
    kind: str
    operands: tuple[Signal, ...] = ()
    module: str = ""
    relu: bool = False
    cap: float | None = None
    pad: Pad = NO_PAD
    window: Window | None = None
    size: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class _Sum:
    """An addition that still waits for the ReLU behind it."""

    name: str
    operands: tuple[Signal, ...]


@dataclass(frozen=True)
class _Padded:
    """Zeros around a value, which the next window takes in."""

    value: Signal
    pad: Pad


_Value = Signal | _Sum | _Padded


def make_plan(model: nn.Module) -> tuple[Step, ...]:
    """The steps of ``model``, producers first; the last one is the ``add`` called ``logits``.

    Raises
    ------
    UnsupportedError
        With the path of the module, what it does and what is supported.
    """
    return _Planner(model, trace(model)).plan()


class _Planner:
    def __init__(self, model: nn.Module, operations: tuple[Operation, ...]) -> None:
        self.modules = dict(model.named_modules())
        self.operations = operations
        self.users: dict[Operation, list[Operation]] = {each: [] for each in operations}
        for operation in operations:
            for operand in operation.inputs:
                self.users[operand].append(operation)
        self.steps: dict[str, Step] = {}
        self.values: dict[Operation, _Value] = {}
        self.fixed: dict[Signal | tuple[str, bool, float | None], Signal] = {}

    def plan(self) -> tuple[Step, ...]:
        for operation in self.operations:
            self.values[operation] = getattr(self, f"_{operation.kind}")(operation)
        return tuple(self.steps.values())

    def _step(self, step: Step) -> Signal:
        if step.name in self.steps:
            raise UnsupportedError(step.name, "calling one module twice", "one call a module")
        self.steps[step.name] = step
        return Signal(step.name)

    def _unique(self, name: str, *suffixes: str) -> str:
        """``name``, with the first suffix that makes it the name of a new step."""
        names = (name, *(f"{name}.{suffix}" for suffix in suffixes))
        numbered = (f"{name}.{number}" for number in range(2, len(self.steps) + 3))
        taken = (INPUT, LOGITS, *self.steps)
        return next(each for each in (*names, *numbered) if each not in taken)

    def _signal(self, operation: Operation) -> Signal:
        value = self.values[operation]
        if isinstance(value, _Padded):
            raise UnsupportedError(
                operation.path,
                "padding",
                "padding in front of a convolution, of average pooling, "
                "or of maximum pooling behind a ReLU",
            )
        return self._fix_sum(value) if isinstance(value, _Sum) else value

    def _padded(self, operation: Operation) -> tuple[Signal, Pad]:
        value = self.values[operation]
        if isinstance(value, _Padded):
            return value.value, value.pad
        return self._signal(operation), NO_PAD

    def _fix_sum(self, total: _Sum, *, relu: bool = False, cap: float | None = None) -> Signal:
        """A sum in fixed point: the signal of an ``add`` step."""
        key = (total.name, relu, cap)
        if key not in self.fixed:
            name = self._unique(total.name, "relu" if relu else "signed")
            step = Step(name=name, kind="add", operands=total.operands, relu=relu, cap=cap)
            self.fixed[key] = self._step(step)
        return self.fixed[key]

    def _fix(self, signal: Signal) -> Signal:
        """``signal`` in fixed point: that of a step without an offset."""
        plain = signal.norm is None and not signal.relu
        if plain and self.steps[signal.step].kind in FIXED_POINT:
            return signal
        if signal not in self.fixed:
            name = f"{signal.norm or signal.step}.out"
            step = Step(
                name=self._unique(name, "relu" if signal.relu else "signed"),
                kind="add",
                operands=(replace(signal, relu=False, cap=None),),
                relu=signal.relu,
                cap=signal.cap,
            )
            self.fixed[signal] = self._step(step)
        return self.fixed[signal]

    def _unsigned(self, signal: Signal) -> bool:
        """Whether a signal in fixed point is never negative."""
        step = self.steps[signal.step]
        if step.kind == "add":
            return step.relu
        return all(self._unsigned(operand) for operand in step.operands)

    def _refuse_image(self, operation: Operation, signal: Signal, what: str) -> None:
        if signal.step == INPUT:
            raise UnsupportedError(operation.path, what, "a Conv2d or Linear of the input")

    def _input(self, operation: Operation) -> Signal:
        return self._step(Step(name=INPUT, kind="input"))

    def _conv(self, operation: Operation) -> Signal:
        return self._weighted(operation, "conv8")

    def _linear(self, operation: Operation) -> Signal:
        return self._weighted(operation, "linear8")

    def _weighted(self, operation: Operation, kind: str) -> Signal:
        """A layer of weights: piecewise approximated behind comparators, or 8 bits wide."""
        path, module = operation.path, self.modules[operation.path]
        (operand,) = operation.inputs
        signal, pad = self._padded(operand)
        if isinstance(module, PALayer):
            kind = "pa_conv"
            if module.activation is None:
                raise UnsupportedError(
                    path, "N=None (activations in full precision)", "N from 1 to 255"
                )
            if module.alpha is not None and len(module.alpha) > 1:
                raise UnsupportedError(
                    path, "weight levels for each channel", "levels of the layer, which phi holds"
                )
            if signal.step == INPUT:
                name = type(module).__name__
                raise UnsupportedError(
                    path, f"a {name} as the first layer", f"{name.removeprefix('PA')} there"
                )
            if any(self._needs_fixed_point(user, signal) for user in self.users[operand]):
                signal = self._fix(signal)
        elif signal.step != INPUT:
            signal = self._fix(signal)
        name = f"{path}.layer" if path in (INPUT, LOGITS) else path
        return self._step(Step(name=name, kind=kind, operands=(signal,), module=path, pad=pad))

    def _needs_fixed_point(self, user: Operation, signal: Signal) -> bool:
        """Whether ``user`` brings ``signal`` to fixed point, so that everyone can take that."""
        if user.kind in PARAMETERS:
            return not isinstance(self.modules[user.path], PALayer)
        if user.kind in ("flatten", "pad"):
            return any(self._needs_fixed_point(other, signal) for other in self.users[user])
        if user.kind == "norm":
            return signal.relu or signal.norm is not None
        return signal.relu if user.kind in ("add", "output") else user.kind != "relu"

    def _norm(self, operation: Operation) -> Signal:
        signal = self._signal(operation.inputs[0])
        self._refuse_image(operation, signal, "batch normalisation of the input")
        if signal.norm is not None or signal.relu:
            signal = self._fix(signal)
        return replace(signal, norm=operation.path)

    def _relu(self, operation: Operation) -> Signal:
        value = self.values[operation.inputs[0]]
        if isinstance(value, _Sum):
            return self._fix_sum(value, relu=True, cap=operation.cap)
        signal = self._signal(operation.inputs[0])
        self._refuse_image(operation, signal, "ReLU of the input")
        plain = signal.norm is None and not signal.relu and operation.cap is None
        if plain and self.steps[signal.step].kind in FIXED_POINT and self._unsigned(signal):
            return signal
        caps = [cap for cap in (signal.cap, operation.cap) if cap is not None]
        return replace(signal, relu=True, cap=min(caps, default=None))

    def _add(self, operation: Operation) -> _Sum:
        operands: list[Signal] = []
        for operand in operation.inputs:
            value = self.values[operand]
            if isinstance(value, _Sum) and len(self.users[operand]) == 1:
                operands.extend(value.operands)
                continue
            signal = self._signal(operand)
            self._refuse_image(operation, signal, "adding the input")
            operands.append(self._fix(signal) if signal.relu else signal)
        return _Sum(operation.name, tuple(operands))

    def _concat(self, operation: Operation) -> Signal:
        signals = []
        for operand in operation.inputs:
            signal = self._signal(operand)
            self._refuse_image(operation, signal, "concatenating the input")
            signals.append(self._narrowed(self._fix(signal)))
        name = self._unique(operation.name)
        return self._step(Step(name=name, kind="concat", operands=tuple(signals)))

    def _narrowed(self, signal: Signal) -> Signal:
        """``signal``, in fixed point, with the width of activations: sums of pools are wider."""
        origin = self.steps[signal.step]
        while origin.kind == "max_pool":
            origin = self.steps[origin.operands[0].step]
        if origin.kind in ("add", "concat"):
            return signal
        if signal not in self.fixed:
            relu = self._unsigned(signal)
            name = self._unique(f"{signal.step}.out", "relu" if relu else "signed")
            step = Step(name=name, kind="add", operands=(signal,), relu=relu)
            self.fixed[signal] = self._step(step)
        return self.fixed[signal]

    def _max_pool(self, operation: Operation) -> Signal:
        signal, pad = self._padded(operation.inputs[0])
        self._refuse_image(operation, signal, "pooling of the input")
        signal = self._narrowed(self._fix(signal))
        if pad != NO_PAD and not self._unsigned(signal):
            raise UnsupportedError(
                operation.path, "zero padding in front of maximum pooling", "a ReLU in front of it"
            )
        return self._pool(operation, "max_pool", signal, pad)

    def _avg_pool(self, operation: Operation) -> Signal:
        signal, pad = self._padded(operation.inputs[0])
        self._refuse_image(operation, signal, "pooling of the input")
        return self._pool(operation, "avg_pool", self._fix(signal), pad)

    def _adaptive_avg_pool(self, operation: Operation) -> Signal:
        kind = "global_avg_pool" if operation.size == (1, 1) else "avg_pool"
        signal = self._signal(operation.inputs[0])
        self._refuse_image(operation, signal, "pooling of the input")
        return self._pool(operation, kind, self._fix(signal), NO_PAD)

    def _pool(self, operation: Operation, kind: str, signal: Signal, pad: Pad) -> Signal:
        step = Step(
            name=self._unique(operation.name),
            kind=kind,
            operands=(signal,),
            pad=pad,
            window=operation.window,
            size=operation.size,
        )
        return self._step(step)

    def _flatten(self, operation: Operation) -> _Value:
        value = self.values[operation.inputs[0]]
        return self._signal(operation.inputs[0]) if isinstance(value, _Padded) else value

    def _pad(self, operation: Operation) -> _Padded:
        signal = self._signal(operation.inputs[0])
        return _Padded(signal, operation.pad)

    def _output(self, operation: Operation) -> Signal:
        value = self.values[operation.inputs[0]]
        operands: tuple[Signal, ...]
        if isinstance(value, _Sum):
            operands = value.operands
        else:
            signal = self._signal(operation.inputs[0])
            if signal.step == INPUT:
                raise UnsupportedError("output", "a model without layers", "one Linear at least")
            operands = (self._fix(signal) if signal.relu else signal,)
        return self._step(Step(name=LOGITS, kind="add", operands=operands))
