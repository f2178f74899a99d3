"""Which steps a network becomes, and what is said of networks that become none."""

import pytest
import torch
import torch.nn.functional as F
from pa_models import forms, pa_conv, residual
from pa_topologies import Chain, build
from torch import nn

from pa_nn.layers import PAConv2d, PALinear
from pa_nn.plan import Signal, UnsupportedError, make_plan


def steps(model):
    return {step.name: step for step in make_plan(model)}


def test_residual_network():
    plan = steps(residual())
    kinds = [(step.name, step.kind) for step in plan.values()]
    assert kinds == [
        ("input", "input"),
        ("conv1", "conv8"),
        ("bn1.out", "add"),
        ("stages.0.0.conv1", "pa_conv"),
        ("stages.0.0.conv2", "pa_conv"),
        ("stages.0.0.add", "add"),
        ("stages.1.0.downsample.0", "pa_conv"),
        ("stages.1.0.conv1", "pa_conv"),
        ("stages.1.0.conv2", "pa_conv"),
        ("stages.1.0.add", "add"),
        ("pool", "global_avg_pool"),
        ("fc", "linear8"),
        ("logits", "add"),
    ]
    # Comparators absorb batch normalisation and ReLU of the convolution before.
    (signal,) = plan["stages.0.0.conv2"].operands
    assert signal == Signal("stages.0.0.conv1", norm="stages.0.0.bn1", relu=True)
    # A shortcut takes the value after the ReLU of the sum before.
    first, second = plan["stages.0.0.add"].operands
    assert first == Signal("stages.0.0.conv2", norm="stages.0.0.bn2")
    assert second == Signal("bn1.out")
    assert plan["stages.0.0.add"].relu
    assert not plan["logits"].relu


def test_other_forms_of_the_same_operations():
    plan = steps(forms())
    # A stem that only comparators follow needs no fixed point.
    assert plan["first"].operands == (Signal("stem", relu=True),)
    total = next(step for step in plan.values() if len(step.operands) == 3)
    assert [signal.step for signal in total.operands] == ["first", "second", "third.out"]
    assert not total.relu
    assert plan["third.out"].relu
    assert plan["fourth"].operands == (Signal(total.name, norm="norm", relu=True),)


def test_relu_and_sum_that_both_have_consumers():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(1, 4, 3)
            self.a, self.b = pa_conv(4, 4, 1), pa_conv(4, 4, 1)
            self.c = pa_conv(4, 4, 1)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            x = self.stem(x).relu()
            y = self.a(x) + self.b(x)
            z = self.c(F.relu(y)) + y
            return self.head(torch.flatten(F.adaptive_avg_pool2d(z, (1, 1)), 1))

    plan = steps(Model())
    (rectified,) = (plan[signal.step] for signal in plan["c"].operands)
    (signed,) = (plan[s.step] for s in plan["add_1"].operands if s.step != "c")
    assert rectified.relu
    assert not signed.relu
    assert rectified.operands == signed.operands == (Signal("a"), Signal("b"))
    assert plan["a"].operands == plan["b"].operands == (Signal("stem", relu=True),)


def test_bottlenecks_with_functions_and_in_place_additions():
    plan = steps(build("bottleneck"))
    assert plan["maxpool"].operands == (Signal("bn1.out"),)
    assert plan["maxpool"].window.pad == (1, 1, 1, 1)
    # The block takes the pooled value in two branches.
    assert plan["layer1.conv1"].operands == plan["layer1.downsample.0"].operands
    assert plan["layer1.add"].operands == (
        Signal("layer1.conv3", norm="layer1.bn3"),
        Signal("layer1.downsample.0", norm="layer1.downsample.1"),
    )
    assert plan["layer1.add"].relu


def test_grouped_convolutions_take_fixed_point():
    plan = steps(build("grouped"))
    assert plan["layer1.conv2"].kind == "conv8"
    assert plan["layer1.conv2"].operands == (Signal("layer1.bn1.out"),)
    assert plan["layer1.bn1.out"].relu
    assert plan["layer1.conv3"].operands == (Signal("layer1.conv2", norm="layer1.bn2", relu=True),)


def test_what_is_concatenated_is_in_fixed_point():
    plan = steps(build("dense"))
    block = "features.4"
    joined = plan[f"{block}.concat"]
    assert joined.kind == "concat"
    assert [signal.step for signal in joined.operands] == [
        "features.3",
        f"{block}.denselayer1.conv2.out",
        f"{block}.denselayer2.conv2.out",
    ]
    # Averages are wider than activations.
    assert plan["features.6.concat"].operands[0] == Signal("features.5.3.out")
    assert plan["features.5.3.out"].operands == (Signal("features.5.3"),)
    # Normalised and rectified in front of the convolution: comparators do it.
    assert plan[f"{block}.denselayer2.conv1"].operands == (
        Signal(f"{block}.denselayer2.concat", norm=f"{block}.denselayer2.norm1", relu=True),
    )
    # Without a second operand there is nothing to concatenate.
    assert plan[f"{block}.denselayer1.conv1"].operands[0].step == "features.3"


def test_clipping_at_six_is_for_comparators_or_saturation():
    plan = steps(build("separable"))
    assert plan["first.3"].operands == (Signal("first.0", norm="first.1", relu=True, cap=6.0),)
    assert plan["pointwise"].operands == (Signal("depthwise", norm="bn", relu=True, cap=6.0),)
    add = plan["stem.2.out"]
    assert (add.relu, add.cap) == (True, 6.0)
    assert plan["stem.1"].pad == plan["depthwise"].pad == (0, 1, 0, 1)
    assert plan["spread"].pad == (0, 0, 0, 1)


def test_concatenations_of_rectified_values_are_unsigned():
    plan = steps(build("branches"))
    operands = [
        [signal.step for signal in step.operands] for step in plan.values() if step.kind == "concat"
    ]
    assert operands == [
        ["one.out", "three.out", "pool"],
        ["one.out", "three.out"],
        ["mixed.out", "one.out", "stem.out"],
    ]
    assert plan["one.out"].cap == plan["three.out"].cap == 6.0


def test_linear_layers_anywhere():
    plan = steps(build("plain"))
    assert plan["classifier.0"].kind == plan["classifier.3"].kind == "pa_conv"
    assert plan["classifier.6"].kind == "linear8"
    assert plan["classifier.6"].operands == (Signal("classifier.4.out"),)
    assert plan["avgpool"].size == (1, 2)
    plan = steps(build("perceptron"))
    assert plan["1"].operands == (Signal("input"),)
    assert plan["logits"].operands == (Signal("5"),)


def test_layers_may_have_the_names_of_both_ends():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.input = nn.Conv2d(1, 4, 1)
            self.logits = nn.Linear(4, 2)

        def forward(self, x):
            return self.logits(self.input(x).mean((2, 3)))

    plan = steps(Model())
    assert list(plan) == [
        "input",
        "input.layer",
        "input.layer.out",
        "mean",
        "logits.layer",
        "logits",
    ]
    assert plan["logits.layer"].module == "logits"


def test_a_shared_pooling_layer_has_a_step_for_each_call():
    plan = steps(build("plain"))
    pools = [step.name for step in plan.values() if step.kind == "max_pool"]
    assert pools == ["pool", "pool.pool_1", "max_pool2d"]


def test_two_heads_are_added_as_logits():
    plan = steps(build("pre_activation"))
    assert plan["logits"].operands == (Signal("heads.0"), Signal("heads.1"))
    first, second = plan["add"].operands
    assert (first, second) == (Signal("stem"), Signal("convs.0"))


def test_rectified_values_of_fixed_point_need_no_step():
    model = Chain(nn.MaxPool2d(2), lambda pool, x: F.relu(pool(F.relu(x))))
    plan = steps(model)
    assert plan["pool"].operands == (Signal("part"),)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Chain(PAConv2d(4, 4, 1, m=2, n=None)), r"part: N=None \(activations in full precision\)"),
        (Chain(pa_conv(4, 4, 1), stem=pa_conv(1, 4, 1)), "stem: a PAConv2d as the first layer"),
        (nn.Sequential(nn.Flatten(), PALinear(4, 2, m=2, n=2)), "1: a PALinear as the first"),
        (Chain(pa_conv(4, 4, 1), lambda p, x: p(p(x))), "part: calling one module twice"),
        (Chain(nn.ZeroPad2d(1)), "part: padding is not supported; supported: padding in front"),
        (Chain(nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(2))), "zero padding in front of max"),
        (nn.Sequential(nn.BatchNorm2d(1), nn.Flatten()), "0: batch normalisation of the input"),
        (nn.Sequential(nn.ReLU(), nn.Flatten()), "0: ReLU of the input"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), "0: pooling of the input"),
        (nn.Sequential(nn.AvgPool2d(2), nn.Flatten()), "0: pooling of the input"),
        (nn.Sequential(nn.MaxPool2d(2), nn.Flatten()), "0: pooling of the input"),
        (nn.Flatten(), "output: a model without layers"),
    ],
)
def test_what_is_refused(model, message):
    with pytest.raises(UnsupportedError, match=message) as caught:
        make_plan(model)
    assert "\n" not in str(caught.value)
    assert "is not supported; supported: " in str(caught.value)


@pytest.mark.parametrize(
    ("combine", "message"),
    [
        (lambda x, y: x + y, "add: adding the input is not supported"),
        (lambda x, y: torch.cat([x, y], 1), "cat: concatenating the input is not supported"),
    ],
)
def test_the_input_goes_to_layers_only(combine, message):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1)

        def forward(self, x):
            return combine(self.conv(x), x).mean((2, 3))

    with pytest.raises(UnsupportedError, match=message):
        make_plan(Model())
