"""Replace the convolutions of any module by piecewise-approximated ones."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from pa_nn.activations import STARTS, PAActivation
from pa_nn.endpoint_rules import endpoint_rule
from pa_nn.layers import PAConv2d, PALayer, PALinear
from pa_nn.weights import check_pieces, flat_float64

__all__ = [
    "SAMPLES_PER_BATCH",
    "constructor_arguments",
    "convert",
    "convertible_layers",
    "default_keep",
    "evaluating",
    "gather_inputs",
    "no_layer",
    "project",
    "put_in_place",
    "reestimate_batch_norm",
    "replace_layers",
]

SAMPLES_PER_BATCH = 65536


@runtime_checkable
class Projected(Protocol):
    """A module whose parameters have bounds, to be kept after each step of an optimiser."""

    def project_(self) -> None: ...


def convertible_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Convolutions and linear layers by path, in order of registration.

    Only :class:`torch.nn.Conv2d` and :class:`torch.nn.Linear` themselves, not their subclasses,
    whose forward may do something else.
    """
    return {
        path: module
        for path, module in model.named_modules()
        if type(module) in (nn.Conv2d, nn.Linear)
    }


def default_keep(layers: Mapping[str, nn.Module]) -> set[str]:
    """First convolution and last linear layer, the paper's choice, and convolutions in groups."""
    convolutions = [path for path, layer in layers.items() if isinstance(layer, nn.Conv2d)]
    linears = [path for path, layer in layers.items() if isinstance(layer, nn.Linear)]
    grouped = [
        path for path, layer in layers.items() if isinstance(layer, nn.Conv2d) and layer.groups > 1
    ]
    return {*convolutions[:1], *linears[-1:], *grouped}


def no_layer(path: str, layers: Mapping[str, nn.Module]) -> ValueError:
    known = ", ".join(layers) or "none"
    return ValueError(f"No convolution or linear layer at {path!r}; there are: {known}")


def _plan(
    layers: Mapping[str, nn.Module],
    pieces: tuple[int, int | None],
    keep: Iterable[str] | None,
    per_layer: Mapping[str, tuple[int, int | None]],
) -> dict[str, tuple[int, int | None]]:
    """M and N of each path to convert."""
    if isinstance(keep, str):
        raise TypeError(f"keep must be a collection of paths, not the string {keep!r}")
    kept = default_keep(layers) - per_layer.keys() if keep is None else set(keep)
    for path in [*kept, *per_layer]:
        if path not in layers:
            raise no_layer(path, layers)
    both = sorted(kept & per_layer.keys())
    if both:
        raise ValueError(f"Layer {both[0]!r} is both in keep and in per_layer")
    plan = {path: per_layer.get(path, pieces) for path in layers if path not in kept}
    for m, n in plan.values():
        check_pieces(m)
        if n is not None:
            PAActivation(n)
    return plan


def constructor_arguments(layer: nn.Module) -> dict[str, Any]:
    """What a layer of the same shape is made with, on the meta device.

    There the new layer has no weights of its own and takes no random numbers.  Raises
    :class:`TypeError` for what is neither a convolution nor a linear layer.
    """
    common = {"bias": layer.bias is not None, "device": "meta"}
    names: tuple[str, ...]
    if isinstance(layer, nn.Conv2d):
        names = (
            *("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation"),
            *("groups", "padding_mode"),
        )
    elif isinstance(layer, nn.Linear):
        names = ("in_features", "out_features")
    else:
        raise TypeError(f"Cannot convert a {type(layer).__name__}")
    return {**{name: getattr(layer, name) for name in names}, **common}


def _replace(layer: Any, options: Mapping[str, Any]) -> PALayer:
    """A PA layer that shares the parameters of ``layer``."""
    kind = PAConv2d if isinstance(layer, nn.Conv2d) else PALinear
    new: PALayer = kind(**constructor_arguments(layer), **options)
    new.weight, new.bias = layer.weight, layer.bias
    new.reset_levels()
    if new.activation is not None:
        new.activation.to(layer.weight.device)
    return new.train(layer.training)


def _images(batch: Any) -> torch.Tensor:
    return batch[0] if isinstance(batch, (tuple, list)) else batch


def _samples(x: torch.Tensor) -> torch.Tensor:
    """At most SAMPLES_PER_BATCH elements, evenly spread in memory order."""
    flat = x.detach().float().flatten()
    # A copy: the network may write into its tensors later, and need not keep them for this.
    return flat[:: max(1, -(-flat.numel() // SAMPLES_PER_BATCH))].cpu().clone()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients, each module's own mode restored afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def gather_inputs(
    model: nn.Module,
    layers: Mapping[str, nn.Module],
    calibration: Iterable[Any],
    samples: Callable[[torch.Tensor], torch.Tensor] = _samples,
) -> dict[str, torch.Tensor]:
    """Samples of what each layer is given, by path; layers that never ran are missing.

    ``samples`` makes them of a layer's input; those of all batches are joined.
    """
    seen: dict[str, list[torch.Tensor]] = {}

    def watch(path: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            seen.setdefault(path, []).append(samples(inputs[0]))

        return hook

    handles = [layer.register_forward_pre_hook(watch(path)) for path, layer in layers.items()]
    try:
        with evaluating(model):
            for batch in calibration:
                model(_images(batch))
    finally:
        for handle in handles:
            handle.remove()
    return {path: torch.cat(parts) for path, parts in seen.items()}


def convert(
    model: nn.Module,
    M: int,
    N: int | None,
    *,
    keep: Iterable[str] | None = None,
    per_layer: Mapping[str, tuple[int, int | None]] | None = None,
    calibration: Iterable[Any] | None = None,
    lambda_w: float | None = None,
    lambda_a: float | None = None,
    lambda_delta: float | None = None,
    eq14_sign: int = -1,
    levels: str = "means",
    endpoints: str | Sequence[float] | None = None,
    start: str = "lloyd_max",
) -> nn.Module:
    """Return a copy of ``model`` whose convolutions and linear layers are piecewise-approximated.

    Parameters
    ----------
    model : module
        Any module made of :class:`torch.nn.Conv2d` and :class:`torch.nn.Linear`; left as it is.
    M, N : int
        Non-zero weight pieces (even) and activation pieces of every layer; ``N=None`` keeps
        activations in full precision.
    keep : paths, optional
        Layers that stay as they are.  By default the first convolution, the last linear layer (the
        paper's choice) and depthwise and other grouped convolutions.
    per_layer : mapping from path to (M, N), optional
        Layers with pieces of their own, converted even where the default would keep them.
    calibration : batches, optional
        Input tensors, or tuples that start with one.  ``beta`` and ``v`` of a layer start from the
        rectified inputs it is given (Lloyd-Max); without, from those of a unit Gaussian.
    lambda_w, lambda_a, lambda_delta, eq14_sign
        As for :class:`~pa_nn.layers.PAConv2d`.
    levels : str
        Weight levels: ``"means"`` of the pieces as in the paper, ``"trained"`` for each layer, or
        for each output ``"channel"``.
    endpoints : str or M floats, optional
        With ``"means"``: a rule of :mod:`pa_nn.endpoint_rules`, or multiples of the standard
        deviation.
    start : str
        What ``beta`` and ``v`` start as, with ``calibration``: ``"lloyd_max"``, ``"quantiles"`` or
        ``"uniform"``.

    Raises
    ------
    TypeError, ValueError
        M odd or out of range, N out of range, an unknown path, rule or start, weights not finite
        (by path).
    """
    if start not in STARTS:
        raise ValueError(f"start must be one of {', '.join(STARTS)}, not {start!r}")
    model = copy.deepcopy(model)
    layers = convertible_layers(model)
    plan = _plan(layers, (M, N), keep, per_layer or {})
    multiples = {}
    for path, (m, _) in plan.items():
        try:
            weight = layers[path].get_parameter("weight")
            flat_float64(weight)
            multiples[path] = endpoint_rule(weight, m, endpoints)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    chosen = {path: layers[path] for path in plan}
    inputs = {} if calibration is None else gather_inputs(model, chosen, calibration)
    options = {
        "lambda_w": lambda_w,
        "lambda_a": lambda_a,
        "lambda_delta": lambda_delta,
        "eq14_sign": eq14_sign,
        "levels": levels,
    }
    model = replace_layers(
        model,
        {
            path: {"m": m, "n": n, "multiples": multiples[path], **options}
            for path, (m, n) in plan.items()
        },
    )
    for path, samples in inputs.items():
        activation = model.get_submodule(path).activation
        if isinstance(activation, PAActivation):
            activation.initialise(samples, start)
    return model


def replace_layers(model: nn.Module, options: Mapping[str, Mapping[str, Any]]) -> nn.Module:
    """Replace layers in place by PA layers that share their parameters.

    ``options`` maps the path of a layer to the keyword arguments of
    :class:`~pa_nn.layers.PAConv2d`.  Returns ``model``, or its replacement if it is itself a layer.
    Raises :class:`ValueError` for a path where there is no convolution or linear layer.
    """
    layers = convertible_layers(model)
    replacements = {}
    for path, arguments in options.items():
        if path not in layers:
            raise no_layer(path, layers)
        replacements[layers[path]] = _replace(layers[path], arguments)
    return put_in_place(model, replacements)


def put_in_place(model: nn.Module, replacements: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Exchange modules of ``model`` in place; returns it, or what replaces it as a whole."""
    if model in replacements:
        return replacements[model]
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            # Every place a module is registered at: some models share layers.
            if child is not None and child in replacements:
                setattr(parent, name, replacements[child])
    return model


@torch.no_grad()
def reestimate_batch_norm(model: nn.Module, batches: Iterable[Any]) -> None:
    """Set running statistics of batch normalisation to the averages over ``batches``, in place."""
    norms = [
        module
        for module in model.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    with evaluating(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # cumulative average
            norm.training = True
        try:
            for batch in batches:
                model(_images(batch))
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum


def project(model: nn.Module) -> None:
    """Call ``project_`` of all that learns levels in ``model``: after every optimiser step."""
    for module in model.modules():
        if isinstance(module, Projected):
            module.project_()
