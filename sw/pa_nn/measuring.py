"""What rounding costs on images: each step in integers against its real values."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pa_artifact import Node
from pa_nn import parameters
from pa_nn.exact import compile_codes, compile_sums
from pa_nn.hardware import HardwareModel, labelled_batches
from pa_nn.lowering import Lowered
from pa_nn.pipeline import Compiled, rectified
from pa_nn.plan import INPUT, LOGITS, Signal, Step

__all__ = ["Measured", "measure"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Errors of one network on some images.

    Members
    -------
    images : how many
    same_class : how many have the largest logit where the float network has it
    rows : one a step that rounds: ``node``, ``kind``, ``real_rms``, the root mean square of its
        real values; ``own_rms`` and ``own_max``, relative to that, what its own rounding and
        saturation add, its operands being what they are; ``total_rms`` and ``total_max``, how far
        it is from the float network; ``saturated`` of ``values`` results of an ``add``
    """

    images: int
    same_class: int
    rows: list[dict[str, Any]]


class _Tally:
    """Squares and extremes of one step's errors."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.values = self.saturated = 0
        self.squares = {"real": 0.0, "own": 0.0, "total": 0.0}
        self.largest = {"own": 0.0, "total": 0.0}

    def include(self, exact: torch.Tensor, own: torch.Tensor, total: torch.Tensor) -> None:
        """``exact`` are the integers' real values, the others what they should have been."""
        self.values += exact.numel()
        self.squares["real"] += float(total.square().sum())
        for name, real in (("own", own), ("total", total)):
            error = exact - real
            self.squares[name] += float(error.square().sum())
            self.largest[name] = max(self.largest[name], float(error.abs().max()))

    def row(self, node: str) -> dict[str, Any]:
        real = math.sqrt(self.squares["real"] / self.values)
        row: dict[str, Any] = {"node": node, "kind": self.kind, "real_rms": real}
        for name in ("own", "total"):
            rms = math.sqrt(self.squares[name] / self.values)
            row[f"{name}_rms"] = rms / real if real else 0.0
            row[f"{name}_max"] = self.largest[name] / real if real else 0.0
        saturated = self.saturated if self.kind == "add" else None
        return {**row, "saturated": saturated, "values": self.values}


@torch.no_grad()
def measure(model: HardwareModel, calibration: Iterable[Any]) -> Measured:
    """Run ``model`` on normalised images, in integers and in floats, and compare every step.

    ``calibration`` is as for :func:`pa_nn.quantise_for_hardware`.
    """
    tallies: dict[str, _Tally] = {}
    images = same = 0
    for batch, _ in labelled_batches(calibration):
        exact, real = model._execute(batch), model._execute(batch, "float")
        compiled = model._compiled(batch)
        own = _Own(model, compiled, exact.integers)
        for step in model.plan:
            if step.kind not in _ROUNDING:
                continue
            tally = tallies.setdefault(step.name, _Tally(step.kind))
            values = compiled.real(step.name, exact.integers[step.name])
            wanted = own.real(step)
            tally.include(values, wanted, real.reals[step.name].double())
            if step.kind == "add":
                tally.saturated += own.beyond(step, wanted)
        images += len(batch)
        same += int((exact.integers[LOGITS].argmax(1) == real.reals[LOGITS].argmax(1)).sum())
    rows = [tally.row(name) for name, tally in tallies.items()]
    return Measured(images=images, same_class=same, rows=rows)


_ROUNDING = ("conv8", "pa_conv", "linear8", "add")


class _Own:
    """What steps would give for their operands' integers, were their own parameters not rounded."""

    def __init__(
        self, model: HardwareModel, compiled: Compiled, integers: Mapping[str, torch.Tensor]
    ) -> None:
        self.modules = model._modules_by_path
        self.compiled = compiled
        self.steps: Mapping[str, Lowered] = compiled.steps
        self.integers = integers

    def real(self, step: Step) -> torch.Tensor:
        """Float64 real values."""
        node = self.steps[step.name].node
        if step.kind == "add":
            total = torch.stack([self._signal(signal) for signal in step.operands]).sum(0)
            return rectified(total, step.cap) if step.relu else total
        if step.kind == "pa_conv":
            values = self._sums(node, self.integers[step.operands[0].step])
        else:
            values = self._products(node, step.operands[0].step)
        if "bias" not in node.source:
            return values
        bias = torch.from_numpy(node.source["bias"].astype(np.float64)).view(-1, 1, 1)
        return values + bias.to(values.device)

    def beyond(self, step: Step, real: torch.Tensor) -> int:
        """How many real values an ``add`` cannot hold."""
        node = self.steps[step.name].node
        bits, signed = node.attributes["bits"], node.attributes["signed"]
        unit = float(node.tensors["scale"][0])
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        return int(((real > (high + 0.5) * unit) | (real < (low - 0.5) * unit)).sum())

    def _signal(self, signal: Signal) -> torch.Tensor:
        """A branch of an addition: rectified ones are steps of their own."""
        integers, values = self.integers[signal.step].double(), self.steps[signal.step].values
        if signal.norm is not None:
            values = parameters.normalised(values, self.modules[signal.norm], signal.norm)
        slope, offset = (
            torch.tensor([float(number) for number in numbers], dtype=torch.float64)
            for numbers in (values.slope, values.offset)
        )
        device = integers.device
        return integers * slope.view(-1, 1, 1).to(device) + offset.view(-1, 1, 1).to(device)

    def _sums(self, node: Node, integers: torch.Tensor) -> torch.Tensor:
        table = np.zeros(node.tensors["phi"].shape)
        table[1:, 1:] = np.outer(node.source["alpha"], node.source["beta"].astype(np.float64))
        real = replace(node, tensors={**node.tensors, "phi": table})
        codes = compile_codes(node, integers.device)(integers)
        return compile_sums(real, np.array([1 << 40]), integers.device)(codes)

    def _products(self, node: Node, operand: str) -> torch.Tensor:
        x = self.integers[operand].double()
        if operand == INPUT:
            factor, zero = (
                torch.from_numpy(node.source[key]).view(-1, 1, 1).to(x.device)
                for key in ("factor", "zero")
            )
            x = factor * (x - zero)
        else:
            x = self.compiled.real(operand, x)
        weight = torch.from_numpy(node.source["weight"].astype(np.float64)).to(x.device)
        shape = node.tensors["weight"].shape
        weight = weight.view(*shape, *[1] * (4 - len(shape)))
        top, bottom, left, right = node.attributes.get("pad", (0, 0, 0, 0))
        stride = tuple(node.attributes.get("stride", (1, 1)))
        padded = F.pad(x, (left, right, top, bottom))
        return F.conv2d(padded, weight, stride=stride, groups=node.attributes.get("groups", 1))
