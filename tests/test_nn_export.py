"""Whole networks, single layers and the command line."""

import json

import numpy as np
import pytest
import torch
from pa_models import MEAN, STD, batches, hardware, normalised, pixels, residual
from PIL import Image

import pa_artifact
from pa_nn import golden
from pa_nn.checkpoint import load_checkpoint, model_entries, save_checkpoint
from pa_nn.data import Batches, ImageSet
from pa_nn.export import export_layer, export_network, main
from pa_nn.hardware import quantise_for_hardware
from pa_nn.models import build_model
from pa_nn.resnet import ResNet


def test_network_gives_the_models_logits(tmp_path):
    model, images = hardware(), pixels(seed=8)
    path = tmp_path / "network.pa"
    export_network(model, normalised(images), path, mean=MEAN, std=STD)
    network = pa_artifact.read(path)
    values = golden.run(network, images)["logits"].flatten(1).double()
    scale = float(network.node("logits").tensors["scale"][0])
    with torch.no_grad():
        assert torch.equal((values * scale).float(), model(normalised(images)))


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    network = export_network(hardware(), normalised(pixels()), mean=MEAN, std=STD)
    assert network.node("logits").kind == "add"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("layer", ["stages.0.0.conv2", "stages.1.0.downsample.0"])
def test_one_layer_gives_its_accumulators(layer, tmp_path):
    model, images = hardware(), pixels(seed=9)
    whole = export_network(model, normalised(images), tmp_path / "network.pa")
    inside = golden.run(whole, images)
    (operand,) = whole.inputs_of(layer)
    export_layer(model, layer, normalised(images)[0], tmp_path / "layer.pa")
    alone = pa_artifact.read(tmp_path / "layer.pa")
    assert [node.name for node in alone.nodes] == ["input", layer]
    assert torch.equal(golden.run(alone, inside[operand.name])[layer], inside[layer])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mean": (0.5, 0.5)}, ValueError, r"mean must be \(0\.286, 0\.45\)"),
        ({"std": (0.5,)}, ValueError, r"std must be \(0\.353, 0\.25\)"),
        ({"example_input": torch.zeros(2, 8)}, ValueError, r"must be \(batch, C, H, W\)"),
        ({"example_input": torch.zeros(1, 3, 8, 8)}, ValueError, "must have 2 channels, not 3"),
        ({"model": "net"}, TypeError, r"Export takes a torch\.nn\.Module, not a str"),
        ({"model": residual()}, TypeError, "mean and std must both be given"),
    ],
)
def test_bad_arguments(options, error, message, tmp_path):
    arguments = {"model": hardware(), "example_input": torch.zeros(1, 2, 8, 8), **options}
    with pytest.raises(error, match=message):
        export_network(path=tmp_path / "network.pa", **arguments)
    assert not list(tmp_path.iterdir())


def test_layers_that_are_not_there_or_not_piecewise(tmp_path):
    model, example = hardware(), torch.zeros(2, 8, 8)
    with pytest.raises(ValueError, match="There is no node 'conv9'; the nodes are input, conv1"):
        export_layer(model, "conv9", example, tmp_path / "x.pa")
    with pytest.raises(ValueError, match=r"must be one of stages.* not 'fc', a linear8"):
        export_layer(model, "fc", example, tmp_path / "x.pa")
    with pytest.raises(TypeError, match="quantise_for_hardware returns, not of ResNet"):
        export_layer(residual(), "fc", example, tmp_path / "x.pa")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_leave_the_file_as_it_was(tmp_path):
    model, path = hardware(), tmp_path / "network.pa"
    path.write_text("before")
    with torch.no_grad():
        model.model.stages[0][0].conv1.weight[0, 0, 0, 0] = float("inf")
    with pytest.raises(ValueError, match=r"stages\.0\.0\.conv1: .* finite, not inf"):
        export_network(model, torch.zeros(2, 8, 8), path)
    assert path.read_text() == "before"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint of a network that the command line can build."""
    from pa_nn import convert

    torch.manual_seed(0)
    model = convert(build_model("resnet8", in_channels=3, classes=3), 2, 2).eval()
    images = [(torch.randn(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64))]
    normalisation = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
    quantised = quantise_for_hardware(model, images, act_bits=8, **normalisation)
    path = tmp_path_factory.mktemp("checkpoint") / "model.pt"
    about = {"name": "resnet8", "in_channels": 3, "classes": 3, **normalisation}
    save_checkpoint(path, model_entries(quantised, **about))
    save_checkpoint(path.with_name("float.pt"), model_entries(model, **about))
    return path


def test_command_line(checkpoint, tmp_path, capsys):
    path = tmp_path / "resnet8.pa"
    assert main([str(checkpoint), "-o", str(path), "--height", "8", "--width", "12"]) == 0
    assert "25 nodes" in capsys.readouterr().out
    network = pa_artifact.read(path)
    assert network.node("input").shape_out == (3, 8, 12)
    layer = tmp_path / "layer.pa"
    report = tmp_path / "report.json"
    command = [str(checkpoint), "-o", str(layer), "--report", str(report)]
    assert main([*command, "--layer", "stages.1.0.conv1"]) == 0
    rows = json.loads(report.read_text())["rows"]
    assert {row["what"] for row in rows} == {"phi", "thresholds"}
    assert "| stages.1.0.conv1 | phi |" in report.with_suffix(".md").read_text()
    assert len(pa_artifact.read(layer).nodes) == 2
    again = tmp_path / "again.pa"
    main([str(checkpoint), "-o", str(again), "--height", "8", "--width", "12"])
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.pt", "-o", "x.pa"], "nothing.pt: no such checkpoint"),
        (["FLOAT", "-o", "x.pa"], "must be of a model trained with --hardware"),
        (["MODEL", "-o", "x.pa", "--height", "0"], "--height must be from 1 to 65536, not 0"),
        (["MODEL", "-o", "x.pa", "--width", "wide"], "invalid int value: 'wide'"),
        (["MODEL", "-o", "x.pa", "--layer", "conv9"], "There is no node 'conv9'"),
        (["MODEL"], "required: -o/--output"),
        (["MODEL", "-o", "x.pa", "--data", "."], "--data is for the measured part of --report"),
        (["MODEL", "-o", "x.pa", "--data", ".", "--report", "r", "--limit", "0"], "must be at l"),
        (["MODEL", "-o", "x.pa", "--data", "none", "--report", "r"], "none: no such folder"),
    ],
)
def test_bad_command_lines(arguments, message, checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    places = {"MODEL": str(checkpoint), "FLOAT": str(checkpoint.with_name("float.pt"))}
    with pytest.raises(SystemExit) as caught:
        main([places.get(argument, argument) for argument in arguments])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("split", ["train", "test"])
def test_errors_are_measured_on_a_folder(split, checkpoint, tmp_path):
    for name in ("first", "second"):
        (tmp_path / split / name).mkdir(parents=True)
        image = np.random.default_rng(len(name)).integers(0, 256, (12, 10, 3), np.uint8)
        Image.fromarray(image).save(tmp_path / split / name / "image.png")
    entries = load_checkpoint(checkpoint)
    assert entries["in_channels"] == 3
    report = tmp_path / "report.json"
    command = [str(checkpoint), "-o", str(tmp_path / "x.pa"), "--report", str(report)]
    assert main([*command, "--data", str(tmp_path), "--split", split, "--limit", "1"]) == 0
    content = json.loads(report.read_text())
    assert content["images"] == 1
    assert content["measured"][-1]["node"] == "logits"
    assert pa_artifact.read(tmp_path / "x.pa").node("input").shape_out == (3, 12, 10)
    with pytest.raises(SystemExit):
        main([*command, "--data", str(tmp_path), "--split", split, "--height", "8"])


def test_any_network_is_quantised_on_its_way(tmp_path):
    model, images = residual(), normalised(pixels(seed=3))
    options = {"mean": MEAN, "std": STD, "act_bits": 9}
    network = export_network(model, images, calibration=batches(), phi_bits=6, **options)
    quantised = quantise_for_hardware(model, batches(), phi_bits=6, **options)
    same_networks(network, export_network(quantised, images))
    assert network.node("stages.0.0.add").attributes["bits"] == 9
    # By default the example is what calibrates.
    network = export_network(model, images, tmp_path / "network.pa", **options)
    same_networks(
        network, export_network(quantise_for_hardware(model, [images], **options), images)
    )
    same_networks(network, pa_artifact.read(tmp_path / "network.pa"))
    assert export_network(model, images[0], mean=MEAN, std=STD).node("logits").kind == "add"


def same_networks(left, right):
    assert [node.name for node in left.nodes] == [node.name for node in right.nodes]
    for mine, other in zip(left.nodes, right.nodes, strict=True):
        assert mine.attributes == other.attributes
        for key, value in mine.tensors.items():
            assert np.array_equal(value, other.tensors[key]), (mine.name, key)


def test_batches_bring_their_normalisation():
    labelled = ImageSet(images=pixels(), labels=torch.arange(6) % 3, classes=("0", "1", "2"))
    calibration = Batches(labelled, batch_size=4, mean=MEAN, std=STD)
    network = export_network(residual(), torch.zeros(2, 8, 8), calibration=calibration, act_bits=8)
    assert network.node("conv1").tensors["zero"].tolist() == [73, 115]


def test_networks_without_piecewise_layers_are_8_bit_ones():
    model = ResNet(in_channels=2, classes=3, widths=(4, 6), blocks=(1, 1)).eval()
    images = normalised(pixels(seed=4))
    network = export_network(model, images, mean=MEAN, std=STD, act_bits=12)
    assert not network.of_kind("pa_conv")
    values = golden.run(network, pixels(seed=4), fast=True)["logits"].flatten(1)
    logits = values.double() * float(network.node("logits").tensors["scale"][0])
    with torch.no_grad():
        expected = model(images)
    assert float((logits - expected).abs().max() / expected.abs().max()) < 0.05


def test_the_report_stands_beside_the_network(tmp_path):
    model, report = hardware(), tmp_path / "report.json"
    export_network(model.train(), normalised(pixels()), report=report)
    assert model.training
    content = json.loads(report.read_text())
    assert content["images"] == 6
    assert {row["node"] for row in content["measured"]} >= {"conv1", "fc", "logits"}
    with pytest.raises(ValueError, match=r"Report must not end in \.md"):
        export_network(model, normalised(pixels()), report=tmp_path / "report.md")
