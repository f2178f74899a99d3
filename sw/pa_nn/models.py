"""Networks by name: those that classify images, and those that detect objects.

Builders return plain :class:`torch.nn.Module` objects in full precision; :func:`pa_nn.convert`
turns their convolutions into piecewise-approximated ones.
"""

from collections.abc import Callable

from torch import nn

from pa_nn.densenet import densenet, densenet121
from pa_nn.mobilenet import mobilenet_v1
from pa_nn.resnet import ResNet, bottleneck, resnet8, resnet18, resnet20, resnet34, resnet50
from pa_nn.ssd import ssd300_resnet50

__all__ = ["BUILDERS", "DETECTORS", "ResNet", "build_model"]

BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "bottleneck": bottleneck,
    "densenet": densenet,
    "densenet121": densenet121,
    "mobilenet_v1": mobilenet_v1,
    "resnet18": resnet18,
    "resnet20": resnet20,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet8": resnet8,
}

DETECTORS: dict[str, Callable[..., nn.Module]] = {"ssd300_resnet50": ssd300_resnet50}


def build_model(name: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build a network by name; raises :class:`ValueError` with the known names otherwise.

    The classes of a detector include the background.
    """
    builders = {**BUILDERS, **DETECTORS}
    if name not in builders:
        raise ValueError(f"Model must be one of {', '.join(sorted(builders))}, not {name!r}")
    return builders[name](in_channels=in_channels, classes=classes)
