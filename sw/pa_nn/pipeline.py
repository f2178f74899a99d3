"""One forward pass through the steps of a plan: integers, and real values with a gradient."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pa_nn.exact import Evaluate, compile_node, compile_sums, exact_conv, straight_through
from pa_nn.layers import PAConv2d
from pa_nn.lowering import Lowered
from pa_nn.operations import NO_PAD, Pad
from pa_nn.plan import INPUT, LOGITS, Signal, Step

__all__ = ["MODES", "Compiled", "Execution", "padded", "pooled", "rectified"]

# "exact" is what hardware computes; "real_sums" leaves what an add gives unrounded; "float" leaves
# everything as the float network computes it.
MODES = ("exact", "real_sums", "float")


class Compiled:
    """The integer steps of one set of parameters, ready to run on one device."""

    def __init__(self, steps: Mapping[str, Lowered], device: torch.device) -> None:
        self.steps = steps
        self.run: dict[str, Evaluate] = {}
        self.sums: dict[str, Any] = {}
        self._slope: dict[str, torch.Tensor] = {}
        self._offset: dict[str, torch.Tensor] = {}
        for name, step in steps.items():
            if step.node.kind == "input":
                continue
            if step.node.kind == "add":
                branches = [compile_node(node, step.bounds, device) for node in step.nodes[:-1]]
                self.run[name] = _add_of(branches, compile_node(step.node, step.bounds, device))
            else:
                self.run[name] = compile_node(step.node, step.bounds, device)
            if step.node.kind == "pa_conv":
                self.sums[name] = compile_sums(step.node, step.bounds, device)
            self._slope[name] = _column(step.values.slope, device)
            self._offset[name] = _column(step.values.offset, device)

    def real(self, name: str, integers: torch.Tensor) -> torch.Tensor:
        """Float64 real values of a step's integers ``(B, C, H, W)``."""
        return integers.double() * self._slope[name] + self._offset[name]

    def largest(self, name: str) -> float:
        """The largest real value that an ``add`` step can give."""
        attributes = self.steps[name].node.attributes
        code = (1 << (attributes["bits"] - attributes["signed"])) - 1
        return code * float(self._slope[name].flatten()[0])


def _column(values: Sequence[Any], device: torch.device) -> torch.Tensor:
    floats = [float(value) for value in values]
    return torch.tensor(floats, dtype=torch.float64, device=device).view(-1, 1, 1)


def _add_of(branches: Sequence[Evaluate], add: Evaluate) -> Evaluate:
    def run(operands: Sequence[torch.Tensor]) -> torch.Tensor:
        pairs = zip(branches, operands, strict=True)
        return add([branch([operand]) for branch, operand in pairs])

    return run


class Execution:
    """Runs the steps of a plan on a batch.

    Parameters
    ----------
    plan : steps, producers first
    modules : modules of the float network by path
    images : normalised, float ``(B, C, H, W)``
    pixels : the integers they came from, float64
    compiled : the integer steps, or None for mode ``"float"``
    mode : one of :data:`MODES`
    training : update the running statistics of batch normalisation

    Members
    -------
    integers : each step's integers in float tensors, as far as the mode has them
    reals : each step's real values; without gradients to follow, only the logits
    largest : largest magnitude of each ``add`` step's real values before rounding
    """

    def __init__(
        self,
        plan: Sequence[Step],
        modules: Mapping[str, Any],
        images: torch.Tensor,
        *,
        pixels: torch.Tensor,
        compiled: Compiled | None,
        mode: str = "exact",
        training: bool = False,
    ) -> None:
        self.modules = modules
        self.compiled = compiled
        self.mode = mode
        self.training = training
        self.integers: dict[str, torch.Tensor] = {INPUT: pixels}
        self.reals: dict[str, torch.Tensor] = {INPUT: images}
        self.largest: dict[str, float] = {}
        self._normed: dict[tuple[str, str], torch.Tensor] = {}
        # Without a gradient to follow the integers are enough.
        self._follow = mode != "exact" or torch.is_grad_enabled() or training
        for step in plan[1:]:
            self._execute(step)

    def logits(self) -> torch.Tensor:
        """Logits ``(B, classes)``."""
        return self.reals[LOGITS].flatten(1)

    def _execute(self, step: Step) -> None:
        # Reduced precision would lose integers.
        with torch.no_grad(), torch.autocast(self.reals[INPUT].device.type, enabled=False):
            exact = self._exact(step)
        if self._follow:
            self.reals[step.name] = self._real(step, exact)
        elif step.name == LOGITS and exact is not None:
            self.reals[LOGITS] = exact.to(self.reals[INPUT].dtype)

    def _exact(self, step: Step) -> torch.Tensor | None:
        """Real values of the step's integers, or None where the mode has none."""
        if self.compiled is None or (self.mode == "real_sums" and step.kind == "add"):
            return None
        operands = [self.integers[s.step] for s in step.operands if s.step in self.integers]
        if len(operands) == len(step.operands):
            integers = self.compiled.run[step.name](operands)
        elif step.kind == "pa_conv":
            ends = self.modules[step.module].activation.v.detach().double()
            real = self._signal(step.operands[0]).double().contiguous()
            integers = self.compiled.sums[step.name](torch.bucketize(real, ends, right=True))
        else:
            return None
        self.integers[step.name] = integers
        return self.compiled.real(step.name, integers)

    def _real(self, step: Step, exact: torch.Tensor | None) -> torch.Tensor:
        """The exact values with the float network's gradient, or the float network's values."""
        operands = [self._signal(signal) for signal in step.operands]
        if step.kind == "add":
            fake = self._added(step, operands)
        elif step.kind == "concat":
            fake = torch.cat(operands, dim=1)
        elif step.module:
            module = self.modules[step.module]
            if exact is not None and isinstance(module, PAConv2d):
                return exact_conv(module, padded(operands[0], step.pad), exact)
            fake = _layer(module, padded(operands[0], step.pad))
        else:
            fake = pooled(step, operands[0])
        return fake if exact is None else straight_through(fake, exact)

    def _added(self, step: Step, operands: Sequence[torch.Tensor]) -> torch.Tensor:
        total = operands[0]
        for operand in operands[1:]:
            total = total + operand
        if step.relu:
            total = rectified(total, step.cap)
        self.largest[step.name] = float(total.detach().abs().max())
        if self.compiled is None or self.mode != "exact":
            return total
        limit = self.compiled.largest(step.name)
        return total.clamp(-limit, limit)

    def _signal(self, signal: Signal) -> torch.Tensor:
        value = self.reals[signal.step]
        if signal.norm is not None:
            key = (signal.step, signal.norm)
            if key not in self._normed:
                self._normed[key] = self._norm(self.modules[signal.norm], value)
            value = self._normed[key]
        return rectified(value, signal.cap) if signal.relu else value

    def _norm(self, module: Any, value: torch.Tensor) -> torch.Tensor:
        # Copies: an update must not change what the backward pass needs.
        mean, variance = module.running_mean.clone(), module.running_var.clone()
        if self.training and module.training:
            _update_statistics(module, value)
        return F.batch_norm(
            value, mean, variance, module.weight, module.bias, training=False, eps=module.eps
        )


def rectified(value: torch.Tensor, cap: float | None) -> torch.Tensor:
    """ReLU up to ``cap``, or without end where that is None."""
    return F.relu(value) if cap is None else value.clamp(0, cap)


def padded(value: torch.Tensor, pad: Pad, padding: float = 0.0) -> torch.Tensor:
    """``value`` with so many rows and columns of ``padding`` around."""
    top, bottom, left, right = pad
    return value if pad == NO_PAD else F.pad(value, (left, right, top, bottom), value=padding)


def _layer(module: Any, value: torch.Tensor) -> torch.Tensor:
    """A layer of weights; a linear one takes whole images."""
    if isinstance(module, nn.Linear):
        return module(value.flatten(1))[..., None, None]
    return module(value)


def pooled(step: Step, value: torch.Tensor) -> torch.Tensor:
    """What a pooling step makes of real values."""
    if step.window is None:
        return F.adaptive_avg_pool2d(value, step.size)
    kernel, stride = step.window.kernel, step.window.stride
    value = padded(value, step.pad)
    if step.kind == "max_pool":
        return F.max_pool2d(padded(value, step.window.pad, -torch.inf), kernel, stride)
    return F.avg_pool2d(padded(value, step.window.pad), kernel, stride)


@torch.no_grad()
def _update_statistics(module: Any, value: torch.Tensor) -> None:
    """What training does to the running statistics of a BatchNorm2d."""
    variance, mean = torch.var_mean(value, dim=(0, 2, 3))
    module.num_batches_tracked.add_(1)
    momentum = module.momentum
    if momentum is None:
        momentum = 1 / float(module.num_batches_tracked)
    module.running_mean.lerp_(mean.to(module.running_mean.dtype), momentum)
    module.running_var.lerp_(variance.to(module.running_var.dtype), momentum)
