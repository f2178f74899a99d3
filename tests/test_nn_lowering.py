"""Each step of a plan in integers, against the float parameters it came from."""

from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pa_models import MEAN, STD, forms, hardware
from pa_topologies import TOPOLOGIES, build
from torch import nn

from pa_artifact import validate, value_formats, value_ranges
from pa_nn.hardware import HardwareModel
from pa_nn.lowering import Widths

# Even kernels ask PyTorch for an uneven padding, which it warns about.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.")


SHAPE = (2, 8, 8)


@pytest.fixture(scope="module")
def residual_steps():
    model = hardware()
    network, steps = model.lower(SHAPE)
    return model, network, steps


def test_the_network_is_valid_and_its_ranges_are_known(residual_steps):
    _, network, steps = residual_steps
    validate(network)
    ranges = value_ranges(network)
    for name, step in steps.items():
        assert np.array_equal(ranges[name], step.bounds), name


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_topology_is_valid_and_its_values_are_bounded(name):
    network, steps = hardware(lambda: build(name)).lower(SHAPE)
    validate(network)
    ranges, formats = value_ranges(network), value_formats(network)
    for step in steps.values():
        assert np.array_equal(ranges[step.node.name], step.bounds)
        assert formats[step.node.name] == step.format


def test_linear_layers_of_images_are_convolutions():
    network, _ = hardware(lambda: build("plain")).lower(SHAPE)
    first = network.node("classifier.0")
    assert (first.kind, first.shape_in, first.shape_out) == ("pa_conv", (4, 1, 2), (7, 1, 1))
    assert first.attributes["kernel"] == (1, 2)
    assert network.node("classifier.6").kind == "linear8"
    network, _ = hardware(lambda: build("perceptron")).lower(SHAPE)
    first = network.node("1")
    assert (first.kind, first.shape_out) == ("conv8", (6, 1, 1))
    assert first.tensors["weight"].shape == (6, 2, 8, 8)
    assert first.tensors["zero"].tolist() == [73, 115]


def test_groups_and_folded_padding():
    network, _ = hardware(lambda: build("separable")).lower(SHAPE)
    assert network.node("first.0").attributes["groups"] == 4
    assert network.node("first.0").tensors["weight"].shape == (4, 1, 3, 3)
    assert network.node("stem.1").attributes["pad"] == (0, 1, 0, 1)
    assert network.node("stem.1").attributes["groups"] == 1


def test_saturation_at_six():
    model = hardware(lambda: build("separable"))
    index = model._range_index["stem.2.out"]
    for largest, expected in ((5.0, 5.0), (9.0, 6.0)):
        model.ranges[index] = largest
        network, _ = model.lower(SHAPE)
        assert float(network.node("stem.2.out").tensors["scale"][0]) == expected / 255


def test_concatenated_channels_keep_their_scales():
    network, _ = hardware(lambda: build("dense")).lower(SHAPE)
    joined = network.node("features.4.concat")
    scales = [float(network.node("features.1.out").tensors["scale"][0])] * 4
    for name in ("denselayer1", "denselayer2"):
        scales += [float(network.node(f"features.4.{name}.conv2.out").tensors["scale"][0])] * 2
    assert joined.tensors["scale"].tolist() == scales
    assert len(set(scales)) == 3


@pytest.mark.parametrize(
    ("name", "formats"),
    [("dense", [(9, True)] * 2 + [(8, True)] * 2), ("branches", [(8, False)] * 2 + [(9, True)])],
)
def test_concatenations_hold_signed_and_unsigned_values(name, formats):
    network, _ = hardware(lambda: build(name)).lower(SHAPE)
    joined = [tuple(node.attributes.values()) for node in network.of_kind("concat")]
    assert joined == formats


class Shapes(nn.Module):
    """Two branches whose shapes may not fit, and an end that may not."""

    def __init__(self, function):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 3, 3)
        self.norm, self.head = nn.BatchNorm2d(5), nn.Linear(7, 3)
        self.function = function

    def forward(self, x):
        return self.function(self, self.a(x).relu(), self.b(x).relu())


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda m, a, b: (a + b).mean((2, 3)), r"add: cannot add b.*gives \(3, 6, 6\), and"),
        (lambda m, a, b: torch.cat([a, b], 1).mean((2, 3)), r"cat: cannot concatenate the chan"),
        (lambda m, a, b: m.head(a.flatten(1)), "head: a linear layer of 7 features takes no image"),
        (lambda m, a, b: m.norm(a).mean((2, 3)), "norm takes 5 channels, not 3"),
        (lambda m, a, b: m.b(a).mean((2, 3)), "b: a convolution of 2 channels takes no 3"),
        (lambda m, a, b: a.flatten(1), r"logits: logits are of \(classes, 1, 1\), not of \(3, 8"),
        (
            lambda m, a, b: F.adaptive_avg_pool2d(a, 3).mean((2, 3)),
            "pooling of 8x8 to 3x3 has windows of several sizes",
        ),
        (
            lambda m, a, b: F.avg_pool2d(F.pad(a, (0, 4)), 3).mean((2, 3)),
            r"pad \(0, 0, 0, 4\) leaves windows entirely on padding",
        ),
        (lambda m, a, b: F.max_pool2d(b, 7).mean((2, 3)), r"kernel \(7, 7\) is larger than"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(function, message):
    model = HardwareModel(Shapes(function), mean=MEAN, std=STD, widths=Widths()).eval()
    model.ranges.fill_(1)
    with pytest.raises(ValueError, match=message):
        model.lower(SHAPE)


def test_same_parameters_same_integers(residual_steps):
    model, network, _ = residual_steps
    again, _ = model.lower(SHAPE)
    for left, right in zip(network.nodes, again.nodes, strict=True):
        for key, value in left.tensors.items():
            assert np.array_equal(value, right.tensors[key])


def test_thresholds_behind_a_sum_are_in_its_units(residual_steps):
    model, network, _ = residual_steps
    node = network.node("stages.1.0.conv1")
    scale = Fraction(float(network.node("stages.0.0.add").tensors["scale"][0]))
    v = model.model.stages[1][0].conv1.activation.v.tolist()
    expected = [-(-Fraction(value) // scale) for value in v]
    for thresholds, (low, high) in zip(
        node.tensors["thresholds"].tolist(), node.tensors["range"].tolist(), strict=True
    ):
        assert 0 <= low <= high <= 255
        assert thresholds == [min(max(t, low), high + 1) for t in expected]
    assert not node.tensors["flip"].any()
    assert (node.attributes["act_bits"], node.attributes["act_signed"]) == (8, False)


def test_negative_gamma_flips_and_constant_channels_never_change(residual_steps):
    model, network, steps = residual_steps
    node = network.node("stages.0.0.conv2")
    gamma = model.model.stages[0][0].bn1.weight.detach().numpy()
    assert node.tensors["flip"].tolist() == (gamma < 0).tolist()
    low, high = steps["stages.0.0.conv1"].bounds[0]
    assert set(node.tensors["thresholds"][0]) <= {low, high + 1}
    assert node.attributes["act_signed"]


def test_the_logits_have_24_bits_and_a_scale_of_the_range(residual_steps):
    model, network, _ = residual_steps
    node = network.node("logits")
    assert node.attributes == {"bits": 24, "signed": True}
    largest = float(model.ranges[-1])
    assert float(node.tensors["scale"][0]) == largest / 32767


def test_sources_allow_the_folding_to_be_checked(residual_steps):
    _, network, _ = residual_steps
    source = network.node("stages.0.0.conv2").source
    assert {"weight", "alpha", "beta", "v", "norm.gamma", "norm.beta"} <= source.keys()
    assert {"norm.mean", "norm.var", "norm.eps"} <= source.keys()
    assert {"weight", "factor", "zero"} <= network.node("conv1").source.keys()
    assert network.node("stages.0.0.add.0").source.keys() >= {"norm.gamma"}


def test_uneven_padding_and_a_signed_sum():
    network, steps = hardware(forms).lower(SHAPE)
    assert network.node("first").attributes["pad"] == (0, 1, 1, 2)
    assert network.node("add_1").attributes["signed"]
    assert steps["first"].node.attributes["act_signed"]


def test_an_image_smaller_than_a_kernel_is_refused():
    with pytest.raises(ValueError, match=r"stem: kernel \(3, 2\) is larger than .* 3x1"):
        hardware(forms).lower((2, 1, 1))


def test_a_multiplier_that_does_not_fit_is_refused():
    model = hardware(mult_bits=2)
    model.ranges[0] = 1e-9
    with pytest.raises(ValueError, match=r"bn1\.out: A multiplier of .* does not fit ±1"):
        model.lower(SHAPE)


@pytest.mark.parametrize(
    ("options", "error"), [({"phi_bits": 17}, ValueError), ({"act_bits": True}, TypeError)]
)
def test_widths_are_checked(options, error):
    with pytest.raises(error, match=next(iter(options))):
        Widths(**options)
