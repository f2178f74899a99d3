"""Networks built here: a small residual network for 28x28 or 32x32 images.

Builders return plain :class:`torch.nn.Module` objects in full precision; :func:`pa_nn.convert`
turns their convolutions into piecewise-approximated ones.
"""

from collections.abc import Callable

import torch
from torch import nn

__all__ = ["BUILDERS", "BasicBlock", "ResNet", "build_model", "resnet8", "resnet20"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut: ``relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))``.

    The order is torchvision's: batch normalisation, addition, ReLU.  The shortcut is the identity
    where shapes agree, and a 1x1 convolution with batch normalisation otherwise.
    """

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(y)) + shortcut)


class ResNet(nn.Module):
    """A CIFAR-style residual network: 3x3 stem, stages of :class:`BasicBlock`, average, linear.

    Input ``(batch, in_channels, H, W)`` normalised images, output ``(batch, classes)`` logits.
    """

    def __init__(
        self, *, in_channels: int, classes: int, widths: tuple[int, ...], blocks: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        stages: list[nn.Module] = []
        channels = widths[0]
        for stage, (width, depth) in enumerate(zip(widths, blocks, strict=True)):
            layers = []
            for block in range(depth):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(BasicBlock(in_channels=channels, out_channels=width, stride=stride))
                channels = width
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.stages(x)
        return self.fc(self.flatten(self.pool(x)))


def resnet8(*, in_channels: int = 1, classes: int = 10) -> ResNet:
    """ResNet-8: one block a stage, 16/32/64 channels, 78 thousand weights."""
    return ResNet(in_channels=in_channels, classes=classes, widths=(16, 32, 64), blocks=(1, 1, 1))


def resnet20(*, in_channels: int = 3, classes: int = 10) -> ResNet:
    """ResNet-20: three blocks a stage, 16/32/64 channels, 272 thousand weights."""
    return ResNet(in_channels=in_channels, classes=classes, widths=(16, 32, 64), blocks=(3, 3, 3))


BUILDERS: dict[str, Callable[..., nn.Module]] = {"resnet8": resnet8, "resnet20": resnet20}


def build_model(name: str, *, in_channels: int, classes: int) -> nn.Module:
    """Build a network by name; raises :class:`ValueError` with the known names otherwise."""
    if name not in BUILDERS:
        raise ValueError(f"Model must be one of {', '.join(sorted(BUILDERS))}, not {name!r}")
    return BUILDERS[name](in_channels=in_channels, classes=classes)
