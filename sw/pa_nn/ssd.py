"""SSD300 with a ResNet-50 backbone (Fu et al., PA-Net, section 4.4; Liu et al., SSD).

Boxes, matching, loss and selection are torchvision's; the backbone and its extra residual blocks
stand here.
"""

from collections import OrderedDict
from pathlib import Path

from torch import Tensor, nn

from pa_nn.resnet import Bottleneck, resnet50
from pa_nn.vision import import_torchvision
from pa_nn.weight_files import fit_weights, read_state

__all__ = [
    "_STRIDES",
    "ExtraBlock",
    "SSDBackbone",
    "full_precision_layers",
    "ssd300_resnet50",
]

# Pixels of the image a place of each feature map, and the aspect ratios of its boxes beside 1: the
# original's, as are the scales below.
_STRIDES = (8, 16, 32, 64, 100, 300)
_RATIOS = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
_SCALES = (0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05)
_EXTRA_CHANNELS = (512, 256, 256)


class ExtraBlock(nn.Module):
    """A residual block for the small feature maps: ``relu(residual(x) + shortcut(x))``.

    Both sides shrink the map as the original's extra layers do: to half of it, rounded up, where
    ``halve`` is set; by two pixels in height and width otherwise.  The shortcut averages where its
    convolution would skip pixels.
    """

    def __init__(self, *, in_channels: int, out_channels: int, halve: bool) -> None:
        super().__init__()
        width = out_channels // Bottleneck.expansion
        stride, padding = (2, 1) if halve else (1, 0)
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(3, stride, padding, count_include_pad=False),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.relu3 = nn.ReLU()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.relu2(self.bn2(self.conv2(y)))
        return self.relu3(self.bn3(self.conv3(y)) + self.shortcut(x))


class SSDBackbone(nn.Module):
    """ResNet-50 without its classifier, and three extra blocks.

    Input ``(batch, 3, H, W)`` normalised images.  Output six feature maps, by name: ``layer2`` to
    ``layer4``, then ``extra0`` to ``extra2``; of 300x300 images 38, 19, 10, 5, 3 and 1 pixels wide,
    with ``out_channels``.  Modules of ResNet-50 have torchvision's names, so its weights fit.
    """

    def __init__(self) -> None:
        super().__init__()
        body = resnet50()
        self.conv1, self.bn1, self.relu, self.maxpool = (
            body.conv1, body.bn1, body.relu, body.maxpool,
        )  # fmt: skip
        self.layer1, self.layer2 = body.layer1, body.layer2
        self.layer3, self.layer4 = body.layer3, body.layer4
        channels = (body.fc.in_features, *_EXTRA_CHANNELS)
        self.extra = nn.Sequential(
            *(
                ExtraBlock(in_channels=channels[k], out_channels=channels[k + 1], halve=k == 0)
                for k in range(len(_EXTRA_CHANNELS))
            )
        )
        self.out_channels = [512, 1024, *channels]

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        maps = OrderedDict[str, Tensor]()
        x = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(x)))))
        for name in ("layer2", "layer3", "layer4"):
            maps[name] = x = self.get_submodule(name)(x)
        for index, block in enumerate(self.extra):
            maps[f"extra{index}"] = x = block(x)
        return maps


def ssd300_resnet50(*, in_channels: int = 3, classes: int = 21) -> nn.Module:
    """torchvision's SSD on a :class:`SSDBackbone`; 21 classes are VOC's and the background.

    As every detector of torchvision it takes a list of images ``(3, H, W)`` from 0 to 1, in
    training a list of targets too, and gives a dictionary of losses then, boxes, labels and scores
    of each image otherwise.

    Raises
    ------
    ValueError
        ``in_channels`` is not 3, fewer than two classes, torchvision is not installed.
    """
    if in_channels != 3:
        raise ValueError(f"SSD300 takes colour images of 3 channels, not {in_channels!r}")
    if classes < 2:
        raise ValueError(f"SSD300 needs at least 2 classes, background included, not {classes!r}")
    anchors = import_torchvision("torchvision.models.detection.anchor_utils")
    ssd = import_torchvision("torchvision.models.detection.ssd")
    boxes = anchors.DefaultBoxGenerator(
        [list(ratios) for ratios in _RATIOS], scales=list(_SCALES), steps=list(_STRIDES)
    )
    return ssd.SSD(SSDBackbone(), boxes, (300, 300), classes)


def full_precision_layers(model: nn.Module) -> set[str]:
    """Paths for ``keep`` of :func:`~pa_nn.conversion.convert`: Conv1 and the head (section 4.4).

    The extra blocks, which the paper does not mention there, are approximated with the backbone.
    """
    head = {
        path
        for path, module in model.named_modules()
        if path.startswith("head.") and isinstance(module, nn.Conv2d)
    }
    return {"backbone.conv1", *head}


def load_backbone(model: nn.Module, path: str | Path) -> None:
    """Fill the ResNet-50 inside ``model`` with the weights of a classifier; the rest stays.

    ``path`` is a state dict as :func:`~pa_nn.weight_files.load_weights` reads them, raising as that
    does; the classes it tells apart do not matter.
    """
    backbone = model.get_submodule("backbone")
    own = {key: value for key, value in backbone.state_dict().items() if key.startswith("extra.")}
    state = {k: v for k, v in read_state(Path(path)).items() if not k.startswith("fc.")}
    fit_weights(backbone, {**state, **own}, path)
