"""Training and evaluation through the integers that hardware computes.

:func:`quantise_for_hardware` turns a piecewise-approximated network into a :class:`HardwareModel`:
its forward pass is the exact integer pipeline, its backward pass that of the float network
(straight-through), so fine-tuning sees the rounding of phi, rescales, thresholds, activations and
8-bit layers exactly as they will be exported.
"""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from pa_artifact import Network
from pa_nn.checkpoint import restore_model
from pa_nn.data import Batches
from pa_nn.eight_bit import InputFormat
from pa_nn.integers import finite_floats
from pa_nn.lowering import Lowered, Widths, lower
from pa_nn.pipeline import Compiled, Execution
from pa_nn.plan import make_plan

__all__ = ["HardwareModel", "labelled_batches", "quantise_for_hardware", "restore_hardware"]

ACT_BITS = range(8, 13)
# Points of top-1 that fixed-point sums may cost on the calibration images.
ALLOWED_LOSS = 0.1
RANGE_MOMENTUM = 0.01

# Normalised images, and their labels as far as these are known.
Batch = tuple[torch.Tensor, torch.Tensor | None]


class HardwareModel(nn.Module):
    """A network whose forward pass is its exact integer pipeline.

    Input are normalised images ``(batch, C, H, W)`` that came from 8-bit pixels; output are logits
    ``(batch, classes)``: integers times their scale.  Gradients reach the weights, ``beta`` and
    ``v`` of piecewise-approximated layers, batch normalisation's affine parameters and the 8-bit
    layers.  Batch normalisation always uses its running statistics; training updates them, and the
    ranges that the fixed-point scales come from.

    Parameters
    ----------
    model : a network of the kinds of layer that :mod:`pa_nn.plan` recognises
    mean, std : normalisation of ``p / 255``, one number for each input channel
    widths : bits of phi, of multipliers and of activations

    Members
    -------
    model : the float network; its parameters are what training changes
    plan : the steps that hardware computes
    ranges : buffer, largest magnitude of each ``add`` step's real values, float64

    Raises
    ------
    UnsupportedError
        A part of the model that hardware cannot compute, by path.
    """

    ranges: torch.Tensor
    _widths: torch.Tensor
    _normalisation: torch.Tensor

    def __init__(
        self, model: nn.Module, *, mean: Sequence[float], std: Sequence[float], widths: Widths
    ) -> None:
        super().__init__()
        InputFormat.of_pixels(mean, std)
        self.model = model
        self.plan = make_plan(model)
        self._modules_by_path: dict[str, Any] = dict(model.named_modules())
        self._range_index = {
            step.name: i for i, step in enumerate(s for s in self.plan if s.kind == "add")
        }
        self.register_buffer("ranges", torch.zeros(len(self._range_index), dtype=torch.float64))
        self.register_buffer("_widths", torch.zeros(3, dtype=torch.int64))
        self.register_buffer(
            "_normalisation", torch.tensor([list(mean), list(std)], dtype=torch.float64)
        )
        self.widths = widths
        self._cached: tuple[Any, Compiled] | None = None

    @property
    def widths(self) -> Widths:
        """Bits of phi, of multipliers and of activations."""
        phi_bits, mult_bits, act_bits = self._widths.tolist()
        return Widths(phi_bits=phi_bits, mult_bits=mult_bits, act_bits=act_bits)

    @widths.setter
    def widths(self, widths: Widths) -> None:
        self._widths.copy_(torch.tensor([widths.phi_bits, widths.mult_bits, widths.act_bits]))

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of ``p / 255`` in each input channel."""
        return tuple(self._normalisation[0].tolist())

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of ``p / 255`` in each input channel."""
        return tuple(self._normalisation[1].tolist())

    def lower(self, image_shape: tuple[int, int, int]) -> tuple[Network, dict[str, Lowered]]:
        """The integer network for images of ``(C, H, W)``, and its steps by name.

        Raises :class:`ValueError`, naming the layer, for parameters that are not finite and for
        ranges that were never calibrated.
        """
        ranges = {name: float(self.ranges[i]) for name, i in self._range_index.items()}
        return lower(
            self.plan,
            self._modules_by_path,
            image_shape=image_shape,
            pixels=InputFormat.of_pixels(self.mean, self.std),
            ranges=ranges,
            widths=self.widths,
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(batch, classes)`` of normalised images ``(batch, C, H, W)``."""
        execution = self._execute(images)
        if self.training:
            self._follow_ranges(execution.largest)
        return execution.logits()

    def _execute(self, images: torch.Tensor, mode: str = "exact") -> Execution:
        return Execution(
            self.plan,
            self._modules_by_path,
            images,
            pixels=self._pixels(images),
            compiled=None if mode == "float" else self._compiled(images),
            mode=mode,
            training=self.training,
        )

    def _follow_ranges(self, largest: Mapping[str, float]) -> None:
        target = self.ranges.clone()
        for name, value in largest.items():
            if 0 < value < math.inf:
                target[self._range_index[name]] = value
        self.ranges.lerp_(target, RANGE_MOMENTUM)

    def _compiled(self, images: torch.Tensor) -> Compiled:
        """The integer steps, made again only where a parameter changed."""
        tensors = [*self.parameters(), *self.buffers()]
        key = (
            images.shape[1:],
            images.device,
            tuple((id(tensor), tensor._version) for tensor in tensors),
        )
        if self._cached is None or self._cached[0] != key:
            channels, height, width = (int(size) for size in images.shape[1:])
            _, steps = self.lower((channels, height, width))
            self._cached = (key, Compiled(steps, images.device))
        return self._cached[1]

    def _pixels(self, images: torch.Tensor) -> torch.Tensor:
        mean, std = self._normalisation.view(2, -1, 1, 1)
        return (255 * (images.detach().double() * std + mean)).round().clamp(0, 255)

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles make their integers anew."""
        return {**self.__dict__, "_cached": None}


@torch.no_grad()
def _top1(
    model: HardwareModel,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    *,
    mode: str = "exact",
) -> float:
    """Percentage of images whose largest logit is the label's; ``mode`` as the pipeline's."""
    right = total = 0
    for images, labels in batches:
        logits = model._execute(images, mode).logits()
        right += int((logits.argmax(1) == labels).sum())
        total += len(labels)
    return 100 * right / total


@torch.no_grad()
def _labelled(
    model: HardwareModel, batches: Iterable[Batch]
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Unlabelled images take the class that unrounded sums give them."""
    return [
        (
            images,
            model._execute(images, "real_sums").logits().argmax(1) if labels is None else labels,
        )
        for images, labels in batches
    ]


def labelled_batches(calibration: Iterable[Any]) -> list[Batch]:
    """Batches of images, or of images and labels, as pairs.

    Raises :class:`ValueError` where there is none, or one is something else.
    """
    batches: list[Batch] = []
    for batch in calibration:
        images, *labels = batch if isinstance(batch, tuple | list) else (batch,)
        if not isinstance(images, torch.Tensor) or images.ndim != 4 or len(labels) > 1:
            raise ValueError(
                "Calibration must be batches of images (count, C, H, W), or of images and labels, "
                f"not of {type(images).__name__}"
            )
        batches.append((images, labels[0] if labels else None))
    if not batches:
        raise ValueError("Calibration must be one batch of images at least, not none")
    return batches


@torch.no_grad()
def _calibrate(model: HardwareModel, batches: Sequence[Batch]) -> None:
    """Set the ranges to the largest magnitudes of the float network."""
    largest = dict.fromkeys(model._range_index, 0.0)
    for images, _ in batches:
        for name, value in model._execute(images, "float").largest.items():
            finite_floats(f"{name}: activations", [value])
            largest[name] = max(largest[name], value)
    for name, value in largest.items():
        if value == 0:
            raise ValueError(f"{name}: is 0 on every calibration image; it needs a range above 0")
        model.ranges[model._range_index[name]] = value


def restore_hardware(entries: Mapping[str, Any]) -> HardwareModel:
    """Build the model of a checkpoint that was trained through :func:`quantise_for_hardware`.

    Parameters
    ----------
    entries : what :func:`pa_nn.load_checkpoint` returns

    Returns the model in evaluation mode.  Raises :class:`ValueError` for a checkpoint of another
    kind or parameters that do not fit.
    """
    state = entries["model"]
    if "ranges" not in state or "_widths" not in state:
        raise ValueError("Checkpoint must be of a model trained with --hardware, and is not")
    inner = {
        "pa": {path.removeprefix("model."): value for path, value in entries["pa"].items()},
        "model": {
            key.removeprefix("model."): value
            for key, value in state.items()
            if key.startswith("model.")
        },
    }
    model = restore_model({**entries, **inner})
    hardware = HardwareModel(model, mean=entries["mean"], std=entries["std"], widths=Widths())
    try:
        hardware.load_state_dict(state)
        _ = hardware.widths
    except (RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"Checkpoint does not fit its own model: {reason}") from None
    return hardware.eval()


def quantise_for_hardware(
    model: nn.Module,
    calibration: Iterable[Any],
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    phi_bits: int = 8,
    mult_bits: int = 16,
    act_bits: int | None = None,
) -> HardwareModel:
    """Make a copy of ``model`` behave as it will be exported, in training and evaluation.

    Parameters
    ----------
    model : module
        What :func:`pa_nn.convert` returns.  Convolutions and linear layers that are not
        piecewise-approximated become 8-bit ones.
    calibration : batches of ``(images, labels)``, or of images
        Normalised images, from which the ranges of fixed-point values and ``act_bits`` come.
    mean, std : floats, optional
        The normalisation of the images: ``(p / 255 - mean) / std`` in each channel; by default
        that of ``calibration``, which must then be :class:`~pa_nn.data.Batches`.
    phi_bits, mult_bits : int
        Widths of phi and of the rescales' multipliers.
    act_bits : int, optional
        Width of fixed-point activations; by default the smallest of 8 to 12 whose top-1 on the
        calibration images is within 0.1 points of what unrounded sums give.  An image without a
        label counts as right where its class is that of unrounded sums.

    Raises
    ------
    UnsupportedError
        A part of the model that hardware cannot compute: its path, what it does, what is supported.
    TypeError, ValueError
        Widths out of range, parameters not finite, no calibration images, no normalisation.
    """
    if mean is None or std is None:
        if not isinstance(calibration, Batches) or mean is not std:
            raise TypeError(
                "mean and std must both be given where calibration is not pa_nn.Batches, "
                f"not {mean!r} and {std!r}"
            )
        mean, std = calibration.normalisation
    batches = labelled_batches(calibration)
    widths = Widths(
        phi_bits=phi_bits,
        mult_bits=mult_bits,
        act_bits=ACT_BITS[0] if act_bits is None else act_bits,
    )
    hardware = HardwareModel(copy.deepcopy(model), mean=mean, std=std, widths=widths)
    training = model.training
    hardware.eval()
    _calibrate(hardware, batches)
    if act_bits is None:
        labelled = _labelled(hardware, batches)
        reference = _top1(hardware, labelled, mode="real_sums")
        for bits in ACT_BITS:
            hardware.widths = Widths(phi_bits=phi_bits, mult_bits=mult_bits, act_bits=bits)
            if _top1(hardware, labelled) >= reference - ALLOWED_LOSS:
                break
    return hardware.train(training)
