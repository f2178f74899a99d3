"""From the steps of a plan and their float parameters to the integer nodes of a ``.pa`` network.

This is the only place where parameters become integers: training, evaluation and export all go
through :func:`lower`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import nn

from pa_artifact import Network, Node
from pa_artifact.formats import Format, node_format
from pa_artifact.ranges import node_range, taps_inside
from pa_nn import integers, parameters
from pa_nn.eight_bit import InputFormat, quantise_weights_8bit
from pa_nn.integers import Affine
from pa_nn.operations import Window
from pa_nn.parameters import Shape
from pa_nn.plan import INPUT, LOGITS, Signal, Step

__all__ = ["LOGIT_BITS", "Lowered", "Widths", "lower"]

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
    format : bits of the result, and whether it is signed
    """

    nodes: tuple[Node, ...]
    values: Affine
    bounds: np.ndarray
    format: Format

    @property
    def node(self) -> Node:
        return self.nodes[-1]


def lower(
    plan: Sequence[Step],
    modules: Mapping[str, nn.Module],
    *,
    image_shape: Shape,
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


class _Lowering:
    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        image_shape: Shape,
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
        self,
        node: Node,
        operands: Sequence[Lowered],
        values: Affine,
        branches: Sequence[Node] = (),
    ) -> Lowered:
        bounds = node_range(node, [operand.bounds for operand in operands])
        number_format = node_format(node, [operand.format for operand in operands], bounds)
        return Lowered((*branches, node), values, bounds, number_format)

    def _values(self, signal: Signal) -> Affine:
        """Exact real values of a signal, before its ReLU."""
        values = self.steps[signal.step].values
        if signal.norm is None:
            return values
        return parameters.normalised(values, self.modules[signal.norm], signal.norm)

    def _source(self, signal: Signal) -> dict[str, np.ndarray]:
        return {} if signal.norm is None else parameters.source_of_norm(self.modules[signal.norm])

    def _shape(self, step: Step) -> Shape:
        """The shape of a step's only operand."""
        return self.steps[step.operands[0].step].node.shape_out

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
        return self._finish(node, [], Affine((), ()))

    def _place(self, step: Step, kind: str, shape_out: Shape, **contents: Any) -> Node:
        """The node of a step that takes the result of another one as it is."""
        (signal,) = step.operands
        self.edges.append((signal.step, step.name))
        shape_in = self._shape(step)
        return Node(name=step.name, kind=kind, shape_in=shape_in, shape_out=shape_out, **contents)

    def _conv8(self, step: Step) -> Lowered:
        module = self.modules[step.module]
        window, shape_out = parameters.layer_window(module, self._shape(step), step.pad)
        attributes = {**asdict(window), "groups": int(module.groups)}
        return self._products(step, "conv8", shape_out, module.weight, attributes)

    def _linear8(self, step: Step) -> Lowered:
        """A linear layer; of images larger than one pixel a convolution of the whole image."""
        module, shape = self.modules[step.module], self._shape(step)
        window, shape_out = parameters.layer_window(module, shape, step.pad)
        if window.kernel == (1, 1):
            return self._products(step, "linear8", shape_out, module.weight, {})
        attributes = {**asdict(window), "groups": 1}
        weight = module.weight.view(-1, *shape)
        return self._products(step, "conv8", shape_out, weight, attributes)

    def _products(
        self,
        step: Step,
        kind: str,
        shape_out: Shape,
        weight: torch.Tensor,
        attributes: dict[str, Any],
    ) -> Lowered:
        module, operand = self.modules[step.module], self.steps[step.operands[0].step]
        source = parameters.source_of_layer(module)
        if step.operands[0].step == INPUT:
            inputs = self.pixels
            source["zero"] = np.array([float(z) for z in inputs.zero])
        else:
            inputs = InputFormat(operand.values.slope, (Fraction(0),) * len(operand.values.slope))
        if inputs is self.pixels or len(set(inputs.factor)) > 1:
            source["factor"] = np.array([float(f) for f in inputs.factor])
        bias = parameters.biases(module, shape_out[0])
        layer = quantise_weights_8bit(parameters.array(weight), bias, inputs)
        tensors = {"weight": layer.weight, "zero": layer.zero}
        node = self._place(
            step, kind, shape_out, attributes=attributes, tensors=tensors, source=source
        )
        return self._finish(node, [operand], layer.values)

    def _pa_conv(self, step: Step) -> Lowered:
        module, (signal,) = self.modules[step.module], step.operands
        operand = self.steps[signal.step]
        codes, alpha = module.weight_codes()
        beta, endpoints = (
            parameters.floats(tensor, module.n)
            for tensor in (module.activation.beta, module.activation.v)
        )
        phi, scale = integers.phi_table(alpha, beta, self.widths.phi_bits)
        if signal.relu and not endpoints[0] > 0:
            raise ValueError(f"Endpoints v behind a ReLU must be above 0, not {endpoints[0]}")
        thresholds, flip = integers.fold_thresholds(
            endpoints, self._values(signal), operand.bounds, cap=signal.cap
        )
        bits, signed = operand.format
        window, shape_out = parameters.layer_window(module, self._shape(step), step.pad)
        node = self._place(
            step,
            "pa_conv",
            shape_out,
            attributes={
                **asdict(window),
                "scheme": "pa",
                "m": module.m,
                "n": module.n,
                "phi_bits": self.widths.phi_bits,
                "act_bits": bits,
                "act_signed": signed,
            },
            tensors={
                "codes": codes.cpu().numpy().reshape(len(codes), -1, *window.kernel),
                "phi": phi,
                "scale": np.array([scale]),
                "range": operand.bounds,
                "thresholds": thresholds,
                "flip": flip,
            },
            source={
                **parameters.source_of_layer(module),
                "alpha": np.array(alpha),
                "beta": parameters.array(module.activation.beta),
                "v": parameters.array(module.activation.v),
                **self._source(signal),
            },
        )
        bias = parameters.biases(module, shape_out[0])
        return self._finish(node, [operand], Affine.of(scale, bias))

    def _add(self, step: Step) -> Lowered:
        logits = step.name == LOGITS
        bits = LOGIT_BITS if logits else self.widths.act_bits
        signed = not step.relu
        largest = LOGIT_CODE if logits else (1 << (bits - signed)) - 1
        unit = min(self.ranges[step.name], math.inf if step.cap is None else step.cap) / largest
        branches = [
            self._branch(f"{step.name}.{k}", signal, unit) for k, signal in enumerate(step.operands)
        ]
        shape = branches[0].node.shape_out
        for branch, signal in zip(branches, step.operands, strict=True):
            if branch.node.shape_out != shape:
                raise ValueError(
                    f"cannot add {signal.step}, which gives {branch.node.shape_out}, and "
                    f"{step.operands[0].step}, which gives {shape}"
                )
        if logits and shape[1:] != (1, 1):
            raise ValueError(f"logits are of (classes, 1, 1), not of {shape}")
        node = Node(
            name=step.name,
            kind="add",
            shape_in=shape,
            shape_out=shape,
            attributes={"bits": bits, "signed": signed},
            tensors={"scale": np.array([unit])},
        )
        self.edges.extend((branch.node.name, step.name) for branch in branches)
        values = Affine.of(unit, [0.0] * shape[0])
        return self._finish(node, branches, values, [branch.node for branch in branches])

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
        return self._finish(node, [operand], Affine.of(unit, [0.0] * len(mult)))

    def _concat(self, step: Step) -> Lowered:
        operands = [self.steps[signal.step] for signal in step.operands]
        shapes = [operand.node.shape_out for operand in operands]
        if any(shape[1:] != shapes[0][1:] for shape in shapes):
            sizes = " and ".join(map(str, shapes))
            raise ValueError(f"cannot concatenate the channels of images of {sizes}")
        shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        signed = any(operand.format[1] for operand in operands)
        # Unsigned values among signed ones need one bit more.
        bits = max(bits + (signed and not own) for bits, own in (each.format for each in operands))
        slopes = tuple(slope for operand in operands for slope in operand.values.slope)
        node = Node(
            name=step.name,
            kind="concat",
            shape_in=shape,
            shape_out=shape,
            attributes={"bits": bits, "signed": signed},
            tensors={"scale": np.array([float(slope) for slope in slopes])},
        )
        self.edges.extend((signal.step, step.name) for signal in step.operands)
        return self._finish(node, operands, Affine(slopes, (Fraction(0),) * len(slopes)))

    def _max_pool(self, step: Step) -> Lowered:
        return self._pooled(step, 1, *self._pool_window(step))

    def _avg_pool(self, step: Step) -> Lowered:
        window, shape_out = self._pool_window(step)
        return self._pooled(step, math.prod(window.kernel), window, shape_out)

    def _global_avg_pool(self, step: Step) -> Lowered:
        channels, height, width = self._shape(step)
        return self._pooled(step, height * width, None, (channels, 1, 1))

    def _pool_window(self, step: Step) -> tuple[Window, Shape]:
        return parameters.pool_window(step.window, step.size, self._shape(step), step.pad)

    def _pooled(self, step: Step, divisor: int, window: Window | None, shape_out: Shape) -> Lowered:
        operand = self.steps[step.operands[0].step]
        attributes = {} if window is None else asdict(window)
        node = self._place(step, step.kind, shape_out, attributes=attributes)
        if window is not None and min(map(np.min, taps_inside(node))) == 0:
            raise ValueError(f"pad {window.pad} leaves windows entirely on padding")
        # Fixed point has no offset.
        return self._finish(node, [operand], operand.values.scaled(Fraction(1, divisor)))
