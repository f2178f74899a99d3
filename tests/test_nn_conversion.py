"""Conversion of models that users bring."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pa_nn import PAConv2d, PALinear, build_model, convert, project, reestimate_batch_norm
from pa_nn.activations import lloyd_max
from pa_nn.conversion import gather_inputs


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def kinds(model):
    return {
        path: type(module).__name__
        for path, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear))
    }


class Functional(nn.Module):
    """Branches, a layer in a list, a layer used twice and functions between them."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.branches = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3, padding=1)])
        self.shared = nn.Conv2d(8, 8, 3, padding=1)
        self.again = self.shared
        self.unused = nn.Conv2d(8, 8, 1)
        self.hidden = nn.Linear(8, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(torch.cat([branch(x) for branch in self.branches], 1))
        x = F.relu(self.again(F.relu(self.shared(x)))).mean((2, 3))
        return self.head(F.relu(self.hidden(x)))


def test_defaults_keep_the_first_convolution_and_the_last_linear_layer():
    model = convert(build_model("resnet8", in_channels=1, classes=10), 4, 5)
    found = kinds(model)
    assert found.pop("conv1") == "Conv2d"
    assert found.pop("fc") == "Linear"
    assert set(found.values()) == {"PAConv2d"}
    downsample = model.get_submodule("stages.1.0.downsample.0")
    assert (downsample.kernel_size, downsample.m, downsample.n) == ((1, 1), 4, 5)


def test_the_model_itself_stays_as_it_is():
    model = build_model("resnet8", in_channels=1, classes=10)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    convert(model, 4, 5, calibration=[images(2, 1, 28, 28)])
    assert "PAConv2d" not in kinds(model).values()
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_any_module():
    model = convert(Functional(), 4, 5, calibration=[images(2, 1, 8, 8)])
    assert kinds(model) == {
        "stem": "Conv2d",
        "branches.0": "PAConv2d",
        "branches.1": "PAConv2d",
        "shared": "PAConv2d",
        "unused": "PAConv2d",
        "hidden": "PALinear",
        "head": "Linear",
    }
    assert model.again is model.shared
    assert model(images(2, 1, 8, 8)).shape == (2, 3)


def test_sequential_and_a_layer_alone():
    model = convert(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3)), 2, 3)
    assert kinds(model) == {"0": "Conv2d", "2": "PAConv2d"}
    alone = convert(nn.Conv2d(1, 2, 3), 2, 3, keep=())
    assert isinstance(alone, PAConv2d)


def test_keep_and_per_layer():
    model = convert(
        Functional(), 4, 5, keep=["shared"], per_layer={"stem": (8, 7), "head": (2, None)}
    )
    assert (model.stem.m, model.stem.n) == (8, 7)
    assert (model.head.m, model.head.activation) == (2, None)
    assert type(model.shared) is nn.Conv2d
    assert isinstance(model.hidden, PALinear)


def test_per_layer_wins_over_the_default_keep():
    model = convert(Functional(), 4, 5, per_layer={"stem": (2, 3)})
    assert model.stem.m == 2
    assert type(model.head) is nn.Linear


@pytest.mark.parametrize("groups", [2, 4])
def test_depthwise_and_grouped_convolutions_stay_by_default(groups):
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.Conv2d(4, 4, 3, groups=groups),
        nn.Conv2d(4, 8, 1),
        nn.Conv2d(8, 8, 1),
    )
    assert list(kinds(convert(model, 4, 5)).values()) == ["Conv2d", "Conv2d"] + ["PAConv2d"] * 2
    assert type(convert(model, 4, 5, per_layer={"1": (4, 5)})[1]) is PAConv2d


def test_real_activations():
    model = convert(Functional(), 8, None, calibration=[images(2, 1, 8, 8)])
    assert model.shared.activation is None
    assert model.shared.n is None


def test_convolution_arguments_survive():
    float_layer = nn.Conv2d(
        4, 6, (3, 5), (2, 1), (1, 2), (1, 2), 2, bias=False, padding_mode="reflect"
    )
    layer = convert(nn.Sequential(float_layer), 4, 5, keep=())[0]
    for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"):
        assert getattr(layer, name) == getattr(float_layer, name)
    assert layer.bias is None
    assert torch.equal(layer.weight, float_layer.weight)


def test_subclasses_are_left_alone():
    class Special(nn.Conv2d):
        pass

    model = convert(nn.Sequential(nn.Conv2d(1, 2, 1), Special(2, 2, 1)), 4, 5)
    assert type(model[1]) is Special


def test_levels_start_from_what_a_layer_is_given():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1))
    batches = [images(3, 1, 5, 5, seed=seed) for seed in range(2)]
    converted = convert(model, 4, 3, calibration=[(batch, None) for batch in batches])
    given = torch.cat([model[0](batch).detach().flatten() for batch in batches])
    beta, v = lloyd_max(given, 3)
    assert torch.equal(converted[1].activation.beta, beta)
    assert torch.equal(converted[1].activation.v, v)


def test_calibration_leaves_modes_and_statistics():
    model = build_model("resnet8", in_channels=1, classes=10)
    model.stages.eval()
    converted = convert(model, 4, 5, calibration=[images(2, 1, 28, 28)])
    assert converted.training
    assert not converted.stages.training
    assert torch.equal(converted.bn1.running_mean, model.bn1.running_mean)


def test_conversion_approximates():
    torch.manual_seed(0)
    model = build_model("resnet8", in_channels=1, classes=10).eval()
    x = images(16, 1, 28, 28)
    coarse, fine = (convert(model, m, n, calibration=[x]) for m, n in ((2, 2), (16, 31)))
    expected = model(x)
    errors = [(m(x) - expected).square().mean().item() for m in (coarse, fine)]
    assert errors[1] < errors[0] / 4


def test_reestimated_statistics_are_averages_over_batches():
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)).eval()
    batches = [images(4, 1, 6, 6, seed=seed) for seed in range(3)]
    reestimate_batch_norm(model, batches)
    means = [model[0](batch).mean((0, 2, 3)) for batch in batches]
    torch.testing.assert_close(model[1].running_mean, sum(means) / 3)
    assert model[1].momentum == 0.1
    assert not model[1].training


def test_reestimation_without_batch_norm_does_nothing():
    reestimate_batch_norm(nn.Linear(1, 1), [torch.ones(1, 1)])


def test_project_reaches_every_activation():
    model = convert(Functional(), 4, 2)
    with torch.no_grad():
        model.shared.activation.v.copy_(torch.tensor([1.0, -1.0]))
    project(model)
    assert model.shared.activation.v.tolist() == pytest.approx([1e-3, 1.0])


@pytest.mark.parametrize(
    ("pieces", "message"),
    [
        ((3, 5), "even number from 2 to 254 in training, not 3"),
        ((4, 0), "N must be from 1 to 255, not 0"),
    ],
)
def test_bad_pieces_are_refused(pieces, message):
    with pytest.raises(ValueError, match=message):
        convert(Functional(), *pieces)
    with pytest.raises(ValueError, match=message):
        convert(Functional(), 4, 5, per_layer={"shared": pieces})


@pytest.mark.parametrize("options", [{"keep": ["nowhere"]}, {"per_layer": {"nowhere": (4, 5)}}])
def test_unknown_paths_are_refused_with_the_known_ones(options):
    with pytest.raises(ValueError, match=r"No .* layer at 'nowhere'; there are: stem, branches\.0"):
        convert(Functional(), 4, 5, **options)


def test_a_path_both_kept_and_converted_is_refused():
    with pytest.raises(ValueError, match="'shared' is both in keep and in per_layer"):
        convert(Functional(), 4, 5, keep=["shared"], per_layer={"shared": (4, 5)})


def test_a_single_path_as_keep_is_refused():
    with pytest.raises(TypeError, match="not the string 'stem'"):
        convert(Functional(), 4, 5, keep="stem")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_refused_by_path(bad):
    model = Functional()
    with torch.no_grad():
        model.shared.weight[0, 0, 0, 0] = bad
    with pytest.raises(ValueError, match=rf"shared: Weights must be finite, not {bad}"):
        convert(model, 4, 5)


def test_inputs_are_gathered_before_the_network_writes_into_them():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            y = self.conv(x)
            x.zero_()
            return y

    inputs = gather_inputs(model := InPlace(), {"conv": model.conv}, [torch.ones(1, 1, 2, 2)])
    assert torch.equal(inputs["conv"], torch.ones(4))
