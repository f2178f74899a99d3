"""From the steps of a plan and their float parameters to the integer nodes of a ``.pa`` network.

This is the only place where parameters become integers: training, evaluation and export all go
through :func:`lower`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import nn

from pa_artifact import Network, Node
from pa_artifact.ranges import node_range
from pa_nn import integers
from pa_nn.integers import Affine, InputFormat
from pa_nn.plan import INPUT, LOGITS, Signal, Step
from pa_nn.weights import weight_codes

__all__ = ["LOGIT_BITS", "Lowered", "Widths", "lower", "padding_of"]

LOGIT_BITS = 24
LOGIT_CODE = 32767
PRODUCER = "pa_nn.export 1"


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Bits of phi, of rescale multipliers and of fixed-point activations."""

    phi_bits: int = 8
    mult_bits: int = 16
    act_bits: int = 8

    def __post_init__(self) -> None:
        for name, low, high in (("phi_bits", 2, 16), ("mult_bits", 2, 24), ("act_bits", 2, 16)):
            value = getattr(self, name)
            if type(value) is not int:
                raise TypeError(f"{name} must be an integer, not {value!r}")
            if not low <= value <= high:
                raise ValueError(f"{name} must be from {low} to {high}, not {value!r}")


@dataclass(frozen=True, eq=False)
class Lowered:
    """One step in integers.

    Members
    -------
    nodes : its nodes; the last one gives its result, the others are the branches of an ``add``
    values : real value of the result's integers
    bounds : int64 ``(channels, 2)``, the lowest and highest integer
    """

    nodes: tuple[Node, ...]
    values: Affine
    bounds: np.ndarray

    @property
    def node(self) -> Node:
        return self.nodes[-1]


def lower(
    plan: Sequence[Step],
    modules: Mapping[str, nn.Module],
    *,
    image_shape: tuple[int, int, int],
    pixels: InputFormat,
    ranges: Mapping[str, float],
    widths: Widths,
) -> tuple[Network, dict[str, Lowered]]:
    """The integer network of a plan, and each of its steps by name.

    Parameters
    ----------
    plan : steps, producers first
    modules : the modules that the steps name
    image_shape : channels, height and width of one image
    pixels : real values of the input's integers
    ranges : largest magnitude of each ``add`` step's real values
    widths : bits of phi, multipliers and activations

    Raises
    ------
    ValueError
        Naming the step: parameters that are not finite, multipliers that do not fit.
    """
    lowering = _Lowering(modules, image_shape, pixels, ranges, widths)
    for step in plan:
        try:
            lowering.steps[step.name] = lowering.lower(step)
        except ValueError as error:
            raise type(error)(f"{step.name}: {error}") from None
    nodes = [node for lowered in lowering.steps.values() for node in lowered.nodes]
    network = Network(nodes=tuple(nodes), edges=tuple(lowering.edges), producer=PRODUCER)
    return network, lowering.steps


def padding_of(module: Any) -> tuple[int, int, int, int]:
    """Zero padding of a convolution: top, bottom, left, right."""
    left, right, top, bottom = module._reversed_padding_repeated_twice
    return int(top), int(bottom), int(left), int(right)


def _floats(tensor: torch.Tensor | None, count: int, default: float = 0.0) -> list[float]:
    if tensor is None:
        return [default] * count
    return tensor.detach().to("cpu", torch.float64).flatten().tolist()


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().float().numpy().copy()


class _Lowering:
    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        image_shape: tuple[int, int, int],
        pixels: InputFormat,
        ranges: Mapping[str, float],
        widths: Widths,
    ) -> None:
        self.modules: Mapping[str, Any] = modules
        self.image_shape = image_shape
        self.pixels = pixels
        self.ranges = ranges
        self.widths = widths
        self.steps: dict[str, Lowered] = {}
        self.edges: list[tuple[str, str]] = []

    def lower(self, step: Step) -> Lowered:
        return getattr(self, f"_{step.kind}")(step)

    def _finish(
        self, nodes: Sequence[Node], operands: Sequence[Lowered], values: Affine
    ) -> Lowered:
        return Lowered(tuple(nodes), values, node_range(nodes[-1], [x.bounds for x in operands]))

    def _values(self, signal: Signal) -> Affine:
        """Exact real values of a signal, before its ReLU."""
        values = self.steps[signal.step].values
        if signal.norm is None:
            return values
        module = self.modules[signal.norm]
        count = module.num_features
        parameters = (
            _floats(module.weight, count, 1.0),
            _floats(module.bias, count),
            _floats(module.running_mean, count),
            _floats(module.running_var, count),
        )
        for floats in parameters:
            integers.finite_floats(f"Parameters of {signal.norm}", floats)
        return values.then(integers.batch_norm(*parameters, float(module.eps)))

    def _source(self, signal: Signal) -> dict[str, np.ndarray]:
        """The batch normalisation that was folded in, for whoever checks it."""
        if signal.norm is None:
            return {}
        module = self.modules[signal.norm]
        source = {
            "norm.mean": _array(module.running_mean),
            "norm.var": _array(module.running_var),
            "norm.eps": np.array(float(module.eps)),
        }
        if module.weight is not None:
            source |= {"norm.gamma": _array(module.weight), "norm.beta": _array(module.bias)}
        return source

    def _window(self, step: Step) -> tuple[dict[str, Any], tuple[int, int, int]]:
        module = self.modules[step.module]
        _, height, width = self.steps[step.operands[0].step].node.shape_out
        kernel = tuple(int(k) for k in module.kernel_size)
        stride = tuple(int(s) for s in module.stride)
        pad = padding_of(module)
        rows = (height + pad[0] + pad[1] - kernel[0]) // stride[0] + 1
        columns = (width + pad[2] + pad[3] - kernel[1]) // stride[1] + 1
        if rows < 1 or columns < 1:
            raise ValueError(
                f"kernel {kernel} is larger than the padded image "
                f"{height + pad[0] + pad[1]}x{width + pad[2] + pad[3]}"
            )
        return {"kernel": kernel, "stride": stride, "pad": pad}, (
            module.out_channels,
            rows,
            columns,
        )

    def _parameters(self, step: Step) -> dict[str, np.ndarray]:
        module = self.modules[step.module]
        source = {"weight": _array(module.weight)}
        if module.bias is not None:
            source["bias"] = _array(module.bias)
        return source

    def _input(self, step: Step) -> Lowered:
        shape = self.image_shape
        node = Node(
            name=step.name,
            kind="input",
            shape_in=shape,
            shape_out=shape,
            attributes={"bits": 8, "signed": False},
        )
        # The pixels' zero points are not integers: only 8-bit weights know what they mean.
        return self._finish([node], [], Affine((), ()))

    def _conv8(self, step: Step) -> Lowered:
        module, operand = self.modules[step.module], self.steps[INPUT]
        bias = _floats(module.bias, module.out_channels)
        layer = integers.quantise_weights_8bit(
            _array(module.weight), integers.finite_floats("Bias", bias), self.pixels
        )
        attributes, shape_out = self._window(step)
        node = Node(
            name=step.name,
            kind="conv8",
            shape_in=operand.node.shape_out,
            shape_out=shape_out,
            attributes=attributes,
            tensors={"weight": layer.weight, "zero": layer.zero},
            source={
                **self._parameters(step),
                "factor": np.array([float(f) for f in self.pixels.factor]),
                "zero": np.array([float(z) for z in self.pixels.zero]),
            },
        )
        self.edges.append((INPUT, step.name))
        return self._finish([node], [operand], layer.values)

    def _pa_conv(self, step: Step) -> Lowered:
        module, (signal,) = self.modules[step.module], step.operands
        operand = self.steps[signal.step]
        codes, alpha = weight_codes(module.weight, module.m)
        beta, endpoints = (
            _floats(tensor, module.n) for tensor in (module.activation.beta, module.activation.v)
        )
        phi, scale = integers.phi_table(alpha, beta, self.widths.phi_bits)
        if signal.relu and not endpoints[0] > 0:
            raise ValueError(f"Endpoints v behind a ReLU must be above 0, not {endpoints[0]}")
        thresholds, flip = integers.fold_thresholds(endpoints, self._values(signal), operand.bounds)
        signed = not (operand.node.kind == "add" and not operand.node.attributes["signed"])
        attributes, shape_out = self._window(step)
        attributes |= {
            "scheme": "pa",
            "m": module.m,
            "n": module.n,
            "phi_bits": self.widths.phi_bits,
            "act_bits": _bits(operand, signed),
            "act_signed": signed,
        }
        node = Node(
            name=step.name,
            kind="pa_conv",
            shape_in=operand.node.shape_out,
            shape_out=shape_out,
            attributes=attributes,
            tensors={
                "codes": codes.cpu().numpy(),
                "phi": phi,
                "scale": np.array([scale]),
                "range": operand.bounds,
                "thresholds": thresholds,
                "flip": flip,
            },
            source={
                **self._parameters(step),
                "alpha": np.array(alpha),
                "beta": _array(module.activation.beta),
                "v": _array(module.activation.v),
                **self._source(signal),
            },
        )
        self.edges.append((signal.step, step.name))
        bias = integers.finite_floats("Bias", _floats(module.bias, module.out_channels))
        return self._finish([node], [operand], Affine.of(scale, bias))

    def _add(self, step: Step) -> Lowered:
        logits = step.name == LOGITS
        bits = LOGIT_BITS if logits else self.widths.act_bits
        signed = not step.relu
        largest = LOGIT_CODE if logits else (1 << (bits - signed)) - 1
        unit = self.ranges[step.name] / largest
        branches = [
            self._branch(f"{step.name}.{k}", signal, unit) for k, signal in enumerate(step.operands)
        ]
        first = branches[0].node
        node = Node(
            name=step.name,
            kind="add",
            shape_in=first.shape_out,
            shape_out=first.shape_out,
            attributes={"bits": bits, "signed": signed},
            tensors={"scale": np.array([unit])},
        )
        self.edges.extend((branch.node.name, step.name) for branch in branches)
        values = Affine.of(unit, [0.0] * first.shape_out[0])
        return self._finish([*(branch.node for branch in branches), node], branches, values)

    def _branch(self, name: str, signal: Signal, unit: float) -> Lowered:
        operand = self.steps[signal.step]
        mult, bias, shift = integers.rescale(self._values(signal), unit, self.widths.mult_bits)
        node = Node(
            name=name,
            kind="rescale",
            shape_in=operand.node.shape_out,
            shape_out=operand.node.shape_out,
            tensors={"mult": mult, "bias": bias, "shift": np.array(shift, np.int64)},
            source=self._source(signal),
        )
        self.edges.append((signal.step, name))
        return self._finish([node], [operand], Affine.of(unit, [0.0] * len(mult)))

    def _global_avg_pool(self, step: Step) -> Lowered:
        (signal,) = step.operands
        operand = self.steps[signal.step]
        channels, height, width = operand.node.shape_out
        node = Node(
            name=step.name,
            kind="global_avg_pool",
            shape_in=operand.node.shape_out,
            shape_out=(channels, 1, 1),
        )
        self.edges.append((signal.step, step.name))
        mean = operand.values.scaled(Fraction(1, height * width))
        # The sum of the offsets is the offset of the mean; fixed point has none.
        return self._finish([node], [operand], replace(mean, offset=operand.values.offset))

    def _linear8(self, step: Step) -> Lowered:
        module, (signal,) = self.modules[step.module], step.operands
        operand = self.steps[signal.step]
        inputs = InputFormat(operand.values.slope, (Fraction(0),) * len(operand.values.slope))
        bias = integers.finite_floats("Bias", _floats(module.bias, module.out_features))
        layer = integers.quantise_weights_8bit(_array(module.weight), bias, inputs)
        node = Node(
            name=step.name,
            kind="linear8",
            shape_in=operand.node.shape_out,
            shape_out=(module.out_features, 1, 1),
            tensors={"weight": layer.weight, "zero": layer.zero},
            source=self._parameters(step),
        )
        self.edges.append((signal.step, step.name))
        return self._finish([node], [operand], layer.values)


def _bits(operand: Lowered, signed: bool) -> int:
    """Width of the number format of ``operand``'s result."""
    if operand.node.kind == "add":
        return int(operand.node.attributes["bits"])
    low, high = int(operand.bounds.min()), int(operand.bounds.max())
    return max(max(high, -low - 1, 0).bit_length() + signed, 1)
