"""The training loop (Algorithm 1): resumable, logged, the same result whether broken off or not."""

import csv
import io
import math
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from pa_artifact.whole import write_whole
from pa_nn.checkpoint import describe_schemes, load_checkpoint, model_entries, save_checkpoint
from pa_nn.conversion import project
from pa_nn.data import Batches
from pa_nn.distributed import World, parallelise
from pa_nn.evaluation import hits
from pa_nn.folders import FolderBatches
from pa_nn.recipe import Recipe

__all__ = ["Recipe", "Trainer", "TrainingError"]

COLUMNS = ("epoch", "loss", "top1", "learning_rate", "seconds")


class TrainingError(Exception):
    """Training cannot go on; the message is one line."""


class Trainer:
    """Trains a model epoch by epoch, leaving ``last.pt``, ``model.pt`` and ``log.csv`` in a folder.

    ``last.pt`` has all it takes to resume after its epoch; ``model.pt`` the model alone.  Files are
    replaced whole, so a run killed at any time leaves the last complete epoch, or the last step
    that was a multiple of ``save_every``.  The first process writes them.

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
    world : World
        The processes that train together; ``train`` and ``test`` have the same one.
    batch_norm : str
        As :func:`~pa_nn.distributed.parallelise` takes it.
    save_every : int or None
        Steps between checkpoints within an epoch.
    top5 : bool
        Whether the log has a last column ``top5``.

    Raises
    ------
    ValueError
        The last batch of an epoch has fewer images than there are processes.
    """

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        *,
        train: Batches | FolderBatches,
        test: Batches | FolderBatches,
        about: Mapping[str, Any],
        out: Path,
        world: World | None = None,
        batch_norm: str = "synchronised",
        save_every: int | None = None,
        top5: bool = False,
    ) -> None:
        self.world = World() if world is None else world
        last = train.size_of(len(train) - 1)
        if last < self.world.size:
            raise ValueError(
                f"The last of the batches of {recipe.batch_size} has {last} of {len(train.set)} "
                f"images, too few for {self.world.size} processes: choose another batch size"
            )
        # A keyword that PyTorch documents and its stubs lack.
        self.model = model.to(train.device).to(  # type: ignore[call-overload]
            memory_format=torch.channels_last
        )
        self.recipe = recipe
        self.train = train
        self.test = test
        self.about = dict(about)
        self.out = out
        self.save_every = save_every
        self.columns = (*COLUMNS, "top5") if top5 else COLUMNS
        self.epoch = 0
        # Within an epoch: steps done, and the sum of the loss over their images.
        self.steps, self.loss = 0, 0.0
        self.kept = "no checkpoint was made yet"
        self.history: list[list[float]] = []
        self.optimiser = recipe.make_optimiser(model)
        self.parallel = parallelise(self.model, self.world, batch_norm=batch_norm)

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
        seen = entries.get("images", self.images)  # older files do not have them
        for name, value in self.images.items():
            if seen[name] != value:
                raise ValueError(f"{path}: run has {name} images {seen[name]!r}, not {value!r}")
        for name, value in self.about.items():
            if entries.get(name) != value:
                raise ValueError(f"{path}: run has {name} {entries.get(name)!r}, not {value!r}")
        for kind, layers in describe_schemes(self.model).items():
            for layer in sorted(entries[kind].keys() | layers.keys()):
                was, value = entries[kind].get(layer), layers.get(layer)
                if was != value:
                    raise ValueError(f"{path}: run has {kind} layer {layer} {was}, not {value}")
        try:
            self.model.load_state_dict(entries["model"])
            self.optimiser.load_state_dict(entries["optimiser"])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{path}: {' '.join(str(error).split())[:200]}") from None
        self._restore_random_numbers(entries)
        self.epoch, self.history = entries["epoch"], entries["history"]
        self.steps, self.loss = entries.get("steps", 0), entries.get("loss", 0.0)
        self.kept = self._place()
        if self.world.first and self.steps == 0:
            # A run that was killed between its files has a model and a log that lag behind.
            self._save_result()

    def _place(self) -> str:
        steps = f" and {self.steps} steps" if self.steps else ""
        return f"the checkpoint of epoch {self.epoch}{steps} is kept"

    def _restore_random_numbers(self, entries: Mapping[str, Any]) -> None:
        states = entries.get("rng_of_ranks", [entries["rng"]])
        own = self.world.rank if len(states) == self.world.size else 0
        torch.set_rng_state(states[own])
        if "rng_cuda" in entries and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(entries["rng_cuda"])

    @property
    def images(self) -> dict[str, Any]:
        """What the result owes to the images beside the recipe, for :meth:`resume` to compare."""
        return {
            "train": len(self.train.set),
            "test": len(self.test.set),
            "size": getattr(self.train.set, "image_size", None),
        }

    def run(self) -> None:
        """Train to the last epoch.  Raises :class:`TrainingError` where the loss is not finite."""
        while self.epoch < self.recipe.epochs:
            start = time.perf_counter()
            loss = self.run_epoch()
            self._check_weights()
            accuracy, *more = self.evaluate()
            self.epoch += 1
            rate = self.optimiser.param_groups[0]["lr"]
            seconds = round(time.perf_counter() - start, 1)
            self.history.append([self.epoch, loss, accuracy, rate, seconds, *more])
            self.save()
            if self.world.first:
                tqdm.write(f"epoch {self.epoch}: loss {loss:.4f}, top-1 {accuracy:.2f} %")

    def evaluate(self) -> list[float]:
        """Top-1 on the test images, and top-5 where the log has it, in per cent."""
        right = hits(self.model, self.test, (1, 5) if "top5" in self.columns else (1,))
        totals = self.world.total(*right, device=self.test.device)
        return [100 * total / len(self.test.set) for total in totals]

    def run_epoch(self) -> float:
        """The steps of an epoch that are not done yet; returns the mean loss of all of them."""
        self.model.train()
        self.train.epoch, self.train.start = self.epoch, self.steps
        bar = tqdm(
            self.train,
            desc=f"epoch {self.epoch + 1}",
            initial=self.steps,
            total=len(self.train),
            leave=False,
            disable=None if self.world.first else True,
        )
        for images, labels in bar:
            loss = self.step(images, labels, self.epoch * len(self.train) + self.steps)
            self.loss += loss * self.train.size_of(self.steps)
            self.steps += 1
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            # The end of an epoch is saved with its accuracy.
            within = self.steps < len(self.train)
            if within and self.save_every and self.steps % self.save_every == 0:
                self._check_weights()
                self._save_run()
        loss = self.loss / len(self.train.set)
        self.steps, self.loss, self.train.start = 0, 0.0, 0
        return loss

    def step(self, images: torch.Tensor, labels: torch.Tensor, step: int) -> float:
        """One optimiser step; returns the loss over the batch of all processes."""
        for group in self.optimiser.param_groups:
            group["lr"] = group["factor"] * self.recipe.lr_at(step, len(self.train))
        images = images.contiguous(memory_format=torch.channels_last)
        autocast = self.recipe.precision == "bfloat16"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=autocast):
            loss = F.cross_entropy(self.parallel(images), labels)
        value = float(loss.detach())
        if self.world.size > 1:
            # The mean over all images, though gradients are the mean over processes.
            share = len(labels) / self.train.size_of(step % len(self.train))
            loss = loss * (share * self.world.size)
            (value,) = self.world.total(share * value, device=loss.device)
        if not math.isfinite(value):
            raise self._failure(f"Loss is {value} in step {step + 1} (epoch {self.epoch + 1})")
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        project(self.model)
        return value

    def _failure(self, what: str) -> TrainingError:
        return TrainingError(
            f"{what}; {self.kept}, try a smaller learning rate than {self.recipe.lr}"
        )

    def _check_weights(self) -> None:
        """A checkpoint must be one to go on from: the last step may have ruined the weights."""
        for name, value in self.model.named_parameters():
            if not torch.isfinite(value).all():
                step = self.epoch * len(self.train) + (self.steps or len(self.train))
                raise self._failure(f"{name} is not finite after step {step}")

    def save(self) -> None:
        """Write both checkpoints and the log of the epochs so far; every process must call it."""
        self._save_run()
        if self.world.first:
            self._save_result()

    def _save_result(self) -> None:
        save_checkpoint(self.out / "model.pt", model_entries(self.model, **self.about))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.history)
        write_whole(self.out / "log.csv", text.getvalue().encode())

    def _save_run(self) -> None:
        self.kept = self._place()
        states = self.world.gather(torch.get_rng_state())
        if not self.world.first:
            return
        run = {
            "recipe": asdict(self.recipe),
            "images": self.images,
            "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch,
            "steps": self.steps,
            "loss": self.loss,
            "history": self.history,
            "rng": states[0],
            "rng_of_ranks": states,
        }
        if torch.cuda.is_available():
            run["rng_cuda"] = torch.cuda.get_rng_state_all()
        save_checkpoint(self.out / "last.pt", {**model_entries(self.model, **self.about), **run})
