"""The command line of training: stages, and errors in one line."""

import csv
import gzip
import shutil
from pathlib import Path

import pytest
import torch
from train_processes import start, statuses, train_until

from pa_nn.checkpoint import load_checkpoint, restore_model
from pa_nn.data import load_folder
from pa_nn.models import build_model
from pa_nn.train import _parser, _trainer, main

EMBEDDED = Path(__file__).resolve().parents[1] / "sim" / "data"
QUICK = ["--epochs", "1", "--batch-size", "8", "--warmup", "0", "--limit", "16", "--lr", "0.01"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The embedded test images, as a training set too."""
    folder = tmp_path_factory.mktemp("data")
    for source in EMBEDDED.glob("t10k-*"):
        shutil.copy(source, folder / source.name)
        shutil.copy(source, folder / source.name.replace("t10k", "train"))
    return folder


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_full_precision_then_pa_then_hardware(data, tmp_path, capsys):
    full, pa, hardware = (tmp_path / name for name in ("full", "pa", "hardware"))
    common = ["--data", str(data), *QUICK]
    assert main([*common, "--out", str(full), "--threads", "1"]) == 0
    assert load_checkpoint(full / "model.pt")["pa"] == {}
    start = ["--init", str(full / "model.pt"), "--M", "4", "--N", "5", "--lambda-w", "10"]
    assert main([*common, *start, "--out", str(pa)]) == 0
    model = restore_model(load_checkpoint(pa / "model.pt"))
    assert (model.stages[0][0].conv1.m, model.stages[0][0].conv1.lambda_w) == (4, 10.0)
    start = ["--init", str(pa / "model.pt"), "--hardware"]
    assert main([*common, *start, "--out", str(hardware)]) == 0
    with (hardware / "log.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "1"
    capsys.readouterr()
    # A finished run has nothing left to do.
    assert main([*common, *start, "--out", str(hardware), "--resume"]) == 0


def test_a_run_starts_from_pretrained_weights(data, tmp_path):
    weights = tmp_path / "weights.pth"
    stored = build_model("resnet8", in_channels=1, classes=10)
    torch.save(stored.state_dict(), weights)
    arguments = ["--data", str(data), "--out", str(tmp_path), "--weights", str(weights)]
    trainer = _trainer(_parser().parse_args(arguments))
    for key, value in trainer.model.state_dict().items():
        assert torch.equal(value.cpu(), stored.state_dict()[key]), key
    # Grey images keep the normalisation that follows from them.
    assert trainer.about["mean"] == load_folder(data, "train").statistics()[0]


def test_short_and_long_spelling_of_pa_start_alike(data, tmp_path):
    common = ["--data", str(data), "--out", str(tmp_path), "--limit", "16", "--lambda-w", "2"]
    models = [
        _trainer(_parser().parse_args([*common, *spelling])).model.state_dict()
        for spelling in (["--M", "4", "--N", "5"], ["--scheme", "pa:4,5"])
    ]
    assert models[0].keys() == models[1].keys()
    assert all(torch.equal(models[0][key], models[1][key]) for key in models[0])


@pytest.mark.usefixtures("threads")
def test_held_out_images_take_the_place_of_the_test_set(data, tmp_path):
    trainer = _trainer(
        _parser().parse_args(
            ["--data", str(data), "--out", str(tmp_path), "--hold-out", "8", "--limit", "40"]
        )
    )
    images = load_folder(data, "train").images
    assert torch.equal(trainer.train.set.images, images[:40])
    assert torch.equal(trainer.test.set.images, images[-8:])


def refuse(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("pa_nn.train: ")
    return err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--M", "3", "--N", "5"], "M must be an even number from 2 to 254 in training, not 3"),
        (["--M", "0"], "not 0"),
        (["--M", "4", "--N", "0"], "N must be from 1 to 255, not 0"),
        (["--M", "four"], "argument --M: invalid int value: 'four'"),
        (["--N", "5"], "--N 5 needs --M"),
        (["--M", "4", "--N", "5", "--lambda-a", "-1"], "lambda_a must be positive and finite"),
        (["--lambda-w", "1"], "--lambda-w needs --M or --scheme pa:M,N"),
        (["--scheme", "full", "--levels", "trained"], "--levels needs --M or --scheme pa:M,N"),
        (["--M", "4", "--endpoints=-1,1"], "Endpoints must be 4 finite ascending numbers"),
        (["--scheme", "vgg"], "Scheme must be one of full, pa:M,N"),
        (["--scheme", "pa:4,5", "--M", "4"], "--M 4 is no part of --scheme pa:4,5: give one"),
        (["--scheme", "pa:4,5", "--hardware", "--init", "x"], "--hardware needs --init"),
        (["--act-bits", "8"], "--act-bits 8 needs --hardware"),
        (["--M", "4", "--N", "5", "--lambda-delta", "nan"], "lambda_delta must be positive"),
        (["--epochs", "0"], "epochs must be at least 1, not 0"),
        (["--threads", "0"], "--threads must be at least 1, not 0"),
        (["--limit", "0"], "--limit must be at least 1, not 0"),
        (["--hold-out", "64"], "Held-out images must be from 1 to 63, not 64"),
        (["--hardware"], "--hardware needs --init"),
        (["--init", "nowhere.pt"], "nowhere.pt: no such checkpoint"),
        (["--weights", "nowhere.pth"], "nowhere.pth: no such file"),
        (["--weights", "a.pth", "--init", "b.pt"], "--weights a.pth and --init b.pt: give one of"),
        (["--resume"], "holds no run to resume"),
        (["--model", "vgg"], "invalid choice: 'vgg'"),
        (["--workers", "2"], "--workers 2 needs "),
        (["--image-size", "64"], "to hold train, val"),
        (["--bogus"], "unrecognized arguments: --bogus"),
        (["--data", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(data, tmp_path, capsys, arguments, message):
    out = tmp_path / "out"
    assert message in refuse(capsys, "--data", data, "--out", out, "--limit", 4, *arguments)
    assert not out.exists()


def test_a_folder_that_holds_a_run_is_not_overwritten(data, tmp_path, capsys):
    (tmp_path / "last.pt").write_bytes(b"precious")
    message = refuse(capsys, "--data", data, "--out", tmp_path)
    assert "holds a run already: give --resume or another --out" in message
    assert "cannot be read" in refuse(capsys, "--data", data, "--out", tmp_path, "--resume")
    assert (tmp_path / "last.pt").read_bytes() == b"precious"


def test_test_images_of_unknown_classes_are_refused(data, tmp_path, capsys):
    other = shutil.copytree(data, tmp_path / "data")
    labels = gzip.decompress((other / "train-labels-idx1-ubyte.gz").read_bytes())
    few = labels[:8] + bytes(min(label, 3) for label in labels[8:])
    (other / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(few))
    message = refuse(capsys, "--data", other, "--out", tmp_path / "out")
    assert f"{other}: test images of class 4, which has none to train on" in message


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_run_resumes_to_the_result_of_an_unbroken_one(data, tmp_path, moment):
    command = ["--data", str(data), *QUICK, "--epochs", "2", "--scheme", "pa:4,5", "--out"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    broken = [*command, str(tmp_path / "broken")]
    killed = start(train_until, 2, moment, broken, errors=tmp_path / "log")
    assert statuses(killed) == [-9]
    assert load_checkpoint(tmp_path / "broken" / "last.pt")["epoch"] == (moment == "after") + 1
    assert main([*broken, "--resume"]) == 0
    expected, found = (
        load_checkpoint(tmp_path / name / "model.pt")["model"] for name in ("whole", "broken")
    )
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused(data, tmp_path, capsys):
    message = refuse(capsys, "--data", data, "--out", tmp_path, "--device", "cuda")
    assert "PyTorch finds no CUDA device" in message


def test_a_checkpoint_of_another_network_is_refused(data, tmp_path, capsys):
    assert main(["--data", str(data), "--out", str(tmp_path / "a"), *QUICK]) == 0
    capsys.readouterr()
    entries = load_checkpoint(tmp_path / "a" / "model.pt")
    torch.save({**entries, "classes": 3}, tmp_path / "other.pt")
    arguments = ["--data", data, "--out", tmp_path / "b", "--init", tmp_path / "other.pt"]
    assert "has classes 3, not 10" in refuse(capsys, *arguments)


def test_a_diverging_run_ends_with_one_line(data, tmp_path, capsys):
    arguments = ["--data", str(data), "--out", str(tmp_path), *QUICK, "--epochs", "9"]
    assert main([*arguments, "--lr", "1e30"]) == 1
    err = capsys.readouterr().err.splitlines()
    assert "Loss is " in err[-1]
    assert "Traceback" not in "".join(err)
