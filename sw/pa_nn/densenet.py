"""DenseNet: every layer of a block sees, concatenated, what all layers before it gave."""

import torch
from torch import Tensor, nn

from pa_nn.vision import import_torchvision

__all__ = ["DenseLayer", "DenseNet", "Transition", "densenet", "densenet121"]


class DenseLayer(nn.Module):
    """``concat(x, conv3x3(relu(bn(conv1x1(relu(bn(x)))))))``: ``growth`` more channels.

    The 1x1 convolution narrows to ``4 * growth`` channels.
    """

    def __init__(self, *, in_channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu1(self.norm1(x)))
        y = self.conv2(self.relu2(self.norm2(y)))
        return torch.cat([x, y], 1)


class Transition(nn.Module):
    """``pool(conv1x1(relu(bn(x))))``: half the channels, averages over 2x2 pixels."""

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(in_channels)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(in_channels, in_channels // 2, 1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(self.relu(self.norm(x))))


class DenseNet(nn.Module):
    """DenseNet-BC for small images: 3x3 stem, dense blocks with transitions between, linear.

    Input ``(batch, in_channels, H, W)`` normalised images, output ``(batch, classes)`` logits.

    Parameters
    ----------
    growth : channels that a layer adds
    blocks : layers in each block
    width : channels of the stem, by default twice the growth
    """

    def __init__(
        self,
        *,
        in_channels: int,
        classes: int,
        growth: int,
        blocks: tuple[int, ...],
        width: int | None = None,
    ) -> None:
        super().__init__()
        channels = 2 * growth if width is None else width
        self.conv = nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False)
        stages: list[nn.Module] = []
        for index, depth in enumerate(blocks):
            if index > 0:
                stages.append(Transition(in_channels=channels))
                channels //= 2
            layers = [
                DenseLayer(in_channels=channels + k * growth, growth=growth) for k in range(depth)
            ]
            stages.append(nn.Sequential(*layers))
            channels += depth * growth
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stages(self.conv(x))))
        return self.fc(self.flatten(self.pool(x)))


def densenet(*, in_channels: int = 3, classes: int = 10) -> DenseNet:
    """A DenseNet of two blocks of three layers, growth 8."""
    return DenseNet(in_channels=in_channels, classes=classes, growth=8, blocks=(3, 3))


def densenet121(*, in_channels: int = 3, classes: int = 1000) -> nn.Module:
    """torchvision's DenseNet-121, 8.0 million weights; images of at least 29x29.

    Raises :class:`ValueError` where torchvision is not installed.
    """
    model = import_torchvision("torchvision.models").densenet121(num_classes=classes)
    if in_channels != 3:
        model.features.conv0 = nn.Conv2d(in_channels, 64, 7, 2, 3, bias=False)
        nn.init.kaiming_normal_(model.features.conv0.weight)
    return model
