"""Networks by name.

Builders return plain :class:`torch.nn.Module` objects in full precision; :func:`pa_nn.convert`
turns their convolutions into piecewise-approximated ones.
"""

from collections.abc import Callable

from torch import nn

from pa_nn.densenet import densenet
from pa_nn.mobilenet import mobilenet_v1
from pa_nn.resnet import ResNet, bottleneck, resnet8, resnet18, resnet20, resnet50

__all__ = ["BUILDERS", "ResNet", "build_model"]

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "bottleneck": bottleneck,
    "densenet": densenet,
    "mobilenet_v1": mobilenet_v1,
    "resnet18": resnet18,
    "resnet20": resnet20,
    "resnet50": resnet50,
    "resnet8": resnet8,
}


def build_model(name: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build a network by name; raises :class:`ValueError` with the known names otherwise."""
    if name not in BUILDERS:
        raise ValueError(f"Model must be one of {', '.join(sorted(BUILDERS))}, not {name!r}")
    return BUILDERS[name](in_channels=in_channels, classes=classes)
