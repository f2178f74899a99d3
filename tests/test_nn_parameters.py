"""Windows and numbers that modules hold."""

from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pa_nn import parameters
from pa_nn.integers import Affine
from pa_nn.operations import Window

PAD = (0, 1, 2, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": (3, 2), "padding": "same"},
        {"kernel_size": (2, 4), "stride": (1, 3), "padding": (0, 2)},
    ],
)
@pytest.mark.parametrize("pad", [(0, 0, 0, 0), PAD])
@pytest.mark.filterwarnings("ignore:Using padding=.same.")
def test_windows_of_convolutions(options, pad):
    layer = nn.Conv2d(2, 3, **options)
    window, shape = parameters.layer_window(layer, (2, 7, 6), pad)
    padded = F.pad(torch.zeros(1, 2, 7, 6), (pad[2], pad[3], pad[0], pad[1]))
    assert shape == layer(padded).shape[1:]
    top, bottom, left, right = window.pad
    around = F.pad(torch.zeros(1, 2, 7, 6), (left, right, top, bottom))
    assert F.conv2d(around, layer.weight, stride=window.stride).shape[1:] == shape


def test_a_linear_layer_sees_the_whole_image():
    window, shape = parameters.layer_window(nn.Linear(24, 5), (2, 3, 4), (0, 0, 0, 0))
    assert window == Window((3, 4), (1, 1), (0, 0, 0, 0))
    assert shape == (5, 1, 1)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 6)])
def test_adaptive_pooling_of_equal_windows(size):
    window, shape = parameters.pool_window(None, size, (2, 4, 6), (0, 0, 0, 0))
    x = torch.rand(1, 2, 4, 6)
    expected = F.adaptive_avg_pool2d(x, size)
    assert shape == expected.shape[1:]
    assert torch.allclose(F.avg_pool2d(x, window.kernel, window.stride), expected)


def test_padding_joins_that_of_the_window():
    own = Window((3, 3), (2, 2), (1, 1, 1, 1))
    window, shape = parameters.pool_window(own, (1, 1), (2, 5, 5), PAD)
    assert window.pad == (1, 2, 3, 1)
    assert shape == (2, 3, 4)


def test_numbers_of_modules():
    layer = nn.Conv2d(1, 2, 1, bias=False)
    assert parameters.biases(layer, 2) == [0.0, 0.0]
    assert set(parameters.source_of_layer(layer)) == {"weight"}
    norm = nn.BatchNorm2d(2, affine=False).eval()
    assert set(parameters.source_of_norm(norm)) == {"norm.mean", "norm.var", "norm.eps"}
    values = parameters.normalised(Affine.of(2.0, [1.0, 3.0]), norm, "norm")
    sigma = Fraction(float(torch.tensor(1.0).double() + norm.eps) ** 0.5)
    assert values.slope == (2 / sigma, 2 / sigma)
    assert values.offset == (1 / sigma, 3 / sigma)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: parameters.layer_window(nn.Linear(5, 1), (2, 3, 4), (0, 0, 0, 0)),
            r"a linear layer of 5 features takes no image of \(2, 3, 4\)",
        ),
        (
            lambda: parameters.layer_window(nn.Conv2d(3, 1, 1), (2, 3, 4), (0, 0, 0, 0)),
            "a convolution of 3 channels takes no 2",
        ),
        (
            lambda: parameters.layer_window(nn.Conv2d(2, 1, 6), (2, 3, 4), PAD),
            r"kernel \(6, 6\) is larger than the padded image 4x6",
        ),
        (
            lambda: parameters.pool_window(None, (2, 2), (2, 3, 4), (0, 0, 0, 0)),
            "pooling of 3x4 to 2x2 has windows of several sizes",
        ),
        (
            lambda: parameters.normalised(Affine.of(1.0, [0.0]), nn.BatchNorm2d(2), "norm"),
            "norm takes 2 channels, not 1",
        ),
    ],
)
def test_shapes_that_do_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()
