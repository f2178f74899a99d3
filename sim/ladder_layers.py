"""Where two steps of the ladder part, layer by layer.

Each node of an integer network is judged alone: the float operation that it stands for is applied
to the real values of the integers that it was really given, so errors of the layers before do not
count.  What the rules of rounding say about its own error is exact where the rounding is that of
parameters (phi, 8-bit weights: the sums of rounded parameters are known), and a bound where results
are rounded (rescales).  A node that leaves this is wrong, however small the difference.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pa_artifact import Network
from pa_nn import golden
from pa_nn.hardware import HardwareModel
from pa_nn.lowering import Lowered
from pa_nn.pipeline import Compiled, Execution, padded, pooled, rectified
from pa_nn.plan import INPUT, Signal, Step
from sim.ladder_outputs import Sums

__all__ = ["NodeErrors", "compare_integers"]

# Of a float64 result, relative to the largest magnitude: what is below is not the network's.
NOISE = 1e-9


@dataclass
class NodeErrors:
    """What became of one node over all batches.

    Members
    -------
    node, kind : of the ``.pa`` network
    own : error of the node alone, against the float operation on what it was given
    allowed : the rounding that the rules explain
    drift : difference from the float network's value at this place, all layers before included
    elements, beyond : how many were compared, and how many rounding does not explain
    saturated : how many sums left the number format of an ``add``
    """

    node: str
    kind: str
    own: Sums = field(default_factory=Sums)
    allowed: Sums = field(default_factory=Sums)
    drift: Sums | None = None
    elements: int = 0
    beyond: int = 0
    saturated: int = 0

    def as_json(self) -> dict[str, Any]:
        """Errors relative to the signal, and the counts."""
        return {
            "node": self.node,
            "kind": self.kind,
            "own_error": self.own.relative,
            "rounding": self.allowed.relative,
            "drift": None if self.drift is None else self.drift.relative,
            "elements": self.elements,
            "beyond_rounding": self.beyond,
            "saturated": self.saturated,
        }


def _matching_steps(network: Network, model: HardwareModel) -> dict[str, Lowered]:
    """The model's own integers for images of the network's size.

    Raises :class:`ValueError` where the network's nodes are not those of the model.
    """
    [source] = network.of_kind("input")
    channels, height, width = source.shape_out
    _, steps = model.lower((channels, height, width))
    expected = {node.name: node for lowered in steps.values() for node in lowered.nodes}
    found = {node.name: node for node in network.nodes}
    for name in [*expected, *found]:
        if name not in found or name not in expected:
            where = "the checkpoint's network" if name in expected else "the .pa file"
            raise ValueError(f"Node {name!r} is in {where} alone")
        for what in ("kind", "shape_out"):
            ours, theirs = getattr(expected[name], what), getattr(found[name], what)
            if ours != theirs:
                raise ValueError(
                    f"Node {name!r} has {what} {theirs} in the .pa file, "
                    f"{ours} in the checkpoint's network"
                )
    return steps


def compare_integers(
    network: Network, model: HardwareModel, images: torch.Tensor, *, batch_size: int = 50
) -> list[NodeErrors]:
    """Judge each node of a ``.pa`` network on images.

    Parameters
    ----------
    network : integers
    model : the checkpoint's, whose parameters they should come from
    images : pixels, uint8 ``(B, C, H, W)``

    Returns
    -------
    list of :class:`NodeErrors`
        In the order of the network, the input left out.

    Raises
    ------
    ValueError
        The network's nodes are not those of the model.
    """
    steps = _matching_steps(network, model)
    compiled = Compiled(steps, torch.device("cpu"))
    found: dict[str, NodeErrors] = {}
    with torch.no_grad():
        for pixels in images.split(batch_size):
            batch = _Batch(model, compiled, network, pixels, found)
            for step in model.plan[1:]:
                batch.check(step)
    return [found[node.name] for node in network.nodes if node.name in found]


class _Batch:
    """The nodes of one batch: integers of the ``.pa`` network, real values of both networks."""

    def __init__(
        self,
        model: HardwareModel,
        compiled: Compiled,
        network: Network,
        pixels: torch.Tensor,
        errors: dict[str, NodeErrors],
    ) -> None:
        self.modules: dict[str, Any] = dict(model.model.named_modules())
        self.compiled = compiled
        self.integers = golden.run(network, pixels, fast=True)
        mean, std = (
            torch.tensor(values, dtype=torch.float64).view(-1, 1, 1)
            for values in (model.mean, model.std)
        )
        self.images = (pixels.double() / 255 - mean) / std
        self.floats = Execution(
            model.plan,
            self.modules,
            self.images.float(),
            pixels=pixels.double(),
            compiled=None,
            mode="float",
        ).reals
        self.errors = errors

    def check(self, step: Step) -> None:
        """Compare a step's nodes."""
        if step.kind == "add":
            for k, signal in enumerate(step.operands):
                self._rescale(step, k, signal)
        getattr(self, f"_{step.kind}")(step)
        entry = self.errors[step.name]
        entry.drift = entry.drift or Sums()
        value = self.floats[step.name].double()
        entry.drift.add(value, self._real(step.name) - value)

    def _real(self, name: str) -> torch.Tensor:
        """Real values of a step's integers."""
        return self.images if name == INPUT else self.compiled.real(name, self.integers[name])

    def _unit(self, step: Step) -> float:
        """Real value of one unit of an ``add``."""
        return float(self.compiled.steps[step.name].node.tensors["scale"][0])

    def _signal(self, signal: Signal) -> torch.Tensor:
        value = self._real(signal.step)
        if signal.norm is not None:
            norm = self.modules[signal.norm]
            mean, variance, gamma, beta = (
                None if tensor is None else tensor.detach().double()
                for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
            )
            value = F.batch_norm(value, mean, variance, gamma, beta, eps=norm.eps)
        return rectified(value, signal.cap) if signal.relu else value

    def _count(
        self,
        node: str,
        kind: str,
        *,
        exact: torch.Tensor,
        actual: torch.Tensor,
        allowed: torch.Tensor,
        beyond: torch.Tensor,
    ) -> None:
        """Record a node: the float operation's result, the node's, and what is allowed."""
        entry = self.errors.setdefault(node, NodeErrors(node, kind))
        entry.own.add(exact, actual - exact)
        entry.allowed.add(exact, allowed)
        entry.elements += beyond.numel()
        entry.beyond += int(beyond.sum())

    def _products(self, step: Step, exact: torch.Tensor, expected: torch.Tensor) -> None:
        """A sum of products: ``expected`` are the integers that its rounded parameters give."""
        self._count(
            step.name,
            self.compiled.steps[step.name].node.kind,
            exact=exact,
            actual=self._real(step.name),
            allowed=self.compiled.real(step.name, expected) - exact,
            beyond=self.integers[step.name].double() != expected.double(),
        )

    def _pa_conv(self, step: Step) -> None:
        module = self.modules[step.module]
        value = self._signal(step.operands[0]).contiguous()
        # The codes of real values, not the network's own comparators.
        codes = torch.bucketize(value, module.activation.v.detach().double(), right=True)
        level = F.pad(module.activation.beta.detach().double(), (1, 0))
        exact = _weighted(module, padded(level[codes], step.pad), module.approximated_weight())
        self._products(step, exact, self.compiled.sums[step.name](codes))

    def _conv8(self, step: Step) -> None:
        module, [signal] = self.modules[step.module], step.operands
        exact = _weighted(module, padded(self._signal(signal), step.pad), module.weight)
        rounded = self.compiled.run[step.name]([self.integers[signal.step]])
        self._products(step, exact, rounded)

    _linear8 = _conv8

    def _rescale(self, step: Step, k: int, signal: Signal) -> None:
        """A branch: its multiplier, bias and result are rounded to half of a last bit each."""
        name = f"{step.name}.{k}"
        rescale = self.compiled.steps[step.name].nodes[k]
        shift = int(rescale.tensors["shift"])
        acc = self.integers[signal.step].double()
        unit = self._unit(step)
        allowed = unit * (0.5 + (acc.abs() + 1) * 2.0 ** -(shift + 1))
        actual = self.integers[name].double() * unit
        exact = self._signal(signal)
        noise = NOISE * float(exact.abs().max())
        self._count(
            name,
            "rescale",
            exact=exact,
            actual=actual,
            allowed=allowed,
            beyond=(actual - exact).abs() > allowed + noise,
        )

    def _add(self, step: Step) -> None:
        """Sums of branches, already rounded, are exact until they saturate."""
        branches = [self.integers[f"{step.name}.{k}"] for k in range(len(step.operands))]
        total = torch.stack(branches).sum(dim=0)
        attributes = self.compiled.steps[step.name].node.attributes
        expected = golden.saturate(total, bits=attributes["bits"], signed=attributes["signed"])
        exact = torch.stack([self._signal(signal) for signal in step.operands]).sum(dim=0)
        exact = rectified(exact, step.cap) if step.relu else exact
        self._count(
            step.name,
            self.compiled.steps[step.name].node.kind,
            exact=exact,
            actual=self._real(step.name),
            allowed=expected.double() * self._unit(step) - exact,
            beyond=self.integers[step.name] != expected,
        )
        if step.cap is None or self.compiled.largest(step.name) < step.cap * (1 - NOISE):
            cut = (total > expected) if step.relu else (total != expected)
            self.errors[step.name].saturated += int(cut.sum())

    def _without_rounding(self, step: Step, exact: torch.Tensor) -> None:
        actual = self._real(step.name)
        self._count(
            step.name,
            self.compiled.steps[step.name].node.kind,
            exact=exact,
            actual=actual,
            allowed=torch.zeros_like(exact),
            beyond=(actual - exact).abs() > NOISE * float(exact.abs().max()),
        )

    def _concat(self, step: Step) -> None:
        self._without_rounding(step, torch.cat([self._signal(s) for s in step.operands], dim=1))

    def _max_pool(self, step: Step) -> None:
        self._without_rounding(step, pooled(step, self._signal(step.operands[0])))

    _avg_pool = _global_avg_pool = _max_pool


def _double(tensor: torch.Tensor | None) -> torch.Tensor | None:
    return None if tensor is None else tensor.detach().double()


def _weighted(module: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """A convolution or linear layer in float64, with other weights."""
    weight, bias = weight.detach().double(), _double(module.bias)
    if isinstance(module, nn.Linear):
        return F.linear(x.flatten(1), weight, bias)[..., None, None]
    return module._conv_forward(x, weight, bias)
