"""Which networks are recognised, and what is said of the others."""

import pytest
import torch
import torch.nn.functional as F
from pa_models import Forms, forms, pa_conv, residual
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


def test_the_chain_itself_is_supported():
    assert make_plan(Chain(pa_conv(4, 4, 3)))[-1].name == "logits"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Chain(nn.Conv2d(4, 4, 1)), "part: a Conv2d that is not the first layer is not supported"),
        (Chain(PAConv2d(4, 4, 1, m=2, n=None)), r"part: N=None \(activations in full precision\)"),
        (Chain(pa_conv(4, 4, 1, groups=2)), "part: groups=2 is not supported; supported: groups=1"),
        (Chain(pa_conv(4, 4, 3, dilation=2)), r"part: dilation=\(2, 2\) is not supported"),
        (Chain(pa_conv(4, 4, 3, padding_mode="reflect", padding=1)), "padding_mode='reflect'"),
        (Chain(pa_conv(4, 4, 1), stem=nn.Conv2d(2, 4, 1, groups=2)), "stem: groups=2"),
        (Chain(pa_conv(4, 4, 1), stem=pa_conv(1, 4, 1)), "stem: a PAConv2d as the first layer"),
        (Chain(pa_conv(4, 4, 1), head=PALinear(4, 2, m=2, n=2)), "head: PALinear is not"),
        (Chain(nn.MaxPool2d(2)), "part: MaxPool2d is not supported; supported: a first Conv2d"),
        (Chain(nn.Sigmoid()), "part: Sigmoid is not supported"),
        (Chain(nn.BatchNorm2d(4, track_running_stats=False)), "part: BatchNorm2d without running"),
        (Chain(nn.AdaptiveAvgPool2d(2)), "part: pooling to 2 is not supported"),
        (Chain(pa_conv(4, 4, 1), lambda p, x: p(p(x))), "part: calling one module twice"),
        (Chain(pa_conv(4, 4, 1), lambda p, x: p(x) + 1), "adding 1 is not supported"),
        (Chain(pa_conv(4, 4, 1), lambda p, x: torch.add(p(x), x, alpha=2)), "alpha=2 is not"),
        (Chain(pa_conv(4, 4, 1), lambda p, x: p(x) * x), "mul is not supported"),
        (Chain(pa_conv(4, 4, 1), lambda p, x: p(x).sigmoid()), "sigmoid is not supported"),
        (Chain(pa_conv(4, 4, 1), lambda p, x: p(x).mean(1)), "the mean over 1 is not supported"),
        (Chain(pa_conv(4, 4, 1), lambda p, x: p(x) if x.sum() > 0 else x), "cannot trace"),
        (Chain(pa_conv(4, 4, 1), head=nn.Identity()), "output: a model that ends otherwise"),
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), "0: flatten from dimension 1 of input"),
        (nn.Sequential(nn.BatchNorm2d(1)), "0: batch normalisation of the input"),
        (nn.Sequential(nn.ReLU()), "0: ReLU of the input"),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1)), "0: pooling of the input"),
        (nn.Sequential(nn.Conv2d(1, 2, 1), nn.Linear(2, 2)), "1: Linear behind 0"),
    ],
)
def test_what_is_refused(model, message):
    with pytest.raises(UnsupportedError, match=message) as caught:
        make_plan(model)
    assert "\n" not in str(caught.value)
    assert "is not supported; supported: " in str(caught.value)


def test_second_input_is_refused():
    class Model(Forms):
        def forward(self, x, y):
            return self.head(self.stem(x + y).mean((2, 3)))

    with pytest.raises(UnsupportedError, match="y: a second input is not supported"):
        make_plan(Model())
