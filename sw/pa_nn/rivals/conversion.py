"""Put a scheme of the literature into any module."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from pa_nn.conversion import (
    SAMPLES_PER_BATCH,
    constructor_arguments,
    convertible_layers,
    default_keep,
    gather_inputs,
    no_layer,
    put_in_place,
)
from pa_nn.resnet import BasicBlock
from pa_nn.rivals.abc_net import ABCInput, ABCWeights
from pa_nn.rivals.binary import BinaryWeights, XNORInput, XNORWeights
from pa_nn.rivals.bireal import BiRealBlock, BiRealInput
from pa_nn.rivals.dorefa import DoReFaInput, DoReFaWeights
from pa_nn.rivals.layers import InputRule, RivalConv2d, RivalLayer, RivalLinear, WeightRule
from pa_nn.rivals.lsq import LSQInput, LSQWeights
from pa_nn.rivals.ternary import TernaryWeights
from pa_nn.scheme import Scheme
from pa_nn.weights import flat_float64

__all__ = ["convert_rival", "describe_rivals", "restore_rivals"]


def _weight_rule(scheme: Scheme) -> WeightRule:
    m, bits = scheme.m, scheme.weight_bits
    match scheme.name:
        case "abc" if m is not None:
            return ABCWeights(m)
        case "bwn" | "bireal":
            return BinaryWeights()
        case "xnor":
            return XNORWeights()
        case "dorefa" if bits is not None:
            return DoReFaWeights(bits)
        case "lsq" if bits is not None:
            return LSQWeights(bits)
        case "ternary":
            return TernaryWeights()
    raise ValueError(f"Scheme {scheme} is none of the literature's")


def _input_rule(scheme: Scheme, channels: int) -> InputRule | None:
    """Rule for an input of ``channels``, or None for activations in full precision."""
    if scheme.name == "abc":
        return None if scheme.n is None else ABCInput(scheme.n)
    if scheme.activation_bits is None:
        return None
    match scheme.name:
        case "xnor":
            return XNORInput(channels)
        case "bireal":
            return BiRealInput(channels)
        case "dorefa":
            return DoReFaInput(scheme.activation_bits)
    return LSQInput(scheme.activation_bits)


def _replace(layer: Any, scheme: Scheme) -> RivalLayer:
    """A layer of ``scheme`` that shares the parameters of ``layer``."""
    arguments = constructor_arguments(layer)
    convolves = isinstance(layer, nn.Conv2d)
    new: RivalLayer = (RivalConv2d if convolves else RivalLinear)(
        scheme=scheme,
        weight_rule=_weight_rule(scheme),
        input_rule=_input_rule(scheme, arguments["in_channels" if convolves else "in_features"]),
        **arguments,
    )
    new.weight, new.bias = layer.weight, layer.bias
    for rule in (new.weight_rule, new.input_rule):
        if rule is not None:
            rule.to(layer.weight.device)
    return new.train(layer.training)


def _samples(x: torch.Tensor) -> torch.Tensor:
    """Rows of all channels, ``(count, C)``, evenly spread; at most SAMPLES_PER_BATCH elements."""
    x = x.detach().float()
    rows = x.movedim(1, -1).reshape(-1, x.shape[1]) if x.dim() == 4 else x.flatten(0, -2)
    count = max(1, SAMPLES_PER_BATCH // rows.shape[1])
    # A copy: the network may write into its tensors later, and need not keep them for this.
    return rows[:: max(1, -(-len(rows) // count))].cpu().clone()


def _put(model: nn.Module, schemes: Mapping[str, Scheme]) -> nn.Module:
    """Replace layers in place, and blocks where a scheme asks for its own."""
    layers = convertible_layers(model)
    for path in schemes:
        if path not in layers:
            raise no_layer(path, layers)
    model = put_in_place(
        model, {layers[path]: _replace(layers[path], scheme) for path, scheme in schemes.items()}
    )
    blocks: dict[nn.Module, nn.Module] = {
        block: BiRealBlock(block)
        for block in model.modules()
        if isinstance(block, BasicBlock) and any(map(_is_bireal, (block.conv1, block.conv2)))
    }
    return put_in_place(model, blocks)


def _is_bireal(layer: nn.Module) -> bool:
    return isinstance(layer, RivalLayer) and layer.scheme.name == "bireal"


def convert_rival(
    model: nn.Module,
    scheme: Scheme,
    *,
    keep: Iterable[str] | None = None,
    calibration: Iterable[Any] | None = None,
) -> nn.Module:
    """Return a copy of ``model`` approximated by a scheme other than ``full`` and ``pa``.

    Parameters and errors are those of :func:`pa_nn.schemes.apply_scheme`.
    """
    if isinstance(keep, str):
        raise TypeError(f"keep must be a collection of paths, not the string {keep!r}")
    model = copy.deepcopy(model)
    layers = convertible_layers(model)
    kept = default_keep(layers) if keep is None else set(keep)
    for path in kept:
        if path not in layers:
            raise no_layer(path, layers)
    chosen = {path: layer for path, layer in layers.items() if path not in kept}
    for path, layer in chosen.items():
        try:
            flat_float64(layer.get_parameter("weight"))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    inputs = {} if calibration is None else gather_inputs(model, chosen, calibration, _samples)
    model = _put(model, dict.fromkeys(chosen, scheme))
    for path in chosen:
        layer = model.get_submodule(path)
        assert isinstance(layer, RivalLayer)
        layer.weight_rule.initialise(layer.weight)
        if layer.input_rule is not None and path in inputs:
            layer.input_rule.initialise(inputs[path])
    return model


def describe_rivals(model: nn.Module) -> dict[str, str]:
    """Scheme of each layer that :func:`restore_rivals` has to replace, by path."""
    return {
        path: str(layer.scheme)
        for path, layer in model.named_modules()
        if isinstance(layer, RivalLayer)
    }


def restore_rivals(model: nn.Module, described: Mapping[str, str]) -> nn.Module:
    """Replace layers in place as :func:`describe_rivals` describes them; parameters come after."""
    return _put(model, {path: Scheme.parse(text) for path, text in described.items()})
