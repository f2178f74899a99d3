"""MobileNet v1, and its weights in TensorFlow's names and layouts."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pa_nn.mobilenet import MobileNetV1, load_tensorflow, mobilenet_v1


@pytest.fixture(scope="module")
def variables():
    """Those of a network of width 1/4 for five classes."""
    rng = np.random.default_rng(0)
    known = {}

    def unit(name, weights, shape, channels):
        known[f"{name}/{weights}"] = rng.standard_normal(shape).astype(np.float32) * 0.3
        for variable in ("gamma", "beta", "moving_mean"):
            values = rng.standard_normal(channels).astype(np.float32)
            known[f"{name}/BatchNorm/{variable}"] = values
        known[f"{name}/BatchNorm/moving_variance"] = rng.random(channels).astype(np.float32)

    unit("Conv2d_0", "weights", (3, 3, 3, 8), 8)
    before = 8
    for k, channels in enumerate([16, 32, 32, 64, 64, *[128] * 6, 256, 256], start=1):
        unit(f"Conv2d_{k}_depthwise", "depthwise_weights", (3, 3, before, 1), before)
        unit(f"Conv2d_{k}_pointwise", "weights", (1, 1, before, channels), channels)
        before = channels
    known["Logits/Conv2d_1c_1x1/weights"] = rng.standard_normal((1, 1, 256, 5)).astype(np.float32)
    known["Logits/Conv2d_1c_1x1/biases"] = rng.standard_normal(5).astype(np.float32)
    return known


def save(path, variables):
    np.savez(path, **variables)
    return path


def test_the_full_network_has_4_2_million_weights():
    assert sum(p.numel() for p in mobilenet_v1().parameters()) == 4_233_001


def test_depthwise_convolutions_stay_as_they_are():
    from pa_nn import PAConv2d, convert

    model = convert(MobileNetV1(in_channels=3, classes=4, width=0.25), 4, 5)
    for depthwise, pointwise in model.pairs.children():
        assert type(depthwise.conv) is torch.nn.Conv2d
        assert depthwise.conv.groups == depthwise.conv.in_channels
        assert isinstance(pointwise.conv, PAConv2d)


def same_conv(x, weight, stride, groups=1):
    """TensorFlow's SAME convolution, padding as its documentation computes it."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + weight.shape[2] - size, 0)
        pads += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)


def tensorflow(variables, x):
    """The network from its variables, written again without modules."""

    def unit(name, weights, x, stride, groups=1):
        weight = torch.from_numpy(variables[f"{name}/{weights}"])
        axes = (2, 3, 0, 1) if groups > 1 else (3, 2, 0, 1)
        x = same_conv(x, weight.permute(axes), stride, groups)
        gamma, beta, mean, variance = (
            torch.from_numpy(variables[f"{name}/BatchNorm/{key}"]).view(-1, 1, 1)
            for key in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return ((x - mean) / torch.sqrt(variance + 1e-3) * gamma + beta).clamp(0, 6)

    x = unit("Conv2d_0", "weights", x, 2)
    for k in range(1, 14):
        stride = 2 if k in (2, 4, 6, 12) else 1
        x = unit(f"Conv2d_{k}_depthwise", "depthwise_weights", x, stride, groups=x.shape[1])
        x = unit(f"Conv2d_{k}_pointwise", "weights", x, 1)
    logits = torch.from_numpy(variables["Logits/Conv2d_1c_1x1/weights"])[0, 0]
    return x.mean((2, 3)) @ logits + torch.from_numpy(variables["Logits/Conv2d_1c_1x1/biases"])


def test_weights_and_padding_are_tensorflows(variables, tmp_path):
    model = load_tensorflow(save(tmp_path / "weights.npz", variables))
    assert not model.training
    x = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        actual = model(x)
    assert actual.std() > 0.01
    torch.testing.assert_close(actual, tensorflow(variables, x), rtol=1e-4, atol=1e-3)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "weights.npz"
    with pytest.raises(ValueError, match=r"weights\.npz: cannot be read as an \.npz file"):
        load_tensorflow(path)
    path.write_bytes(b"PK\3\4 cut short")
    with pytest.raises(ValueError, match=r"weights\.npz: cannot be read as an \.npz file"):
        load_tensorflow(path)


def test_missing_and_misshapen_variables_are_refused(variables, tmp_path):
    missing = dict(variables)
    del missing["Conv2d_3_pointwise/BatchNorm/beta"]
    with pytest.raises(ValueError, match="has no variable 'Conv2d_3_pointwise/BatchNorm/beta'"):
        load_tensorflow(save(tmp_path / "a.npz", missing))
    flat = {**variables, "Conv2d_0/weights": np.zeros((3, 3), np.float32)}
    with pytest.raises(ValueError, match="Conv2d_0/weights must have 4 dimensions, not 2"):
        load_tensorflow(save(tmp_path / "b.npz", flat))
    other = {**variables, "Conv2d_2_depthwise/depthwise_weights": np.zeros((3, 3, 15, 1))}
    message = r"Conv2d_2_depthwise/depthwise_weights must be \(16, 1, 3, 3\) in PyTorch's layout"
    with pytest.raises(ValueError, match=message):
        load_tensorflow(save(tmp_path / "c.npz", other))


@pytest.mark.parametrize("width", [0, -1.0, 5, float("nan")])
def test_widths_out_of_range_are_refused(width):
    with pytest.raises(ValueError, match=f"must be above 0 and at most 4, not {width}"):
        MobileNetV1(in_channels=3, classes=4, width=width)
