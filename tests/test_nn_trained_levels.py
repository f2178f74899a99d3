"""Trained levels in a network: training, checkpoint, integers and the `.pa` file hold the same."""

import pytest
import torch
import torch.nn.functional as F
from pa_models import MEAN, STD, batches, normalised, pixels, unsettle

import pa_artifact
from pa_nn import convert, golden
from pa_nn.checkpoint import describe_layers, load_checkpoint, model_entries, save_checkpoint
from pa_nn.conversion import project, replace_layers
from pa_nn.hardware import quantise_for_hardware
from pa_nn.layers import LEVELS, PAConv2d, PALinear
from pa_nn.levels import level_codes
from pa_nn.models import ResNet
from pa_nn.plan import UnsupportedError

LAYER = "stages.0.0.conv2"


def plain():
    torch.manual_seed(0)
    return unsettle(ResNet(in_channels=2, classes=3, widths=(4, 6), blocks=(1, 1)))


def trained(levels, steps=2, **options):
    """A small network after a few steps, so that its levels have left their start."""
    model = convert(plain(), 4, 3, levels=levels, calibration=batches(), **options).train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(steps):
        images, labels = normalised(pixels(seed=step)), torch.arange(len(pixels())) % 3
        F.cross_entropy(model(images), labels).backward()
        optimiser.step()
        optimiser.zero_grad()
        project(model)
    return model.eval()


@pytest.mark.parametrize("levels", LEVELS)
def test_levels_learn_where_they_are_parameters(levels):
    before, after = (trained(levels, steps).get_submodule(LAYER) for steps in (0, 2))
    assert after.levels == levels
    if levels == "means":
        assert after.alpha is None
        return
    assert after.alpha.shape == ((1 if levels == "trained" else after.out_channels), 4)
    assert not torch.equal(after.alpha, before.alpha)
    assert torch.equal(after.alpha, after.alpha.sort(dim=1).values)


def test_training_forward_is_codes_and_levels_exactly():
    layer = trained("trained").get_submodule(LAYER)
    codes, alpha = layer.weight_codes()
    table = torch.tensor([0.0, *alpha])
    assert torch.equal(layer.approximated_weight(), table[codes.long()])
    assert alpha == layer.alpha[0].tolist()


@pytest.mark.parametrize(
    "options", [{"levels": "trained"}, {"levels": "means", "endpoints": "uniform"}]
)
def test_file_holds_what_training_computes(options, tmp_path):
    model = trained(**options)
    hardware = quantise_for_hardware(model, batches(), mean=MEAN, std=STD, act_bits=10)
    images = pixels(seed=5)
    network, _ = hardware.lower(tuple(images.shape[1:]))
    pa_artifact.write(tmp_path / "network.pa", network)
    read = pa_artifact.read(tmp_path / "network.pa")
    layer, node = model.get_submodule(LAYER), read.node(LAYER)
    codes, alpha = layer.weight_codes()
    assert torch.equal(torch.from_numpy(node.tensors["codes"]), codes)
    assert network.node(LAYER).source["alpha"].tolist() == alpha
    values = golden.run(read, images)["logits"].flatten(1).double()
    expected = (values * float(read.node("logits").tensors["scale"][0])).float()
    with torch.no_grad():
        assert torch.equal(hardware(normalised(images)), expected)
    for name, value in hardware._execute(normalised(images)).integers.items():
        assert torch.equal(value.long(), golden.run(read, images)[name]), name
    # With gradients the same integers come along another way.
    assert torch.equal(hardware.train()(normalised(images)).detach(), expected)


def test_wide_phi_comes_near_the_levels():
    model = trained("trained")
    hardware = quantise_for_hardware(
        model, batches(), mean=MEAN, std=STD, phi_bits=16, act_bits=16, mult_bits=24
    )
    layer = model.get_submodule(LAYER)
    network, _ = hardware.lower(tuple(pixels().shape[1:]))
    phi = torch.from_numpy(network.node(LAYER).tensors["phi"]).double()
    real = phi * float(network.node(LAYER).tensors["scale"][0])
    products = layer.alpha[0].double()[:, None] * layer.activation.beta.double()
    torch.testing.assert_close(real[1:, 1:], products.detach(), rtol=0, atol=1e-4)


def test_hardware_training_reaches_the_levels():
    model = quantise_for_hardware(
        trained("trained"), batches(), mean=MEAN, std=STD, act_bits=10
    ).train()
    model(normalised(pixels())).square().sum().backward()
    assert model.model.get_submodule(LAYER).alpha.grad.abs().min() > 0


def test_levels_of_channels_are_not_exported():
    model = convert(plain(), 4, 3, levels="channel")
    with pytest.raises(UnsupportedError, match=r"conv1: weight levels for each channel"):
        quantise_for_hardware(model, batches(), mean=MEAN, std=STD)
    with pytest.raises(ValueError, match="4 channels have weight levels of their own"):
        model.get_submodule(LAYER).weight_codes()


def test_a_single_channel_is_a_layer():
    layer = PAConv2d(2, 1, 3, m=4, n=2, levels="channel")
    assert torch.equal(layer.weight_codes()[0], level_codes(layer.weight, layer.alpha))


@pytest.mark.parametrize(
    "options",
    [{"levels": "trained"}, {"levels": "channel"}, {"levels": "means", "endpoints": "fitted"}],
)
def test_round_trip(options, tmp_path):
    model = trained(**options)
    about = {"name": "resnet8", "in_channels": 2, "classes": 3, "mean": MEAN, "std": STD}
    entries = model_entries(model, **about)
    save_checkpoint(tmp_path / "model.pt", entries)
    described = load_checkpoint(tmp_path / "model.pt")["pa"]
    assert described == describe_layers(model)
    again = replace_layers(plain(), described)
    again.load_state_dict(entries["model"])
    x = normalised(pixels(seed=4))
    assert torch.equal(again.eval()(x), model(x))


def test_default_layers_are_described_as_ever():
    described = describe_layers(trained("means", steps=0))[LAYER]
    assert set(described) == {"m", "n", "lambda_w", "lambda_a", "lambda_delta", "eq14_sign"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": "median"}, "levels must be one of means, trained, channel, not 'median'"),
        ({"levels": "trained", "multiples": (-1, 0.5)}, "middles of levels .* 'trained'"),
        ({"multiples": (1, -1)}, r"2 finite ascending numbers, not \[1.0, -1.0\]"),
    ],
)
@pytest.mark.parametrize("kind", [PAConv2d, PALinear])
def test_bad_levels_are_refused(kind, options, message):
    arguments = (2, 2, 1) if kind is PAConv2d else (2, 2)
    with pytest.raises(ValueError, match=message):
        kind(*arguments, m=2, n=None, **options)


def test_levels_show_in_the_representation():
    assert "m=4, n=5, levels='channel'" in repr(PAConv2d(1, 2, 1, m=4, n=5, levels="channel"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"endpoints": "laplace"}, "one of gaussian, uniform, fitted, not 'laplace'"),
        ({"endpoints": (-1, 1)}, "Endpoints must be 4 finite ascending numbers"),
        ({"start": "random"}, "start must be one of lloyd_max, quantiles, uniform, not 'random'"),
        ({"levels": "x"}, "levels must be one of"),
        ({"levels": "trained", "endpoints": "uniform"}, "Endpoints are the middles of levels"),
    ],
)
def test_bad_options_of_convert(options, message):
    with pytest.raises(ValueError, match=message):
        convert(plain(), 4, 3, **options)


def test_endpoints_of_convert():
    model = convert(plain(), 4, 3, endpoints=(-1, -0.25, 0.25, 1))
    assert model.get_submodule(LAYER).multiples == (-1.0, -0.25, 0.25, 1.0)
    fitted = convert(plain(), 4, 3, endpoints="fitted")
    own = {module.multiples for module in fitted.modules() if isinstance(module, PAConv2d)}
    assert len(own) > 1
