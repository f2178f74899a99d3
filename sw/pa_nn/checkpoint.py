"""Checkpoints: one file that holds a model, what it is made of, and optionally a run to resume.

A checkpoint is a dictionary of tensors and plain Python values, written whole or not at all and
read with ``weights_only=True``, so that a file from elsewhere can run no code.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pa_artifact.whole import write_whole
from pa_nn.conversion import replace_layers
from pa_nn.layers import PALayer
from pa_nn.models import build_model
from pa_nn.rivals.conversion import describe_rivals, restore_rivals

__all__ = [
    "describe_layers",
    "describe_schemes",
    "load_checkpoint",
    "model_entries",
    "restore_model",
    "save_checkpoint",
]

SCHEMA = 1
_REQUIRED = {
    "schema": int,
    "name": str,
    "in_channels": int,
    "classes": int,
    "mean": tuple,
    "std": tuple,
    "pa": dict,
    "model": dict,
}


def save_checkpoint(path: str | Path, entries: Mapping[str, Any]) -> None:
    """Write ``entries`` to ``path``; a file that was there stays until the new one is complete."""
    buffer = io.BytesIO()
    torch.save({"schema": SCHEMA, **entries}, buffer)
    write_whole(Path(path), buffer.getvalue())


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read and check a checkpoint.

    Raises
    ------
    ValueError
        The file is missing, truncated, of another kind, or of a newer schema; one line.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such checkpoint")
    try:
        entries = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its parsers raise
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise ValueError(f"{path}: cannot be read as a checkpoint ({reason})") from None
    if not isinstance(entries, dict):
        raise ValueError(f"{path}: not a checkpoint but a {type(entries).__name__}")
    for key, kind in _REQUIRED.items():
        if not isinstance(entries.get(key), kind):
            raise ValueError(f"{path}: not a checkpoint, it has no {key!r} of type {kind.__name__}")
    if entries["schema"] > SCHEMA:
        raise ValueError(f"{path}: schema {entries['schema']}, only up to {SCHEMA} is understood")
    # Files older than other schemes have no such entry.
    if not isinstance(entries.setdefault("rivals", {}), dict):
        raise ValueError(f"{path}: not a checkpoint, its 'rivals' are no dict")
    return entries


def describe_layers(model: nn.Module) -> dict[str, dict[str, Any]]:
    """What :func:`restore_model` needs to know of each piecewise-approximated layer, by path."""
    described: dict[str, dict[str, Any]] = {}
    for path, layer in model.named_modules():
        if isinstance(layer, PALayer):
            activation = layer.activation
            described[path] = {
                "m": layer.m,
                "n": layer.n,
                "lambda_w": layer.lambda_w,
                "lambda_a": activation.lambda_a if activation is not None else None,
                "lambda_delta": activation.lambda_delta if activation is not None else None,
                "eq14_sign": activation.eq14_sign if activation is not None else -1,
            }
            # Absent where they are the defaults, as in files older than these options.
            if layer.levels != "means":
                described[path]["levels"] = layer.levels
            elif not layer.has_default_multiples:
                described[path]["multiples"] = layer.multiples
    return described


def describe_schemes(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Entries of a checkpoint that say which layers are approximated, and how."""
    return {"pa": describe_layers(model), "rivals": describe_rivals(model)}


def model_entries(
    model: nn.Module,
    *,
    name: str,
    in_channels: int,
    classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> dict[str, Any]:
    """Checkpoint entries of a model: builder, normalisation, layers of schemes, parameters."""
    return {
        "name": name,
        "in_channels": in_channels,
        "classes": classes,
        "mean": tuple(mean),
        "std": tuple(std),
        **describe_schemes(model),
        "model": {key: value.detach().cpu() for key, value in model.state_dict().items()},
    }


def restore_model(entries: Mapping[str, Any]) -> nn.Module:
    """Build the model of a checkpoint, in evaluation mode.

    Raises
    ------
    ValueError
        Its builder is unknown, or its parameters do not fit the model; one line.
    """
    model = build_model(
        entries["name"], in_channels=entries["in_channels"], classes=entries["classes"]
    )
    model = replace_layers(model, entries["pa"])
    model = restore_rivals(model, entries.get("rivals", {}))
    try:
        model.load_state_dict(entries["model"])
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"Checkpoint does not fit {entries['name']}: {reason}") from None
    return model.eval()
