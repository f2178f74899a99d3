"""The files of the embedded network, made from checkpoints, and what is in the project."""

import gzip
import struct

import numpy as np
import pytest
import torch

import pa_artifact
from pa_nn import convert, golden
from pa_nn.checkpoint import load_checkpoint, model_entries, restore_model, save_checkpoint
from pa_nn.data import Batches, load_folder
from pa_nn.embedded import Embedded, embed, load_stages, main
from pa_nn.hardware import quantise_for_hardware, restore_hardware
from pa_nn.models import build_model

MEAN, STD = (0.25,), (0.5,)
SIZE = 12


def write_idx(path, array):
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    with gzip.open(path, "wb") as file:
        file.write(header + array.tobytes())


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A data folder and the checkpoints of three stages, all tiny."""
    folder = tmp_path_factory.mktemp("sources")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, SIZE, SIZE), dtype=np.uint8)
    labels = (np.arange(70) % 10).astype(np.uint8)
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images)
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", labels)
    torch.manual_seed(0)
    full = build_model("resnet8", in_channels=1, classes=10).eval()
    pa = convert(full, 2, 2)
    pixels = torch.from_numpy(images[:4]).unsqueeze(1).float()
    calibration = [((pixels / 255 - MEAN[0]) / STD[0], torch.from_numpy(labels[:4]))]
    quantised = quantise_for_hardware(pa, calibration, mean=MEAN, std=STD, act_bits=8).eval()
    about = {"name": "resnet8", "in_channels": 1, "classes": 10, "mean": MEAN, "std": STD}
    for name, model in (("full", full), ("pa", pa), ("hardware", quantised)):
        save_checkpoint(folder / f"{name}.pt", {**model_entries(model, **about), "epoch": 3})
    return folder


@pytest.fixture(scope="module")
def embedded(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded")
    paths = {name: sources / f"{name}.pt" for name in ("full", "pa", "hardware")}
    embed(folder, data=sources, **paths)
    return Embedded(folder)


def test_images_are_the_first_64_of_the_test_set(sources, embedded):
    known, own = load_folder(sources, "test").take(64), load_folder(embedded.folder, "test")
    assert torch.equal(own.images, known.images)
    assert torch.equal(own.labels, known.labels)


def test_the_checkpoint_holds_three_stages(embedded):
    stages = load_stages(embedded.checkpoint)
    assert list(stages) == ["full_precision", "pa_float", "pa_integer"]
    assert not stages["full_precision"]["pa"]
    assert len(stages["pa_float"]["pa"]) == 8
    assert not any("epoch" in stage for stage in stages.values())
    restore_model(stages["pa_float"])
    restore_hardware(stages["pa_integer"])


def test_the_artifact_is_the_checkpoints(embedded, tmp_path):
    from pa_nn.export import main as export

    command = [str(embedded.checkpoint), "-o", str(tmp_path / "again.pa")]
    export([*command, "--height", str(SIZE), "--width", str(SIZE)])
    assert (tmp_path / "again.pa").read_bytes() == embedded.artifact.read_bytes()


def test_a_checkpoint_without_stages_is_refused(sources):
    with pytest.raises(ValueError, match="must hold the stages full_precision, pa_float"):
        load_stages(sources / "full.pt")


def test_command_line(sources, tmp_path, capsys):
    command = [f"--{name}={sources / name}.pt" for name in ("full", "pa", "hardware")]
    assert main([*command, "--data", str(sources), "--out", str(tmp_path / "new")]) == 0
    assert len(list((tmp_path / "new").iterdir())) == 4
    with pytest.raises(SystemExit) as caught:
        main([*command, "--data", str(tmp_path / "none"), "--out", str(tmp_path / "other")])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "none: no such folder" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "other").exists()


@pytest.mark.skipif(not Embedded().artifact.is_file(), reason="not made yet")
def test_the_embedded_network_of_the_project():
    """Checkpoint, artifact and images belong together: same integers, same logits, good answers."""
    own = Embedded()
    model = restore_hardware(load_checkpoint(own.checkpoint))
    network = pa_artifact.read(own.artifact)
    lowered, _ = model.lower(tuple(network.node("input").shape_out))
    for left, right in zip(network.nodes, lowered.nodes, strict=True):
        for key, value in left.tensors.items():
            assert np.array_equal(value, right.tensors[key]), (left.name, key)
    test = load_folder(own.folder, "test")
    assert len(test) == 64
    logits = golden.run(network, test.images, fast=True)["logits"].flatten(1)
    assert int((logits.argmax(1) == test.labels).sum()) >= 56
    scale = float(network.node("logits").tensors["scale"][0])
    batches = Batches(test, batch_size=64, mean=model.mean, std=model.std)
    with torch.no_grad():
        (actual,) = (model(images) for images, _ in batches)
    assert torch.equal(actual, (logits.double() * scale).float())
    assert {node.attributes["m"] for node in network.of_kind("pa_conv")} == {4}
    assert {node.attributes["n"] for node in network.of_kind("pa_conv")} == {5}
    assert len(network.of_kind("pa_conv")) == 8
