"""Small random networks of every topology, spelled as their authors do, for tests of whole paths.

Each takes two channels of 8x8 pixels and gives three logits.
"""

import torch
import torch.nn.functional as F
import torch.utils.checkpoint as cp
from pa_models import batches, forms, residual, unsettle
from torch import nn

from pa_nn import convert, reestimate_batch_norm


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, the middle one in groups where asked to."""

    def __init__(self, inputs, width, outputs, stride=1, groups=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += self.downsample(x)
        return self.relu(out)


class BottleneckNet(nn.Module):
    """The stem of ResNet-50 with its padded maximum pooling, and two blocks."""

    def __init__(self, groups=1):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = Bottleneck(4, 4, 6, groups=groups)
        self.layer2 = Bottleneck(6, 4, 6, stride=2, groups=groups)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.avgpool(self.layer2(self.layer1(x)))
        return self.fc(torch.flatten(x, 1))


class DenseLayer(nn.Module):
    """Concatenate, normalise, rectify, 1x1, normalise, rectify, 3x3."""

    def __init__(self, inputs, growth, memory_efficient):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, 2 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(2 * growth)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False)
        self.drop_rate = 0.1
        self.memory_efficient = memory_efficient

    def bottleneck(self, inputs):
        return self.conv1(self.relu1(self.norm1(torch.cat(inputs, 1))))

    def forward(self, x):
        features = [x] if isinstance(x, torch.Tensor) else x
        if self.memory_efficient and any(tensor.requires_grad for tensor in features):
            middle = cp.checkpoint(lambda *inputs: self.bottleneck(inputs), *features)
        else:
            middle = self.bottleneck(features)
        new = self.conv2(self.relu2(self.norm2(middle)))
        return F.dropout(new, p=self.drop_rate, training=self.training)


class DenseBlock(nn.ModuleDict):
    """Every layer takes what all layers before it gave."""

    def __init__(self, inputs, growth, layers, memory_efficient):
        super().__init__()
        for i in range(layers):
            layer = DenseLayer(inputs + i * growth, growth, memory_efficient)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, init_features):
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class DenseNet(nn.Module):
    """Two blocks with a transition between."""

    def __init__(self, memory_efficient=True):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
            DenseBlock(4, 2, 2, memory_efficient),
            nn.Sequential(
                nn.BatchNorm2d(8),
                nn.ReLU(inplace=True),
                nn.Conv2d(8, 4, 1, bias=False),
                nn.AvgPool2d(kernel_size=2, stride=2),
            ),
            DenseBlock(4, 2, 2, memory_efficient),
            nn.BatchNorm2d(8),
        )
        self.classifier = nn.Linear(8, 3)

    def forward(self, x):
        out = F.relu(self.features(x), inplace=True)
        out = F.adaptive_avg_pool2d(out, (1, 1))
        return self.classifier(torch.flatten(out, 1))


class SeparableNet(nn.Module):
    """Depthwise separable with ReLU6 and TensorFlow's padding, and an inverted residual."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)),
            nn.Conv2d(2, 4, 3, 2, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU6(inplace=True),
        )
        self.first = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU6(inplace=True),
            nn.Conv2d(4, 6, 1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU6(),
        )
        self.pad = nn.ConstantPad2d((0, 1, 0, 1), 0.0)
        self.depthwise = nn.Conv2d(6, 6, 3, 2, groups=6, bias=False)
        self.bn = nn.BatchNorm2d(6)
        self.pointwise = nn.Conv2d(6, 4, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(4)
        self.expand = nn.Conv2d(4, 8, 1)
        self.spread = nn.Conv2d(8, 8, (1, 2), groups=8)
        self.project = nn.Conv2d(8, 4, 1)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Conv2d(4, 3, 1)

    def forward(self, x):
        x = self.first(self.stem(x))
        x = F.relu6(self.bn(self.depthwise(self.pad(x))))
        x = self.bn2(self.pointwise(x))
        y = F.hardtanh(self.expand(x), 0.0, 6.0)
        y = torch.clamp(self.spread(F.pad(y, (0, 1))), 0, 6)
        x = x + self.project(y)
        x = self.dropout(x.mean([2, 3], keepdim=True))
        return self.classifier(x).flatten(1)


class PlainNet(nn.Module):
    """Convolutions, maximum pooling that shares a module, average pooling, linear layers."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 5, 3, padding=1)
        self.conv3 = nn.Conv2d(5, 4, (2, 3), padding=(0, 1), bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(5)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 2))
        self.classifier = nn.Sequential(
            nn.Linear(8, 7),
            nn.ReLU(True),
            nn.Dropout(),
            nn.Linear(7, 5),
            nn.BatchNorm1d(5),
            nn.ReLU(True),
            nn.Linear(5, 3),
        )

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = F.relu(self.norm(self.pool(self.conv2(x))))
        x = F.avg_pool2d(x, 2, stride=1, padding=1)
        x = F.max_pool2d(self.conv3(x), kernel_size=(1, 2), stride=1)
        x = self.avgpool(x)
        return self.classifier(x.view(x.size(0), -1))


class Branches(nn.Module):
    """Concatenations of rectified, pooled and signed values, of ReLU and of ReLU6."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.one = nn.Conv2d(4, 3, 1)
        self.three = nn.Conv2d(4, 3, 3, padding=1)
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.mixed = nn.Conv2d(10, 3, 1)
        self.grouped = nn.Conv2d(10, 10, 3, 2, 1, groups=5)
        self.last = nn.Conv2d(10, 3, 1)
        self.narrow = nn.Conv2d(6, 3, 1)

    def forward(self, x):
        x = F.relu(self.stem(x))
        a, b = F.relu6(self.one(x)), F.relu6(self.three(x))
        y = torch.cat([a, b, self.pool(x)], dim=1)
        both = F.avg_pool2d(torch.cat([a, b], 1), 2)
        signed = torch.concat((self.mixed(y), a, x), -3)
        out = self.last(F.relu(self.grouped(signed)))
        return (out + self.pool(self.narrow(both))).mean((-2, -1))


class PreActivation(nn.Module):
    """Normalised and rectified in front of each convolution; two heads are added."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(2))
        self.heads = nn.ModuleList(nn.Linear(4, 3) for _ in range(2))

    def forward(self, x):
        x = self.stem(x)
        for norm, conv in zip(self.norms[:2], self.convs, strict=True):
            x = x + conv(norm(x).relu())
        y = self.norms[2](x).clamp(min=0)
        return self.heads[0](y.mean([2, 3])) + self.heads[1](F.adaptive_avg_pool2d(x, 1).flatten(1))


def perceptron():
    """Linear layers only, the first of the pixels themselves."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(128, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU6(), nn.Linear(5, 3)
    )


class Chain(nn.Module):
    """A stem, one part to try, and the end of a network."""

    def __init__(self, part, call=None, stem=None, head=None):
        super().__init__()
        self.stem = stem or nn.Conv2d(1, 4, 3, padding=1)
        self.part = part
        self.call = call or (lambda part, x: part(x))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.head = head or nn.Linear(4, 2)

    def forward(self, x):
        x = self.call(self.part, self.stem(x))
        return self.head(self.flatten(self.pool(x)))


BUILDERS = {
    "bottleneck": BottleneckNet,
    "grouped": lambda: BottleneckNet(groups=2),
    "dense": DenseNet,
    "separable": SeparableNet,
    "plain": PlainNet,
    "branches": Branches,
    "pre_activation": PreActivation,
    "perceptron": perceptron,
}


def build(name, seed=0):
    """One of them, piecewise approximated, with parameters as training leaves them."""
    if name in ("residual", "forms"):
        return {"residual": residual, "forms": forms}[name](seed)
    torch.manual_seed(seed)
    model = unsettle(BUILDERS[name](), seed)
    reestimate_batch_norm(model, batches())
    keep = ["1", "5"] if name == "perceptron" else None
    return convert(model, 4, 3, keep=keep, calibration=batches())


TOPOLOGIES = ("residual", "forms", *BUILDERS)
