"""Every scheme goes into any network, through a step of training and a checkpoint."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pa_nn import build_model, project
from pa_nn.checkpoint import load_checkpoint, model_entries, restore_model, save_checkpoint
from pa_nn.conversion import convertible_layers
from pa_nn.data import Batches, ImageSet
from pa_nn.rivals.conversion import convert_rival, describe_rivals, restore_rivals
from pa_nn.rivals.layers import RivalConv2d, RivalLayer, RivalLinear
from pa_nn.rivals.lsq import LSQInput
from pa_nn.scheme import Scheme
from pa_nn.trainer import Recipe, Trainer

SPECS = [
    *("bwn", "xnor", "bireal", "abc:5,5", "abc:3,full", "abc:1,1", "dorefa:1,1", "dorefa:2,2"),
    *("dorefa:3,full", "lsq:3,3", "lsq:8,full", "lsq:2,1", "ternary:full", "ternary:3"),
]
ABOUT = {"name": "resnet8", "in_channels": 1, "classes": 4, "mean": (0.3,), "std": (0.4,)}


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("resnet8", in_channels=1, classes=4)


def rivals(model):
    return {path: layer for path, layer in model.named_modules() if isinstance(layer, RivalLayer)}


def step(model, x, *, rate=0.01):
    optimiser = torch.optim.SGD(model.parameters(), lr=rate)
    loss = F.cross_entropy(model(x), torch.arange(len(x)) % 4)
    loss.backward()
    optimiser.step()
    project(model)
    return float(loss.detach())


@pytest.mark.parametrize("spec", ["xnor", "bireal", "abc:5,5", "lsq:3,3"])
def test_a_step_of_training_and_a_checkpoint(spec, model, tmp_path):
    scheme = Scheme.parse(spec)
    x = images(4, 1, 12, 12)
    made = convert_rival(model, scheme, calibration=[x, (x, None)]).train()
    assert [type(layer) for layer in convertible_layers(made).values()] == [nn.Conv2d, nn.Linear]
    before = {path: layer.weight.clone() for path, layer in rivals(made).items()}
    step(made, x)
    assert all(torch.isfinite(value.grad).all() for value in made.parameters())
    for path, layer in rivals(made).items():
        assert not torch.equal(layer.weight, before[path]), path
        if layer.input_rule is not None:
            assert all(value.grad is not None for value in layer.input_rule.parameters()), path
    save_checkpoint(tmp_path / "model.pt", model_entries(made, **ABOUT))
    restored = restore_model(load_checkpoint(tmp_path / "model.pt"))
    assert repr(restored) == repr(made.eval())
    assert torch.equal(restored(x), made(x))


@pytest.mark.parametrize("spec", SPECS)
def test_weights_and_activations_take_the_levels_of_the_scheme(spec):
    scheme = Scheme.parse(spec)
    torch.manual_seed(0)
    layer = convert_rival(nn.Conv2d(16, 8, 3), scheme, keep=(), calibration=[images(2, 16, 4, 4)])
    with torch.no_grad():
        layer.weight.mul_(4)  # so that some lie at the outermost levels
    weight = layer.approximated_weight().detach()
    # One alpha for each channel is a scale behind the table of hardware.
    count = max(len(channel.unique()) for channel in weight)
    if layer.input_rule is None:
        assert scheme.levels() is None
        return
    values = layer.input_rule(images(4, 16, 7, 7).relu()).values
    assert (count, len(values.unique())) == scheme.levels()


@pytest.mark.parametrize("spec", ["xnor", "bireal", "abc:5,5", "dorefa:2,2", "lsq:3,3"])
def test_autocast_changes_no_level(spec):
    layer = convert_rival(nn.Conv2d(3, 2, 1), Scheme.parse(spec), keep=())
    x = (images(2, 3, 4, 4).relu() * 2).bfloat16().requires_grad_()
    results = []
    for enabled in (False, True):
        layer.zero_grad()
        x.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            values = layer.input_rule(x).values
            weight = layer.approximated_weight()
        values.backward(torch.ones_like(values))
        grads = [value.grad.clone() for value in layer.input_rule.parameters()]
        results.append((values.detach(), weight.detach(), x.grad, *grads))
    assert all(map(torch.equal, *results))


def test_the_model_itself_stays_as_it_is(model):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    made = convert_rival(model, Scheme.parse("bireal"), calibration=[images(2, 1, 12, 12)])
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(isinstance(layer, RivalLayer) for layer in model.modules())
    assert model.training
    assert made.training


def test_float_weights_are_those_of_the_model(model):
    made = convert_rival(model, Scheme.parse("lsq:3,3"))
    for path, layer in convertible_layers(model).items():
        assert torch.equal(made.get_submodule(path).weight, layer.weight)


class Branches(nn.Module):
    """A layer used twice, one never used, a linear layer inside, and groups."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.shared = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
        self.again = self.shared
        self.grouped = nn.Conv2d(4, 4, 3, groups=2)
        self.unused = nn.Conv2d(8, 8, 1)
        self.hidden = nn.Linear(4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(self.again(F.relu(self.shared(x))))
        x = F.relu(self.grouped(x)).mean((2, 3))
        return self.head(F.relu(self.hidden(x)))


@pytest.mark.parametrize("spec", SPECS)
def test_any_module(spec):
    torch.manual_seed(0)
    x = images(4, 1, 8, 8)
    made = convert_rival(Branches(), Scheme.parse(spec), calibration=[x])
    kinds = {name: type(child) for name, child in made.named_children()}
    assert kinds == {
        "stem": nn.Conv2d,
        "shared": RivalConv2d,
        "grouped": nn.Conv2d,
        "unused": RivalConv2d,
        "hidden": RivalLinear,
        "head": nn.Linear,
    }
    assert made.again is made.shared
    assert made(x).shape == (4, 3)


def test_convolution_arguments_survive():
    plain = nn.Conv2d(4, 6, (3, 5), (2, 1), (1, 2), (1, 2), 2, bias=False, padding_mode="reflect")
    layer = convert_rival(plain, Scheme.parse("bwn"), keep=())
    for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"):
        assert getattr(layer, name) == getattr(plain, name)
    assert layer.bias is None
    assert "scheme=bwn" in repr(layer)


def test_calibration_is_of_each_channel():
    model = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False), nn.Conv2d(2, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(2).view(2, 2, 1, 1))
    x = torch.stack([torch.tensor([1.0, 3.0]), torch.tensor([5.0, 5.0])]).view(1, 2, 1, 2)
    norm = convert_rival(model, Scheme.parse("xnor"), calibration=[x])[1].input_rule.norm
    assert norm.running_mean.tolist() == [2, 5]
    assert norm.running_var.tolist() == [1, 0]


def test_keep():
    made = convert_rival(Branches(), Scheme.parse("lsq:2,2"), keep=["shared"])
    assert isinstance(made.stem.input_rule, LSQInput)
    assert type(made.shared) is nn.Conv2d
    assert isinstance(made.head, RivalLinear)


@pytest.mark.parametrize(
    ("keep", "error", "message"),
    [
        ("stem", TypeError, "keep must be a collection of paths, not the string 'stem'"),
        (["nowhere"], ValueError, "No convolution or linear layer at 'nowhere'; there are: stem"),
    ],
)
def test_unknown_layers_are_refused(keep, error, message):
    with pytest.raises(error, match=message):
        convert_rival(Branches(), Scheme.parse("bwn"), keep=keep)


def test_weights_that_are_not_finite_are_refused():
    model = Branches()
    with torch.no_grad():
        model.shared.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="shared: Weights must be finite, not nan"):
        convert_rival(model, Scheme.parse("bwn"))


def test_schemes_of_other_modules_are_refused(model):
    with pytest.raises(ValueError, match="Scheme pa:4,5 is none of the literature's"):
        convert_rival(model, Scheme.parse("pa:4,5"))


def test_a_run_of_another_scheme_is_not_resumed(model, tmp_path):
    pixels = torch.zeros(4, 1, 12, 12, dtype=torch.uint8)
    data = ImageSet(images=pixels, labels=torch.arange(4), classes=tuple("abcd"))
    batches = Batches(data, batch_size=4, mean=ABOUT["mean"], std=ABOUT["std"])
    # Their parameters have the same names and shapes.
    first, second = (
        Trainer(
            convert_rival(model, Scheme.parse(spec)),
            Recipe(),
            train=batches,
            test=batches,
            about=ABOUT,
            out=tmp_path,
        )
        for spec in ("lsq:3,3", "lsq:2,2")
    )
    first.save()
    first.resume()
    with pytest.raises(ValueError, match=r"stages\.0\.0\.conv1.* lsq:3,3.*, not .*lsq:2,2"):
        second.resume()


def test_layers_are_described_by_their_scheme(model):
    made = convert_rival(model, Scheme.parse("lsq:2,2"), keep=["conv1"])
    described = describe_rivals(made)
    assert described.keys() == convertible_layers(model).keys() - {"conv1"}
    assert set(described.values()) == {"lsq:2,2"}
    with pytest.raises(ValueError, match="No convolution or linear layer at 'nowhere'"):
        restore_rivals(model, {"nowhere": "bwn"})
