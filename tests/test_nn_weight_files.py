"""Pre-trained weights from files."""

import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pa_nn.folders import MEAN, STD
from pa_nn.mobilenet import MOBILENET_MEAN, MOBILENET_STD, mobilenet_v1
from pa_nn.models import build_model
from pa_nn.vision import import_torchvision
from pa_nn.weight_files import fit_weights, load_weights


@pytest.fixture
def state():
    torch.manual_seed(0)
    return build_model("resnet8", in_channels=1, classes=4).state_dict()


@pytest.fixture
def model():
    torch.manual_seed(1)
    return build_model("resnet8", in_channels=1, classes=4)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"model": state, "epoch": 3},
        lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
    ],
)
def test_a_state_dict_as_training_scripts_store_it(model, state, wrap, tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(wrap(state), path)
    assert load_weights(model, path) == (MEAN, STD)
    assert same(model.state_dict(), state)


def test_safetensors(model, state, tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file(state, path)
    assert load_weights(model, path) == (MEAN, STD)
    assert same(model.state_dict(), state)


def test_names_of_torchvisions_oldest_densenet_files(tmp_path):
    densenet = import_torchvision("torchvision.models").DenseNet
    small = {"growth_rate": 2, "block_config": (2, 1), "num_init_features": 4, "num_classes": 2}
    torch.manual_seed(0)
    state = densenet(**small).state_dict()
    old = {}
    for key, value in state.items():
        if "denselayer" in key:
            head, _, parameter = key.rpartition(".")
            key = f"{head[:-1]}.{head[-1]}.{parameter}"
        if not key.endswith("num_batches_tracked"):
            old[key] = value
    assert "features.denseblock1.denselayer1.norm.1.running_mean" in old
    path = tmp_path / "densenet.pth"
    torch.save(old, path)
    model = densenet(**small)
    load_weights(model, path)
    assert same(model.state_dict(), state)


def tensorflow(model):
    """Variables of a MobileNet v1, by TensorFlow's names."""
    units = [model.stem, *(unit for pair in model.pairs for unit in pair)]
    names = ["Conv2d_0"]
    for k in range(1, 14):
        names += [f"Conv2d_{k}_depthwise", f"Conv2d_{k}_pointwise"]
    variables = {}
    for name, unit in zip(names, units, strict=True):
        depthwise = name.endswith("depthwise")
        order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        key = "depthwise_weights" if depthwise else "weights"
        variables[f"{name}/{key}"] = unit.conv.weight.permute(order)
        for variable, value in (
            ("gamma", unit.norm.weight),
            ("beta", unit.norm.bias),
            ("moving_mean", unit.norm.running_mean),
            ("moving_variance", unit.norm.running_var),
        ):
            variables[f"{name}/BatchNorm/{variable}"] = value
    variables["Logits/Conv2d_1c_1x1/weights"] = model.fc.weight.t()[None, None]
    variables["Logits/Conv2d_1c_1x1/biases"] = model.fc.bias
    return {name: value.detach().numpy().copy() for name, value in variables.items()}


def test_tensorflows_background_is_left_out_where_there_is_no_class_for_it(tmp_path):
    torch.manual_seed(0)
    stored = mobilenet_v1(classes=6, width=0.25)
    path = tmp_path / "mobilenet.npz"
    np.savez(path, **tensorflow(stored))
    for classes, first in ((6, 0), (5, 1)):
        model = mobilenet_v1(classes=classes, width=0.25)
        assert load_weights(model, path) == (MOBILENET_MEAN, MOBILENET_STD)
        assert torch.equal(model.fc.weight, stored.fc.weight[first:])
        assert torch.equal(model.fc.bias, stored.fc.bias[first:])
        assert torch.equal(model.pairs[3][1].conv.weight, stored.pairs[3][1].conv.weight)
    with pytest.raises(ValueError, match=r"mobilenet\.npz: is for 6 classes, not 4$"):
        load_weights(mobilenet_v1(classes=4, width=0.25), path)
    other = build_model("resnet8", in_channels=3, classes=6)
    with pytest.raises(
        ValueError, match=r"weights of another network: it lacks \d+ of its tensors"
    ):
        load_weights(other, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.pop("conv1.weight"),
            "of another network: it lacks 1 of its tensors, first 'conv1.weight'$",
        ),
        (
            lambda s: s.update(more=torch.zeros(1), most=torch.zeros(1)),
            "of another network: the network lacks 2 of its tensors, first 'more'$",
        ),
        (
            lambda s: s.update({"conv1.weight": torch.zeros(16, 3, 3, 3)}),
            r"conv1.weight must be \(16, 1, 3, 3\), not \(16, 3, 3, 3\)$",
        ),
        (lambda s: s.update({"fc.weight": torch.zeros(10, 64)}), "is for 10 classes, not 4$"),
        (lambda s: s["bn1.bias"].fill_(math.nan), "bn1.bias holds values that are not finite$"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(model, state, change, message):
    change(state)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"^a\.pth: (weights )?{message}"):
        fit_weights(model, state, "a.pth")
    assert same(model.state_dict(), before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds no state dict but a list"),
        ({}, "holds no state dict but a dict"),
        ({"conv1.weight": 3}, "'conv1.weight' is no tensor but a int"),
    ],
)
def test_files_of_something_else_are_refused(model, content, message, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(content, path)
    with pytest.raises(ValueError, match=message):
        load_weights(model, path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".npz"])
def test_unreadable_files_are_refused_in_one_line(model, suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    with pytest.raises(ValueError, match=r"(?i)no such file"):
        load_weights(model, path)
    path.write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match="cannot be read as") as caught:
        load_weights(model, path)
    assert "\n" not in str(caught.value)


def test_other_suffixes_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match=r"a\.onnx: weights must be a file ending in \.pth, \.pt"):
        load_weights(model, tmp_path / "a.onnx")
