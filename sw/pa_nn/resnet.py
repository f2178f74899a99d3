"""Residual networks: of small images (CIFAR's form) and of large ones (torchvision's form)."""

from torch import Tensor, nn

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ImageResNet",
    "ResNet",
    "bottleneck",
    "resnet8",
    "resnet18",
    "resnet20",
    "resnet34",
    "resnet50",
]


def _downsample(in_channels: int, out_channels: int, stride: int) -> nn.Module | None:
    """The shortcut's projection, or None where the identity fits."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut: ``relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))``.

    The order is torchvision's: batch normalisation, addition, ReLU.  The shortcut is the identity
    where shapes agree, and a 1x1 convolution with batch normalisation otherwise.
    """

    expansion = 1

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.relu2 = nn.ReLU()
        self.downsample = _downsample(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(y)) + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolution with a shortcut, four times the width out.

    ``out_channels`` is that of the block, a multiple of 4; the inner width is a quarter of it.
    """

    expansion = 4

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        width = out_channels // self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu3 = nn.ReLU()
        self.downsample = _downsample(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        return self.relu3(self.bn3(self.conv3(y)) + shortcut)


Block = type[BasicBlock] | type[Bottleneck]


def _stage(block: Block, in_channels: int, width: int, depth: int, stride: int) -> nn.Sequential:
    """``depth`` blocks, the first one with the stride."""
    layers = []
    for index in range(depth):
        layers.append(
            block(
                in_channels=in_channels if index == 0 else width * block.expansion,
                out_channels=width * block.expansion,
                stride=stride if index == 0 else 1,
            )
        )
    return nn.Sequential(*layers)


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


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
            stages.append(_stage(BasicBlock, channels, width, depth, 2 if stage else 1))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(channels, classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.stages(x)
        return self.fc(self.flatten(self.pool(x)))


class ImageResNet(nn.Module):
    """ImageNet's residual network: 7x7 stem and maximum pooling, both of stride 2, four stages.

    Modules have torchvision's names, so its weights fit.  Any image of at least 2x2 passes; the
    resolution falls 32-fold.

    Parameters
    ----------
    block : :class:`BasicBlock` or :class:`Bottleneck`
    widths : of the stages; a stage's result has ``block.expansion`` times as many channels
    blocks : in each stage
    """

    def __init__(
        self,
        *,
        in_channels: int,
        classes: int,
        block: Block,
        widths: tuple[int, int, int, int],
        blocks: tuple[int, int, int, int],
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        outputs = [width * block.expansion for width in widths]
        inputs = [widths[0], *outputs]
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            _stage(block, inputs[k], widths[k], blocks[k], 2 if k else 1) for k in range(4)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(outputs[-1], classes)
        _initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.flatten(self.avgpool(x)))


def resnet8(*, in_channels: int = 1, classes: int = 10) -> ResNet:
    """ResNet-8: one block a stage, 16/32/64 channels, 78 thousand weights."""
    return ResNet(in_channels=in_channels, classes=classes, widths=(16, 32, 64), blocks=(1, 1, 1))


def resnet20(*, in_channels: int = 3, classes: int = 10) -> ResNet:
    """ResNet-20: three blocks a stage, 16/32/64 channels, 272 thousand weights."""
    return ResNet(in_channels=in_channels, classes=classes, widths=(16, 32, 64), blocks=(3, 3, 3))


def resnet18(*, in_channels: int = 3, classes: int = 1000, width: int = 64) -> ImageResNet:
    """ResNet-18 as torchvision builds it, 11.7 million weights at a stem of 64 channels."""
    return ImageResNet(
        in_channels=in_channels,
        classes=classes,
        block=BasicBlock,
        widths=(width, 2 * width, 4 * width, 8 * width),
        blocks=(2, 2, 2, 2),
    )


def resnet34(*, in_channels: int = 3, classes: int = 1000) -> ImageResNet:
    """ResNet-34 as torchvision builds it, 21.8 million weights."""
    return ImageResNet(
        in_channels=in_channels,
        classes=classes,
        block=BasicBlock,
        widths=(64, 128, 256, 512),
        blocks=(3, 4, 6, 3),
    )


def resnet50(*, in_channels: int = 3, classes: int = 1000) -> ImageResNet:
    """ResNet-50 as torchvision builds it, 25.6 million weights."""
    return ImageResNet(
        in_channels=in_channels,
        classes=classes,
        block=Bottleneck,
        widths=(64, 128, 256, 512),
        blocks=(3, 4, 6, 3),
    )


def bottleneck(*, in_channels: int = 3, classes: int = 10) -> ImageResNet:
    """ResNet-50's topology with one block a stage and an eighth of its channels."""
    return ImageResNet(
        in_channels=in_channels,
        classes=classes,
        block=Bottleneck,
        widths=(8, 16, 32, 64),
        blocks=(1, 1, 1, 1),
    )
