"""The files of the embedded network, made from checkpoints, and what is in the project."""

import gzip
import shutil
import struct

import numpy as np
import pytest
import torch
from PIL import Image

import pa_artifact
from pa_nn import convert, golden
from pa_nn.checkpoint import load_checkpoint, model_entries, restore_model, save_checkpoint
from pa_nn.data import Batches, load_folder
from pa_nn.embedded import Embedded, embed, load_stages, main, quantised_entries
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


def stages_of(folder):
    return {name: load_checkpoint(folder / f"{name}.pt") for name in ("full", "pa", "hardware")}


@pytest.fixture(scope="module")
def embedded(sources, tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedded")
    embed(Embedded(folder), data=sources, **stages_of(sources))
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


def test_checkpoints_of_different_networks_are_refused(sources, tmp_path):
    stages = stages_of(sources)
    stages["pa"]["mean"] = (0.5,)
    with pytest.raises(ValueError, match=r"pa_float: must have mean \(0\.25,\) as full_precision"):
        embed(Embedded(tmp_path / "new"), size=(8, 8), **stages)
    assert not (tmp_path / "new").exists()


def test_coloured_images_are_not_written(sources, tmp_path):
    colour = np.zeros((6, 6, 3), np.uint8)
    (tmp_path / "test" / "a").mkdir(parents=True)
    Image.fromarray(colour).save(tmp_path / "test" / "a" / "0.png")
    with pytest.raises(ValueError, match="only grey images are written, not of 3 channels"):
        embed(Embedded(tmp_path / "new"), data=tmp_path, **stages_of(sources))


def test_neither_images_nor_their_size(sources, tmp_path):
    with pytest.raises(ValueError, match="Either a folder of images or their size must be given"):
        embed(Embedded(tmp_path / "new"), **stages_of(sources))


def test_a_network_without_images(sources, tmp_path):
    """The last stage quantised, not trained; the embedded images calibrate."""
    for name in ("images-idx3", "labels-idx1"):
        shutil.copy(sources / f"t10k-{name}-ubyte.gz", tmp_path / f"train-{name}-ubyte.gz")
    command = [f"--{name}={sources / name}.pt" for name in ("full", "pa")]
    command += ["--model-name=other", "--size=16", "--act-bits=9", f"--calibration={tmp_path}"]
    assert main([*command, "--out", str(tmp_path / "new")]) == 0
    place = Embedded(tmp_path / "new", "other")
    assert sorted((tmp_path / "new").iterdir()) == [place.artifact, place.checkpoint]
    network = pa_artifact.read(place.artifact)
    assert tuple(network.node("input").shape_out) == (1, 16, 16)
    stages = load_stages(place.checkpoint)
    assert restore_hardware(stages["pa_integer"]).widths.act_bits == 9
    again = quantised_entries(load_checkpoint(sources / "pa.pt"), tmp_path, 9)
    assert torch.equal(again["model"]["ranges"], stages["pa_integer"]["model"]["ranges"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "either --data with images or --size of an image must be given"),
        (["--data", "d", "--size", "8"], "either --data with images or --size of an image"),
        (["--size", "0"], "--size must be from 1 to 65536, not 0"),
        (["--size", "8", "--act-bits", "8"], "--act-bits 8 needs --calibration"),
    ],
)
def test_bad_commands(options, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(options)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


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
