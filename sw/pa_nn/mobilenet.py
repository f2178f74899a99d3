"""MobileNet v1, and its TensorFlow weights."""

from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["MOBILENET_MEAN", "MOBILENET_STD", "MobileNetV1", "load_tensorflow", "mobilenet_v1"]

# TensorFlow's input x / 127.5 - 1.
MOBILENET_MEAN = (0.5, 0.5, 0.5)
MOBILENET_STD = (0.5, 0.5, 0.5)

EPS = 1e-3
# Output channels at width 1, and stride, of each pair of depthwise and pointwise convolution.
_PAIRS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
_NORM_VARIABLES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class _ConvUnit(nn.Module):
    """Convolution with TensorFlow's SAME padding, batch normalisation, ReLU6."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        # At stride 2, images of even size get one row below and one column on the right.
        before, after = (0, 1) if stride == 2 else (kernel // 2, kernel // 2)
        asymmetric = before != after
        self.pad = nn.ZeroPad2d((before, after) * 2) if asymmetric else nn.Identity()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride,
            0 if asymmetric else before,
            groups=groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels, eps=EPS)
        self.relu = nn.ReLU6()
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.norm(self.conv(self.pad(x))))


class MobileNetV1(nn.Module):
    """MobileNet v1: a 3x3 stem and thirteen pairs of depthwise and pointwise convolutions.

    Input ``(batch, in_channels, H, W)`` normalised images, output ``(batch, classes)`` logits.
    Padding is TensorFlow's SAME for heights and widths that are multiples of 32.

    Parameters
    ----------
    width : multiplier of all channels, of which there are at least 8
    """

    def __init__(self, *, in_channels: int, classes: int, width: float = 1.0) -> None:
        super().__init__()
        if not 0 < width <= 4:
            raise ValueError(f"Width multiplier must be above 0 and at most 4, not {width!r}")
        channels = _scaled(32, width)
        self.stem = _ConvUnit(in_channels, channels, 3, stride=2)
        pairs: list[nn.Module] = []
        for out_channels, stride in _PAIRS:
            depthwise = _ConvUnit(channels, channels, 3, stride=stride, groups=channels)
            channels, before = _scaled(out_channels, width), channels
            pairs.append(nn.Sequential(depthwise, _ConvUnit(before, channels, 1)))
        self.pairs = nn.Sequential(*pairs)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.001)
        self.fc = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pairs(self.stem(x))
        return self.fc(self.dropout(self.flatten(self.pool(x))))


def _scaled(channels: int, width: float) -> int:
    return max(int(channels * width), 8)


def mobilenet_v1(*, in_channels: int = 3, classes: int = 1001, width: float = 1.0) -> MobileNetV1:
    """MobileNet v1, 4.2 million weights at width 1; class 0 of 1001 is the background."""
    return MobileNetV1(in_channels=in_channels, classes=classes, width=width)


def load_tensorflow(path: str | Path) -> MobileNetV1:
    """A MobileNet v1 with the weights of TensorFlow's, from an ``.npz`` of its variables.

    Parameters
    ----------
    path : file
        Variables by TensorFlow's names (``Conv2d_0/weights``, ``Conv2d_1_depthwise/...``), in its
        layouts; channels and classes follow from them.

    Raises
    ------
    ValueError
        A file that cannot be read, a variable that is missing or of another shape; one line.
    """
    variables = _read(Path(path))
    stem, logits = (
        _variable(variables, path, name)
        for name in ("Conv2d_0/weights", "Logits/Conv2d_1c_1x1/weights")
    )
    model = MobileNetV1(
        in_channels=stem.shape[-2], classes=logits.shape[-1], width=stem.shape[-1] / 32
    )
    names = ["Conv2d_0"]
    for index in range(1, len(_PAIRS) + 1):
        names += [f"Conv2d_{index}_depthwise", f"Conv2d_{index}_pointwise"]
    units = (module for module in model.modules() if isinstance(module, _ConvUnit))
    for name, unit in zip(names, units, strict=True):
        weights = "depthwise_weights" if name.endswith("depthwise") else "weights"
        _copy(variables, path, f"{name}/{weights}", unit.conv.weight)
        state = unit.norm.state_dict()
        for variable, key in _NORM_VARIABLES.items():
            _copy(variables, path, f"{name}/BatchNorm/{variable}", state[key])
    _copy(variables, path, "Logits/Conv2d_1c_1x1/weights", model.fc.weight)
    _copy(variables, path, "Logits/Conv2d_1c_1x1/biases", model.fc.bias)
    return model.eval()


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(f"{path}: cannot be read as an .npz file ({reason})") from None


def _variable(variables: Mapping[str, np.ndarray], path: str | Path, name: str) -> np.ndarray:
    if name not in variables:
        raise ValueError(f"{path}: has no variable {name!r}")
    if name.endswith("weights") and variables[name].ndim != 4:
        raise ValueError(f"{path}: {name} must have 4 dimensions, not {variables[name].ndim}")
    return variables[name]


@torch.no_grad()
def _copy(variables: Mapping[str, np.ndarray], path: str | Path, name: str, tensor: Tensor) -> None:
    """TensorFlow's variable into a parameter: HWIO to OIHW, depthwise HWC1 to C1HW."""
    value = _variable(variables, path, name)
    if value.ndim == 4:
        order = (2, 3, 0, 1) if name.endswith("depthwise_weights") else (3, 2, 0, 1)
        value = value.transpose(order)
    if value.size != tensor.numel() or value.shape[: tensor.ndim] != tuple(tensor.shape):
        raise ValueError(
            f"{path}: {name} must be {tuple(tensor.shape)} in PyTorch's layout, not {value.shape}"
        )
    tensor.copy_(torch.from_numpy(value.copy()).reshape(tensor.shape))
