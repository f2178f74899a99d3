"""The networks that piecewise approximation was published with, each at its full size."""

import pytest
import torch
import torch.nn.functional as F

from pa_nn.activations import PAActivation
from pa_nn.checkpoint import load_checkpoint, model_entries, restore_model, save_checkpoint
from pa_nn.conversion import convert, convertible_layers, default_keep, project, replace_layers
from pa_nn.layers import PALayer
from pa_nn.models import build_model
from pa_nn.ssd import full_precision_layers
from pa_nn.trainer import Recipe
from pa_nn.vision import import_torchvision

# torchvision's documentation for its own; MobileNet v1 with a background class; SSD300: below.
PARAMETERS = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "densenet121": 7_978_856,
    "mobilenet_v1": 4_233_001,
    "ssd300_resnet50": 31_149_870,
}
CLASSES = {"mobilenet_v1": 1001, "ssd300_resnet50": 21}
# Convolutions that are approximated: all but the first, MobileNet's depthwise ones, SSD's head.
APPROXIMATED = {
    "resnet18": 19,
    "resnet34": 35,
    "resnet50": 52,
    "densenet121": 119,
    "mobilenet_v1": 13,
    "ssd300_resnet50": 52 + 3 * 4,
}


def build(name):
    return build_model(name, in_channels=3, classes=CLASSES.get(name, 1000))


def count(model):
    """Parameters, but for the levels of activations."""
    levels = sum(
        p.numel() for m in model.modules() if isinstance(m, PAActivation) for p in m.parameters()
    )
    return sum(p.numel() for p in model.parameters()) - levels


def kept(name, model):
    return full_precision_layers(model) if name == "ssd300_resnet50" else None


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_of_the_original(name):
    with torch.device("meta"):
        model = build(name)
    assert count(model) == PARAMETERS[name]
    layers = convertible_layers(model)
    paths = layers.keys() - (kept(name, model) or default_keep(layers))
    approximated = replace_layers(model, {path: {"m": 4, "n": 5} for path in paths})
    assert count(approximated) == PARAMETERS[name]
    assert sum(isinstance(m, PALayer) for m in approximated.modules()) == APPROXIMATED[name]
    levels = sum(p.numel() for p in approximated.parameters()) - PARAMETERS[name]
    assert levels == APPROXIMATED[name] * 2 * 5


def test_ssds_parameters_by_another_rule():
    backbone = PARAMETERS["resnet50"] - 2048 * 1000 - 1000
    extra = 0
    for before, after in ((2048, 512), (512, 256), (256, 256)):
        width = after // 4
        weights = before * width + 9 * width * width + width * after + before * after
        extra += weights + 2 * (width + width + after + after)
    head = 0
    channels = (512, 1024, 2048, 512, 256, 256)
    for inputs, boxes in zip(channels, (4, 6, 6, 6, 4, 4), strict=True):
        head += boxes * (4 + 21) * (9 * inputs + 1)
    assert backbone + extra + head == PARAMETERS["ssd300_resnet50"]


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_residual_networks_have_torchvisions_names_and_shapes(name):
    with torch.device("meta"):
        ours = build(name).state_dict()
        theirs = getattr(import_torchvision("torchvision.models"), name)().state_dict()
    assert [(key, value.shape) for key, value in ours.items()] == [
        (key, value.shape) for key, value in theirs.items()
    ]


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_residual_networks_compute_what_torchvisions_do(name):
    models = import_torchvision("torchvision.models")
    torch.manual_seed(0)
    theirs = getattr(models, name)(num_classes=5)
    ours = build_model(name, in_channels=3, classes=5)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    # In training batch normalisation keeps the scale of an untrained network.
    assert torch.equal(ours.train()(x), theirs.train()(x))


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name != "ssd300_resnet50"])
def test_a_step_of_training_and_a_checkpoint(name, tmp_path):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = convert(build(name), 4, 5).train()
    optimiser = Recipe(lr=0.01).make_optimiser(model)
    images = torch.randn(2, 3, 32, 32, generator=generator)
    loss = F.cross_entropy(model(images), torch.tensor([1, 2]))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    layers = {path: m for path, m in model.named_modules() if isinstance(m, PALayer)}
    before = {path: layer.weight.detach().clone() for path, layer in layers.items()}
    optimiser.step()
    project(model)
    for path, layer in layers.items():
        assert not torch.equal(layer.weight, before[path]), path

    about = {"name": name, "in_channels": 3, "classes": CLASSES.get(name, 1000)}
    path = tmp_path / "model.pt"
    save_checkpoint(path, model_entries(model, **about, mean=(0.0,) * 3, std=(1.0,) * 3))
    restored = restore_model(load_checkpoint(path))
    path.unlink()
    with torch.no_grad():
        assert torch.equal(restored(images), model.eval()(images))


def test_torchvisions_own_module_is_converted_as_it_is():
    torch.manual_seed(0)
    theirs = import_torchvision("torchvision.models").resnet18(num_classes=5)
    batch = torch.randn(4, 3, 32, 32)
    model = convert(theirs, 4, 5, calibration=[batch])
    ours = build_model("resnet18", in_channels=3, classes=5)
    ours.load_state_dict(theirs.state_dict())
    expected = convert(ours, 4, 5, calibration=[batch])
    assert torch.equal(model.train()(batch), expected.train()(batch))
