"""Figures 1, 2, 4 and 5 of the paper from the trained network that comes with the project."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pa_nn.activations import PAActivation
from pa_nn.checkpoint import restore_model
from pa_nn.data import Batches, load_folder
from pa_nn.embedded import Embedded, load_stages
from pa_nn.layers import PALayer
from pa_nn.weights import approximate_weights, endpoints

__all__ = [
    "ACTIVATIONS_LAYER",
    "WEIGHTS_LAYER",
    "Trained",
    "activation_functions",
    "activation_histograms",
    "load_trained",
    "weight_functions",
    "weight_histograms",
]

WEIGHTS_LAYER, ACTIVATIONS_LAYER = "stages.1.0.conv1", "stages.1.0.conv2"
"""The counterparts of the paper's group2/block1/conv1 and conv2."""

PAPER_M = 8
_FORWARD, _BACKWARD, _PLAIN = "#c02020", "#1f5fb0", "0.35"

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What the figures show of one network.

    Members
    -------
    weight : weights of :data:`WEIGHTS_LAYER` as trained under the piecewise approximation
    before : the same weights of the full-precision network that this training started from
    m : its M
    inputs : real-valued input of :data:`ACTIVATIONS_LAYER` for test images
    activation : its approximation
    """

    weight: torch.Tensor
    before: torch.Tensor
    m: int
    inputs: torch.Tensor
    activation: PAActivation


def load_trained(place: Embedded) -> Trained:
    """Restore the piecewise-approximated network and run it on its test images.

    Raises
    ------
    ValueError
        Another network, without these layers or in full precision; or a damaged file.
    """
    stages = load_stages(place.checkpoint)
    entries = stages["pa_float"]
    model = restore_model(entries)
    layers = dict(model.named_modules())
    first, second = (layers.get(name) for name in (WEIGHTS_LAYER, ACTIVATIONS_LAYER))
    if not isinstance(first, PALayer) or not isinstance(second, PALayer):
        raise ValueError(f"{place.checkpoint}: {WEIGHTS_LAYER} and {ACTIVATIONS_LAYER} must be PA")
    if second.activation is None:
        raise ValueError(f"{place.checkpoint}: {ACTIVATIONS_LAYER} must approximate activations")
    found: list[torch.Tensor] = []
    second.register_forward_pre_hook(lambda _, inputs: found.append(inputs[0].detach()))
    test = load_folder(place.folder, "test")
    batches = Batches(test, batch_size=64, mean=entries["mean"], std=entries["std"])
    with torch.no_grad():
        for images, _ in batches:
            model(images)
    return Trained(
        weight=first.weight.detach(),
        before=stages["full_precision"]["model"][f"{WEIGHTS_LAYER}.weight"],
        m=first.m,
        inputs=torch.cat(found),
        activation=second.activation,
    )


def _middle(values: Values) -> tuple[float, float]:
    """Range of all but the outermost two in a thousand values."""
    low, high = np.quantile(values, (0.001, 0.999))
    return float(low), float(high)


def _staircase(values: Values, levels: Values) -> tuple[Values, Values]:
    """Ends of the flat pieces of a step function from ascending samples of it."""
    starts = np.flatnonzero(np.diff(levels, prepend=np.nan) != 0)
    stops = np.append(starts[1:], len(values)) - 1
    places = np.stack([values[starts], values[stops]], axis=1).ravel()
    return places, np.repeat(levels[starts], 2)


def _integral(values: Values, slopes: Values, zero: float) -> Values:
    """The function with these slopes that is 0 at ``zero``."""
    steps = (slopes[1:] + slopes[:-1]) / 2 * np.diff(values)
    total = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(total - np.interp(zero, values, total))


def _functions(
    values: Values,
    levels: Values,
    slopes: Values,
    *,
    ends: Sequence[float],
    zero: float,
    limits: tuple[float, float],
    names: tuple[str, str, str],
    title: str,
) -> Figure:
    """The step function of the forward pass, and the slopes of the backward pass, one below it."""
    x, y, end = names
    figure = Figure(figsize=(8.5, 7), layout="constrained")
    figure.suptitle(title, fontsize=12)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    low, high = limits
    places, heights = _staircase(values, slopes)
    above.plot([low, high], [low, high], color=_PLAIN, linewidth=0.8, linestyle=":", label=f"{x}")
    above.plot(
        places,
        np.interp(places, values, _integral(values, slopes, zero)),
        color=_BACKWARD,
        linewidth=1.2,
        linestyle="--",
        label="what the slopes of the backward pass add up to",
    )
    above.plot(
        *_staircase(values, levels), color=_FORWARD, linewidth=1.6, label=f"{y}: forward pass"
    )
    above.set_ylabel(y)
    below.plot(places, heights, color=_BACKWARD, linewidth=1.4)
    below.fill_between(places, heights, color=_BACKWARD, alpha=0.12, linewidth=0)
    below.set_ylabel(rf"$\partial\overline{{{x}}}\,/\,\partial {x}$: backward pass")
    below.set_xlabel(x)
    below.set_ylim(bottom=min(0.0, float(slopes.min())))
    for axes in (above, below):
        for value in ends:
            axes.axvline(value, color="0.75", linewidth=0.7, zorder=0)
        axes.grid(alpha=0.15)
    top = above.secondary_xaxis("top")
    top.set_xticks(list(ends), [f"${end}_{{{place + 1}}}$" for place in range(len(ends))])
    above.legend(fontsize=9, loc="upper left")
    above.set_xlim(low, high)
    inside = values[(values >= low) & (values <= high)]
    room = (inside[-1] - inside[0]) / 10
    above.set_ylim(inside[0] - room, inside[-1] + room)
    return figure


def weight_functions(trained: Trained, *, m: int | None = None) -> Figure:
    """Figure 1: Eq. 6 and 8 on all weights of the layer, ``M`` as trained unless given."""
    m = trained.m if m is None else m
    weight = trained.weight.flatten().sort().values.requires_grad_()
    approximated = approximate_weights(weight, m)
    [slopes] = torch.autograd.grad(approximated.sum(), weight)
    u = endpoints(trained.weight, m)
    return _functions(
        weight.detach().double().numpy(),
        approximated.detach().double().numpy(),
        slopes.double().numpy(),
        ends=u,
        zero=(u[m // 2 - 1] + u[m // 2]) / 2,
        limits=_middle(weight.detach().double().numpy()),
        names=("W", r"$\overline{W}$", "u"),
        title=f"Forward and backward pass of weights, M = {m}, {WEIGHTS_LAYER}",
    )


def activation_functions(trained: Trained, *, samples: int = 4000) -> Figure:
    """Figure 2: Eq. 10 and 11 over the range of the layer's input."""
    v = trained.activation.v.detach().double()
    high = max(float(trained.inputs.max()), float(v[-1]) * 1.3)
    x = torch.linspace(-0.1 * high, high, samples).requires_grad_()
    approximated = trained.activation(x)
    [slopes] = torch.autograd.grad(approximated.sum(), x)
    return _functions(
        x.detach().double().numpy(),
        approximated.detach().double().numpy(),
        slopes.double().numpy(),
        ends=v.tolist(),
        zero=0.0,
        limits=(-0.1 * high, high),
        names=("A", r"$\overline{A}$", "v"),
        title=(
            f"Forward and backward pass of activations, N = {trained.activation.n}, "
            f"{ACTIVATIONS_LAYER}"
        ),
    )


def _histogram(axes: Axes, values: Values, edges: Values, title: str, *, log: bool) -> None:
    axes.hist(values, bins=list(edges), color=_PLAIN)
    axes.set_title(title, fontsize=10)
    axes.set_yscale("log" if log else "linear")
    axes.grid(alpha=0.2)


def _bars(axes: Axes, values: Values, edges: Values, title: str, *, log: bool, what: str) -> None:
    levels, counts = np.unique(values, return_counts=True)
    width = (edges[-1] - edges[0]) / 90
    axes.bar(levels, counts, width=width, color=_FORWARD)
    for level, count in zip(levels, counts, strict=True):
        axes.annotate(
            f"{level:.3g}",
            (level, count),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            rotation=90,
            fontsize=8,
        )
    axes.set_title(f"{title}: {len(levels)} {what}", fontsize=10)
    axes.set_yscale("log" if log else "linear")
    axes.set_ylim(top=counts.max() * (6 if log else 1.2))
    axes.grid(alpha=0.2)


def weight_histograms(trained: Trained, *, bins: int = 80) -> Figure:
    """Figure 4: weights in full precision, approximated as trained, and with the paper's M = 8.

    A few outermost weights are beyond the edges of the picture.
    """
    weight = trained.weight.flatten()
    full = weight.double().numpy()
    edges = np.linspace(*_middle(full), bins + 1)
    figure = Figure(figsize=(13, 4), layout="constrained")
    figure.suptitle(f"Weights of {WEIGHTS_LAYER}", fontsize=12)
    left, *others = figure.subplots(1, 3, sharex=True)
    _histogram(left, full, edges, "full precision, behind the approximation", log=False)
    left.hist(
        trained.before.flatten().numpy(),
        bins=list(edges),
        histtype="step",
        color=_BACKWARD,
        label="before training under it",
    )
    left.legend(fontsize=8)
    for axes, m in zip(others, (trained.m, PAPER_M), strict=True):
        levels = approximate_weights(weight, m).double().numpy()
        about = "as trained" if m == trained.m else "the same weights"
        _bars(axes, levels, edges, f"M = {m}, {about}", log=False, what="levels")
    for axes in (left, *others):
        axes.set_xlabel("value")
    left.set_ylabel("number of weights")
    return figure


def activation_histograms(trained: Trained, *, bins: int = 80) -> Figure:
    """Figure 5: inputs of the layer in full precision, and approximated."""
    inputs = trained.inputs.flatten()
    with torch.no_grad():
        levels = trained.activation(inputs).double().numpy()
    full = inputs.double().numpy()
    edges = np.linspace(full.min(), full.max(), bins + 1)
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    figure.suptitle(f"Inputs of {ACTIVATIONS_LAYER}, behind a ReLU, on test images", fontsize=12)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    _histogram(left, full, edges, "full precision", log=True)
    title = f"N = {trained.activation.n}, as trained"
    _bars(right, levels, edges, title, log=True, what="levels")
    for axes in (left, right):
        axes.set_xlabel("value")
    left.set_ylabel("number of activations")
    return figure
