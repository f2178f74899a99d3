"""Pre-trained weights from a file that the user names.

Nothing is downloaded and no code in a file runs: PyTorch's files are read with
``weights_only=True``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pa_nn.folders import MEAN, STD
from pa_nn.mobilenet import MOBILENET_MEAN, MOBILENET_STD, load_tensorflow

__all__ = ["Normalisation", "fit_weights", "load_weights", "read_state"]

Normalisation = tuple[tuple[float, ...], tuple[float, ...]]

_SUFFIXES = (".pth", ".pt", ".safetensors", ".npz")
# Keys under which training scripts put the state of the model.
_NESTED = ("state_dict", "model")
# torchvision's oldest DenseNet files have "norm.1.weight" for "norm1.weight".
_OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..+)")


def load_weights(model: nn.Module, path: str | Path) -> Normalisation:
    """Fill ``model`` with the weights of a file; it stays as it is where they do not fit.

    Parameters
    ----------
    model : module
        With torchvision's names, or a :class:`~pa_nn.mobilenet.MobileNetV1` for ``.npz``.
    path : file
        A state dict (``.pth``, ``.pt``, or ``.safetensors``), by itself or as the ``state_dict`` or
        ``model`` entry of a checkpoint, from one process or from several; or TensorFlow's variables
        of MobileNet v1 (``.npz``), without their class 0, the background, where ``model`` has one
        class fewer.

    Returns
    -------
    mean and standard deviation of ``p / 255`` that networks of this origin are trained with

    Raises
    ------
    ValueError
        The file cannot be read, or a key, a shape or the number of classes differs; one line.
    """
    path = Path(path)
    if path.suffix not in _SUFFIXES:
        raise ValueError(f"{path}: weights must be a file ending in {', '.join(_SUFFIXES)}")
    if path.suffix == ".npz":
        fit_weights(model, _foreground(load_tensorflow(path).state_dict(), model), path)
        return MOBILENET_MEAN, MOBILENET_STD
    fit_weights(model, read_state(path), path)
    return MEAN, STD


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a state dict by torchvision's names; raises as :func:`load_weights` does."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            entries: Any = load_file(path)
        else:
            entries = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # either library raises whatever its parsers raise
        lines = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"{path}: cannot be read as a state dict ({lines[0][:120]})") from None
    for key in _NESTED:
        if isinstance(entries, dict) and isinstance(entries.get(key), dict):
            entries = entries[key]
    if not isinstance(entries, dict) or not entries:
        raise ValueError(f"{path}: holds no state dict but a {type(entries).__name__}")
    for key, value in entries.items():
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"{path}: {key!r} is no tensor but a {type(value).__name__}")
    return {_name(str(key)): value for key, value in entries.items()}


def _name(key: str) -> str:
    return _OLD_DENSENET.sub(r"\1\2", key.removeprefix("module."))


def _foreground(state: dict[str, torch.Tensor], model: nn.Module) -> dict[str, torch.Tensor]:
    """Without the background of ``fc``, if ``model`` has all classes but one."""
    own = model.state_dict().get("fc.weight")
    if own is None or len(own) != len(state["fc.weight"]) - 1:
        return state
    return {**state, **{key: state[key][1:] for key in ("fc.weight", "fc.bias")}}


def _classifier(model: nn.Module) -> str | None:
    """Key of the weights whose rows are the classes: the last linear layer's."""
    linears = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    return f"{linears[-1]}.weight" if linears else None


def fit_weights(model: nn.Module, state: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Copy ``state``, read from ``path``, into ``model``; raises as :func:`load_weights` does.

    Counters of batches may be missing: files older than them lack them.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    surplus = [key for key in state if key not in own]
    if missing or surplus:
        reasons = [
            f"{what} {len(keys)} of its tensors, first {keys[0]!r}"
            for what, keys in (("it lacks", missing), ("the network lacks", surplus))
            if keys
        ]
        raise ValueError(f"{path}: weights of another network: {'; '.join(reasons)}")
    classifier = _classifier(model)
    for key, value in state.items():
        expected = tuple(own[key].shape)
        if key == classifier and value.dim() == 2 and len(value) != expected[0]:
            raise ValueError(f"{path}: is for {len(value)} classes, not {expected[0]}")
        if tuple(value.shape) != expected:
            raise ValueError(f"{path}: {key} must be {expected}, not {tuple(value.shape)}")
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ValueError(f"{path}: {key} holds values that are not finite")
    model.load_state_dict(dict(state), strict=False)
