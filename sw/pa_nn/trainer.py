"""The training loop (Algorithm 1): resumable, logged, the same result whether broken off or not."""

import csv
import io
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from pa_artifact.whole import write_whole
from pa_nn.checkpoint import describe_layers, load_checkpoint, model_entries, save_checkpoint
from pa_nn.conversion import project
from pa_nn.data import Batches
from pa_nn.evaluation import top1

__all__ = ["Recipe", "Trainer", "TrainingError"]

COLUMNS = ("epoch", "loss", "top1", "learning_rate", "seconds")


class TrainingError(Exception):
    """Training cannot go on; the message is one line."""


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


class Trainer:
    """Trains a model epoch by epoch, leaving ``last.pt``, ``model.pt`` and ``log.csv`` in a folder.

    ``last.pt`` has all it takes to resume after its epoch; ``model.pt`` the model alone.  Files are
    replaced whole, so a run killed at any time leaves the last complete epoch.

    Parameters
    ----------
    model : module
        Trained in place.
    recipe : Recipe
    train, test : Batches
    about : mapping
        Entries of :func:`~pa_nn.checkpoint.model_entries` that describe the model.
    out : path
        Folder of the files, made if need be.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        *,
        train: Batches,
        test: Batches,
        about: Mapping[str, Any],
        out: Path,
    ) -> None:
        # A keyword that PyTorch documents and its stubs lack.
        self.model = model.to(train.device).to(  # type: ignore[call-overload]
            memory_format=torch.channels_last
        )
        self.recipe = recipe
        self.train = train
        self.test = test
        self.about = dict(about)
        self.out = out
        self.epoch = 0
        self.history: list[list[float]] = []
        self.optimiser = recipe.make_optimiser(model)

    def resume(self) -> None:
        """Go on from ``last.pt``; raises :class:`ValueError` if it is of another run."""
        path = self.out / "last.pt"
        entries = load_checkpoint(path)
        saved = entries.get("recipe")
        if saved is None:
            raise ValueError(f"{path}: holds no run to resume")
        for name, value in asdict(self.recipe).items():
            if saved.get(name) != value:
                raise ValueError(f"{path}: run has {name} {saved.get(name)!r}, not {value!r}")
        for name, value in {**self.about, "pa": describe_layers(self.model)}.items():
            if entries.get(name) != value:
                raise ValueError(f"{path}: run has {name} {entries.get(name)!r}, not {value!r}")
        try:
            self.model.load_state_dict(entries["model"])
            self.optimiser.load_state_dict(entries["optimiser"])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{path}: {' '.join(str(error).split())[:200]}") from None
        torch.set_rng_state(entries["rng"])
        if "rng_cuda" in entries and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(entries["rng_cuda"])
        self.epoch, self.history = entries["epoch"], entries["history"]

    def run(self) -> None:
        """Train to the last epoch.  Raises :class:`TrainingError` where the loss is not finite."""
        while self.epoch < self.recipe.epochs:
            start = time.perf_counter()
            loss = self.run_epoch()
            accuracy = top1(self.model, self.test)
            self.epoch += 1
            rate = self.optimiser.param_groups[0]["lr"]
            seconds = round(time.perf_counter() - start, 1)
            self.history.append([self.epoch, loss, accuracy, rate, seconds])
            self.save()
            tqdm.write(f"epoch {self.epoch}: loss {loss:.4f}, top-1 {accuracy:.2f} %")

    def run_epoch(self) -> float:
        """One pass over the training images; returns the mean loss."""
        self.model.train()
        self.train.epoch = self.epoch
        step = self.epoch * len(self.train)
        total = 0.0
        bar = tqdm(self.train, desc=f"epoch {self.epoch + 1}", leave=False, disable=None)
        for images, labels in bar:
            loss = self.step(images, labels, step)
            total += loss * len(labels)
            step += 1
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        return total / len(self.train.set)

    def step(self, images: torch.Tensor, labels: torch.Tensor, step: int) -> float:
        """One optimiser step; returns the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * self.recipe.lr_at(step, len(self.train))
        images = images.contiguous(memory_format=torch.channels_last)
        autocast = self.recipe.precision == "bfloat16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=autocast):
            loss = F.cross_entropy(self.model(images), labels)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"Loss is {value} in step {step + 1} (epoch {self.epoch + 1}); the checkpoint of "
                f"epoch {self.epoch} is kept, try a smaller learning rate than {self.recipe.lr}"
            )
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        project(self.model)
        return value

    def save(self) -> None:
        """Write both checkpoints and the log of the epochs so far."""
        model = model_entries(self.model, **self.about)
        run = {
            "recipe": asdict(self.recipe),
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "history": self.history,
            "rng": torch.get_rng_state(),
        }
        if torch.cuda.is_available():
            run["rng_cuda"] = torch.cuda.get_rng_state_all()
        save_checkpoint(self.out / "last.pt", {**model, **run})
        save_checkpoint(self.out / "model.pt", model)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(self.history)
        write_whole(self.out / "log.csv", text.getvalue().encode())
