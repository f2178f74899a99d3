"""What determines the result of a training: schedule, optimiser, seed."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

__all__ = ["Recipe"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What determines the result of a run, apart from its starting point and its data.

    Parameters
    ----------
    epochs, batch_size : int
        At least 1.
    optimiser : str
        ``"sgd"`` (Nesterov momentum) or ``"adam"``.
    lr, level_lr : float
        Initial learning rate of all parameters, and its factor for ``beta`` and ``v``, whose
        gradients are plain sums over a tensor (Eq. 13, 14).
    schedule : str
        ``"cosine"`` to zero, ``"exponential"`` (times ``decay`` after each epoch), ``"constant"``.
    decay, momentum, weight_decay : float
        ``weight_decay`` does not apply to ``beta`` and ``v``.
    warmup : int
        Steps in which the learning rate rises linearly.
    precision : str
        ``"float32"``, or ``"bfloat16"`` for autocast; evaluation is always float32.
    augment : bool
        Flips and shifts.
    seed : int

    Raises
    ------
    ValueError
        A value is out of range; the message names it.
    """

    epochs: int = 30
    batch_size: int = 128
    optimiser: str = "sgd"
    lr: float = 0.1
    level_lr: float = 0.05
    schedule: str = "cosine"
    decay: float = 0.9
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: int = 200
    precision: str = "float32"
    augment: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, minimum in (("epochs", 1), ("batch_size", 1), ("warmup", 0), ("seed", 0)):
            value = getattr(self, name)
            if value < minimum:
                raise ValueError(f"{name} must be at least {minimum}, not {value!r}")
        for name in ("lr", "level_lr", "weight_decay"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, not {value!r}")
        for name in ("decay", "momentum"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {value!r}")
        for name, choices in (
            ("optimiser", ("sgd", "adam")),
            ("schedule", ("cosine", "exponential", "constant")),
            ("precision", ("float32", "bfloat16")),
        ):
            value = getattr(self, name)
            if value not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")

    def lr_at(self, step: int, steps_per_epoch: int) -> float:
        """Learning rate of optimiser step ``step``, counted from 0."""
        warm = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        if self.schedule == "cosine":
            progress = step / (self.epochs * steps_per_epoch)
            return self.lr * warm * 0.5 * (1 + math.cos(math.pi * progress))
        if self.schedule == "exponential":
            return self.lr * warm * self.decay ** (step // steps_per_epoch)
        return self.lr * warm

    def make_optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """Optimiser of two groups: levels and endpoints with a rate of their own, and the rest."""
        levels: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            kind = name.rpartition(".")[2]
            (levels if kind in ("beta", "v") else rest).append(parameter)
        groups: list[dict[str, Any]] = [
            {"params": rest, "weight_decay": self.weight_decay, "factor": 1.0},
            {"params": levels, "weight_decay": 0.0, "factor": self.level_lr},
        ]
        groups = [group for group in groups if group["params"]]
        if self.optimiser == "adam":
            return torch.optim.Adam(groups, lr=self.lr, betas=(self.momentum, 0.999))
        nesterov = self.momentum > 0
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=nesterov)
