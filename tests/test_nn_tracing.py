"""What is read of a module's forward, whatever its spelling, and what is refused."""

import pytest
import torch
import torch.nn.functional as F
from pa_models import Forms, pa_conv
from pa_topologies import BUILDERS, Chain, DenseNet
from torch import nn

from pa_nn.operations import UnsupportedError, Window
from pa_nn.tracing import trace


class Call(nn.Module):
    """A function of an image, and of modules called ``a`` and ``b``."""

    def __init__(self, function, a=None, b=None):
        super().__init__()
        self.function, self.a, self.b = function, a or nn.Identity(), b or nn.Identity()

    def forward(self, x):
        return self.function(self, x)


def operations(function, a=None, b=None):
    """Kinds between input and output, for a function that need not flatten."""
    model = Call(lambda model, x: torch.flatten(function(model, x), 1), a, b)
    return [each for each in trace(model) if each.kind not in ("input", "flatten", "output")]


def only(function, module=None):
    (operation,) = operations(function, module)
    return operation


@pytest.mark.parametrize(
    ("function", "cap"),
    [
        (lambda m, x: F.relu(x), None),
        (lambda m, x: torch.relu(x), None),
        (lambda m, x: x.relu(), None),
        (lambda m, x: x.relu_(), None),
        (lambda m, x: x.clamp(min=0), None),
        (lambda m, x: torch.clamp(x, 0), None),
        (lambda m, x: F.relu6(x), 6.0),
        (lambda m, x: F.hardtanh(x, 0, 6), 6.0),
        (lambda m, x: F.hardtanh(x, min_val=0.0, max_val=4.0), 4.0),
        (lambda m, x: x.clamp(0, 6), 6.0),
        (lambda m, x: torch.clip(x, min=0.0, max=6.0), 6.0),
    ],
)
def test_spellings_of_relu(function, cap):
    operation = only(function)
    assert (operation.kind, operation.cap) == ("relu", cap)


@pytest.mark.parametrize(
    ("module", "cap"), [(nn.ReLU(), None), (nn.ReLU6(), 6.0), (nn.Hardtanh(0, 6), 6.0)]
)
def test_modules_that_rectify(module, cap):
    operation = only(lambda m, x: m.a(x), module)
    assert (operation.kind, operation.cap) == ("relu", cap)


@pytest.mark.parametrize(
    ("function", "window"),
    [
        (lambda m, x: F.max_pool2d(x, 2), Window((2, 2), (2, 2), (0, 0, 0, 0))),
        (lambda m, x: F.max_pool2d(x, 3, 2, 1), Window((3, 3), (2, 2), (1, 1, 1, 1))),
        (lambda m, x: torch.max_pool2d(x, (3, 2), 1), Window((3, 2), (1, 1), (0, 0, 0, 0))),
        (
            lambda m, x: F.avg_pool2d(x, kernel_size=(3, 4), stride=(1, 2), padding=(0, 1)),
            Window((3, 4), (1, 2), (0, 0, 1, 1)),
        ),
        (
            lambda m, x: F.avg_pool2d(x, 2, count_include_pad=False),
            Window((2, 2), (2, 2), (0, 0, 0, 0)),
        ),
    ],
)
def test_windows_of_pooling_functions(function, window):
    assert only(function).window == window


@pytest.mark.parametrize("kind", [nn.MaxPool2d, nn.AvgPool2d])
def test_windows_of_pooling_modules(kind):
    operation = only(lambda m, x: m.a(x), kind(3, stride=2, padding=1))
    assert operation.window == Window((3, 3), (2, 2), (1, 1, 1, 1))
    assert operation.name == "a"


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: F.adaptive_avg_pool2d(x, 1),
        lambda m, x: F.adaptive_avg_pool2d(x, (1, 1)),
        lambda m, x: x.mean((2, 3), keepdim=True),
        lambda m, x: torch.mean(x, dim=[-1, -2], keepdim=True),
        lambda m, x: x.mean((2, 3)),
    ],
)
def test_spellings_of_global_pooling(function):
    operation = only(function)
    assert (operation.kind, operation.size) == ("adaptive_avg_pool", (1, 1))


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: x.flatten(1),
        lambda m, x: torch.flatten(x, start_dim=1),
        lambda m, x: torch.flatten(x, 1, 3),
        lambda m, x: x.view(x.size(0), -1),
        lambda m, x: x.view(x.shape[0], 8),
        lambda m, x: x.view(x.size()[0], -1),
        lambda m, x: x.reshape((-1, 8)),
        lambda m, x: torch.reshape(x, (x.size(dim=0), -1)),
        lambda m, x: x.contiguous().view(-1, 8).flatten(1),
        lambda m, x: m.a(m.b(x)),
    ],
)
def test_spellings_of_flatten(function):
    kinds = [each.kind for each in trace(Call(function, nn.Flatten(), nn.Dropout()))]
    assert kinds == ["input", "flatten", "output"]


@pytest.mark.parametrize(
    ("function", "pad"),
    [
        (lambda m, x: F.pad(x, (1, 2, 3, 4)), (3, 4, 1, 2)),
        (lambda m, x: F.pad(x, [0, 1], mode="constant", value=0.0), (0, 0, 0, 1)),
        (lambda m, x: F.pad(F.pad(x, (1, 1)), (0, 0, 0, 1)), (0, 1, 1, 1)),
        (lambda m, x: m.a(x), (0, 1, 0, 1)),
    ],
)
def test_spellings_of_padding(function, pad):
    assert operations(function, nn.ZeroPad2d((0, 1, 0, 1)))[-1].pad == pad
    assert len(operations(function, nn.ConstantPad2d((0, 1, 0, 1), 0))) == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: m.a(x) + m.b(x),
        lambda m, x: torch.add(m.a(x), m.b(x), alpha=1),
        lambda m, x: m.a(x).add(m.b(x)),
        lambda m, x: m.a(x).add_(m.b(x)),
    ],
)
def test_spellings_of_addition(function):
    kinds = [each.kind for each in operations(function, nn.ReLU(), nn.ReLU6())]
    assert kinds == ["relu", "relu", "add"]


def test_concatenations_of_one_are_none():
    assert operations(lambda m, x: torch.cat([x], 1)) == []
    kinds = [each.kind for each in operations(lambda m, x: torch.concatenate((x, x), dim=-3))]
    assert kinds == ["concat"]


def test_dropout_and_identity_are_nothing():
    def function(model, x):
        return model.a(F.dropout(model.b(x), 0.5, model.training)).contiguous()

    assert operations(function, nn.Dropout2d(), nn.Identity()) == []


def test_what_is_in_place_changes_what_others_read():
    def forgetful(model, x):
        model.a(x)
        return x

    assert operations(forgetful, nn.ReLU()) == []
    assert [each.kind for each in operations(forgetful, nn.ReLU(inplace=True))] == ["relu"]

    def block(model, x):
        y = model.a(x)
        return x + y

    for module, expected in ((nn.ReLU(), "input"), (nn.ReLU(inplace=True), "relu")):
        add = operations(block, module)[-1]
        assert [operand.kind for operand in add.inputs] == [expected, "relu"]


def test_unused_results_are_not_read():
    def function(model, x):
        torch.sigmoid(x)
        _ = x.size(2)
        return model.a(x)

    assert [each.kind for each in operations(function, nn.ReLU())] == ["relu"]
    with pytest.raises(UnsupportedError, match="mul_ is not supported"):
        operations(lambda m, x: (x.mul_(2), x)[1])


def test_the_mode_of_the_model_stays():
    model = DenseNet().train()
    model.features[1].eval()
    trace(model)
    assert model.training
    assert not model.features[1].training


@pytest.mark.parametrize("name", BUILDERS)
def test_models_in_their_authors_spelling(name):
    kinds = [each.kind for each in trace(BUILDERS[name]())]
    assert kinds[0] == "input"
    assert kinds[-1] == "output"


def test_names_of_functions_are_those_of_their_module():
    names = {each.kind: each.name for each in trace(DenseNet())}
    assert names["concat"] == "features.6.concat"
    assert names["adaptive_avg_pool"] == "adaptive_avg_pool2d"


def test_the_chain_itself_is_supported():
    assert trace(Chain(pa_conv(4, 4, 3)))[-1].kind == "output"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Chain(pa_conv(4, 4, 1, groups=2)), "part: groups=2 is not supported; supported: groups=1"),
        (Chain(nn.Conv2d(4, 4, 3, dilation=2)), r"part: dilation=\(2, 2\) is not supported"),
        (Chain(pa_conv(4, 4, 3, padding_mode="reflect", padding=1)), "padding_mode='reflect'"),
        (Chain(nn.Sigmoid()), "part: Sigmoid is not supported; supported: Conv2d, PAConv2d"),
        (Chain(nn.Softmax(1)), "part: Softmax is not supported"),
        (Chain(nn.ConvTranspose2d(4, 4, 1)), "part: ConvTranspose2d is not supported"),
        (Chain(nn.BatchNorm2d(4, track_running_stats=False)), "part: BatchNorm2d without running"),
        (Chain(nn.AdaptiveAvgPool2d((None, 1))), r"part: pooling to \(None, 1\) is not supported"),
        (Chain(nn.MaxPool2d(2, ceil_mode=True)), "part: ceil_mode=True is not supported"),
        (Chain(nn.MaxPool2d(2, dilation=2)), "part: dilation=2 is not supported"),
        (Chain(nn.MaxPool2d(2, return_indices=True)), "part: return_indices=True is not"),
        (
            Chain(nn.AvgPool2d(2, padding=1, count_include_pad=False)),
            "part: count_include_pad=False with padding is not supported",
        ),
        (Chain(nn.AvgPool2d(2, divisor_override=3)), "part: divisor_override=3 is not supported"),
        (Chain(nn.Hardtanh()), r"part: clipping to -1.0\.\.1.0 is not supported"),
        (Chain(nn.ConstantPad2d(1, 2.0)), r"part: padding constant of 2\.0 is not supported"),
        (Chain(nn.ZeroPad2d(-1)), r"part: padding by \(-1, -1, -1, -1\) is not supported"),
        (Chain(None, lambda p, x: F.pad(x, (1, 1), "reflect")), "padding reflect of None is not"),
        (Chain(None, lambda p, x: x + 1), "adding 1 is not supported"),
        (Chain(None, lambda p, x: torch.add(x, x, alpha=2)), "alpha=2 is not supported"),
        (Chain(None, lambda p, x: torch.add(x, x, out=x)), "this form of addition is not"),
        (Chain(None, lambda p, x: x * x), "mul is not supported"),
        (Chain(None, lambda p, x: x.clone()), "clone is not supported"),
        (Chain(None, lambda p, x: x.sigmoid()), "sigmoid is not supported"),
        (Chain(None, lambda p, x: x.mean(1)), "the mean over 1 is not supported"),
        (Chain(None, lambda p, x: x.clamp(max=6)), r"clipping to None\.\.6 is not supported"),
        (Chain(None, lambda p, x: x[:, :2]), "getitem is not supported"),
        (Chain(None, lambda p, x: x.T), "getattr is not supported"),
        (Chain(None, lambda p, x: torch.cat([x, x], 2)), "concatenating along 2 is not supported"),
        (Chain(None, lambda p, x: torch.cat(x, 1)), "concatenating stem is not supported"),
        (Chain(None, lambda p, x: torch.cat([x, x.shape], 1)), "the operand getattr_1 is not"),
        (Chain(None, lambda p, x: F.relu(x.size(0))), "the operand size is not supported"),
        (Chain(None, lambda p, x: x.view(2, -1)), r"the view \(2, -1\) is not supported"),
        (Chain(None, lambda p, x: x.flatten(2)), "flatten from dimension 2 to -1 is not"),
        (Chain(None, lambda p, x: F.dropout(x, 0.5)), "dropout in evaluation mode"),
        (
            Chain(None, lambda p, x: x if x.sum() > 0 else -x),
            "Chain: a forward that torch.fx cannot",
        ),
        (nn.Sequential(nn.Conv2d(1, 2, 1), nn.Linear(2, 2)), r"1: .* not flattened \(0\)"),
        (nn.Sequential(nn.Flatten(), nn.Conv2d(4, 2, 1)), r"1: .* on flattened activations"),
        (nn.Sequential(nn.Conv2d(1, 2, 1)), "output: a model that ends otherwise"),
    ],
)
def test_what_is_refused(model, message):
    with pytest.raises(UnsupportedError, match=message) as caught:
        trace(model)
    assert "\n" not in str(caught.value)
    assert "is not supported; supported: " in str(caught.value)


def test_second_input_is_refused():
    class Model(Forms):
        def forward(self, x, y):
            return self.head(self.stem(x + y).mean((2, 3)))

    with pytest.raises(UnsupportedError, match="y: a second input is not supported"):
        trace(Model())
