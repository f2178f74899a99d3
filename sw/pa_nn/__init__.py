"""Piecewise approximation of convolutional networks in PyTorch.

    >>> import pa_nn
    >>> model = pa_nn.build_model("resnet8", in_channels=1, classes=10)
    >>> pa_model = pa_nn.convert(model, M=4, N=5)

Names are imported at first use, so that ``import pa_nn`` itself is cheap.
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "weights": ["approximate_weights", "endpoint_multiples", "endpoints", "weight_codes"],
    "activations": ["PAActivation", "activation_codes", "approximate_activations"],
    "layers": ["PAConv2d", "PALinear"],
    "conversion": ["convert", "project", "reestimate_batch_norm"],
    "checkpoint": ["load_checkpoint", "restore_model", "save_checkpoint"],
    "evaluation": ["top1"],
    "data": ["Batches", "ImageSet", "load_folder"],
    "models": ["build_model"],
    "hardware": ["HardwareModel", "quantise_for_hardware", "restore_hardware"],
    "export": ["export_layer", "export_network"],
}
_MODULE_OF = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
