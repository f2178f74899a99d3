"""Each step of a plan in integers, against the float parameters it came from."""

from fractions import Fraction

import numpy as np
import pytest
from pa_models import forms, hardware

from pa_artifact import validate, value_ranges
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
