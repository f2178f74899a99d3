"""How far outputs of layers are from another network's: approximation, not rounding."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from pa_nn.data import Batches

__all__ = ["OutputErrors", "Sums", "compare_outputs"]


@dataclass
class Sums:
    """Squares of a signal and of an error, summed over batches."""

    signal: float = 0.0
    error: float = 0.0

    def add(self, signal: torch.Tensor, error: torch.Tensor) -> None:
        """Count one batch."""
        self.signal += float(signal.double().square().sum())
        self.error += float(error.double().square().sum())

    @property
    def relative(self) -> float:
        """Root mean square of the error relative to that of the signal."""
        if self.error == 0:
            return 0.0
        return (self.error / self.signal) ** 0.5 if self.signal else float("inf")


@dataclass
class OutputErrors:
    """How far a layer's output is from that of the same layer of another network."""

    layer: str
    sums: Sums = field(default_factory=Sums)

    def as_json(self) -> dict[str, Any]:
        """The error relative to the first network's output."""
        return {"layer": self.layer, "error": self.sums.relative}


def compare_outputs(before: nn.Module, after: nn.Module, batches: Batches) -> list[OutputErrors]:
    """Relative errors of the outputs of convolutions and linear layers that both networks have."""
    paths = [
        path for path, module in before.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    errors = {path: OutputErrors(path) for path in paths if path in dict(after.named_modules())}
    with torch.no_grad(), _outputs(before, errors) as ours, _outputs(after, errors) as theirs:
        for images, _ in batches:
            before(images)
            after(images)
            for path, entry in errors.items():
                entry.sums.add(ours[path], theirs[path] - ours[path])
    return list(errors.values())


@contextmanager
def _outputs(model: nn.Module, paths: Mapping[str, Any]) -> Iterator[dict[str, torch.Tensor]]:
    """The latest output of each layer."""
    found: dict[str, torch.Tensor] = {}

    def keep(path: str) -> Any:
        def hook(_: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            found[path] = output

        return hook

    handles = [model.get_submodule(path).register_forward_hook(keep(path)) for path in paths]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
