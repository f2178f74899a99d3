"""Small networks with awkward parameters, for tests of whatever goes from float to integers."""

import torch
import torch.nn.functional as F
from torch import nn

from pa_nn.hardware import quantise_for_hardware
from pa_nn.layers import PAConv2d
from pa_nn.models import ResNet

MEAN, STD = (0.286, 0.45), (0.353, 0.25)


def pixels(count=6, size=(8, 8), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 2, *size), generator=generator, dtype=torch.uint8)


def normalised(images):
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (MEAN, STD))
    return (images.float() / 255 - mean) / std


def batches(count=6, seed=0):
    """One batch; the brighter an image the higher its label."""
    labels = torch.arange(count) % 3
    images = pixels(count, seed=seed) // 3 + 85 * labels.view(-1, 1, 1, 1)
    return [(normalised(images), labels)]


def unsettle(model, seed=0):
    """Parameters as training leaves them, and worse: negative, zero and tiny gamma."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            shape = module.running_mean.shape
            with torch.no_grad():
                if module.affine:
                    module.weight.copy_(torch.randn(shape, generator=generator))
                    module.weight[0] = 0.0
                    module.weight[-1] = 1e-6
                    module.bias.copy_(torch.randn(shape, generator=generator) * 0.5)
                module.running_mean.copy_(torch.randn(shape, generator=generator) * 0.3)
                module.running_var.copy_(torch.rand(shape, generator=generator) + 0.1)
    return model.eval()


def pa_conv(*args, m=4, n=3, **options):
    return PAConv2d(*args, m=m, n=n, **options)


def residual(seed=0):
    """A ResNet of two stages: identity shortcut, and downsampling."""
    torch.manual_seed(seed)
    model = ResNet(in_channels=2, classes=3, widths=(4, 6), blocks=(1, 1))
    from pa_nn import convert

    return unsettle(convert(model, 4, 3), seed)


class Forms(nn.Module):
    """The same operations in other forms, with biases, without batch normalisation, uneven padding.

    The stem feeds comparators only; batch normalisation follows a sum; three branches are added.
    """

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.stem = nn.Conv2d(2, 4, (3, 2), (1, 2), padding=(1, 0))
        self.first = pa_conv(4, 5, (2, 4), padding="same", m=2, n=2)
        self.second = pa_conv(5, 5, 1, bias=False, m=6, n=1)
        self.third = pa_conv(5, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.fourth = pa_conv(5, 4, 3, 2, 1)
        self.drop = nn.Dropout(0.5)
        self.plain_norm = nn.BatchNorm2d(4, affine=False)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = self.first(x)
        y = torch.add(x, self.second(x)) + self.third(x).relu()
        z = F.relu(self.norm(y))
        z = self.drop(self.plain_norm(self.fourth(z)))
        return self.head(F.relu(z).mean((2, 3)))


def forms(seed=0):
    return unsettle(Forms(seed), seed)


def hardware(build=residual, act_bits=8, **options):
    """A quantised model in evaluation mode."""
    model = build()
    return quantise_for_hardware(
        model, batches(), mean=MEAN, std=STD, act_bits=act_bits, **options
    ).eval()
