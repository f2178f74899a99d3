"""Approximation without training: no labels, the same treatment of both kinds of levels."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from experiments.results import check
from pa_nn.checkpoint import model_entries, save_checkpoint
from pa_nn.models import build_model
from pa_nn.post_training import RULES, Setting, approximate_without_training, main
from pa_nn.schemes import Scheme

EMBEDDED = Path(__file__).resolve().parents[1] / "sim" / "data"
ABOUT = {"name": "resnet8", "in_channels": 1, "classes": 10, "mean": (0.3,), "std": (0.35,)}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The embedded test images, as a training set too."""
    folder = tmp_path_factory.mktemp("data")
    for source in EMBEDDED.glob("t10k-*"):
        shutil.copy(source, folder / source.name)
        shutil.copy(source, folder / source.name.replace("t10k", "train"))
    return folder


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("full") / "model.pt"
    model = build_model("resnet8", in_channels=1, classes=10)
    save_checkpoint(path, model_entries(model, **ABOUT))
    return path


@pytest.mark.parametrize(
    ("scheme", "levels", "pieces"),
    [
        ("pa:6,7", "means", (6, 7)),
        ("pa:4,full", "channel", (4, None)),
        ("pa:2,3", "layer", (2, 3)),
        ("lsq:3,2", "layer", (8, 3)),
        ("lsq:2,full", "channel", (4, None)),
    ],
)
def test_settings_become_layers(scheme, levels, pieces):
    model = build_model("resnet8", in_channels=1, classes=10).eval()
    setting = Setting(scheme=Scheme.parse(scheme), levels=levels)
    images = [torch.rand(4, 1, 12, 12)]
    layer = approximate_without_training(model, setting, images).stages[0][0].conv2
    assert (layer.m, layer.n) == pieces
    assert layer.levels == {"layer": "trained"}.get(levels, levels)


def test_rows_and_table(data, full, tmp_path, capsys):
    out = tmp_path / "rows.json"
    arguments = ["--data", data, "--init", full, "--scheme", "pa:2,3", "lsq:2,2", "--seeds", "1"]
    arguments += ["--calibration", "16", "--limit", "20", "--both", "--json", out]
    assert main([str(argument) for argument in arguments]) == 0
    rows = json.loads(out.read_text())["runs"]
    assert len(rows) == 2 * (len(RULES["pa"]) + len(RULES["lsq"]))
    for row in rows:
        check(row)
        assert (row["train_images"], row["test_images"], row["epochs"]) == (16, 20, 0)
        assert row["protocol"] == "post-training"
    assert {(row["scheme"], row["m"], row["weight_bits"]) for row in rows} == {
        ("pa", 2, None),
        ("lsq", None, 2),
    }
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("full precision: ")
    assert len(lines) == 1 + len(rows)
    assert sum("batch normalisation as it was" in line for line in lines) == len(rows) / 2


def test_the_same_seed_gives_the_same_rows(data, full, tmp_path):
    results = []
    for name in ("a", "b"):
        arguments = ["--data", data, "--init", full, "--scheme", "pa:2,3", "--seeds", "1"]
        arguments += ["--calibration", "8", "--limit", "20", "--json", tmp_path / name]
        main([str(argument) for argument in arguments])
        rows = json.loads((tmp_path / name).read_text())["runs"]
        results.append([{**row, "seconds": 0} for row in rows])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("scheme", "levels", "message"),
    [
        ("xnor", "layer", "Scheme must be pa or lsq, not xnor"),
        ("pa:4,5", "trained", "Levels of pa:4,5 must be means, layer, channel, not 'trained'"),
        ("lsq:2,2", "means", "Levels of lsq:2,2 must be layer, channel, not 'means'"),
    ],
)
def test_other_settings_are_refused(scheme, levels, message):
    with pytest.raises(ValueError, match=message):
        Setting(scheme=Scheme.parse(scheme), levels=levels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scheme", "bwn"], "--scheme must be pa:M,N or lsq:W,A, not bwn"),
        (["--scheme", "pa:3,5"], "M must be an even number"),
        (["--scheme", "lsq:8,8", "--limit", "2"], "Activation bits must be from 1 to 7, not 8"),
        (["--calibration", "0"], "--calibration must be at least 1, not 0"),
        (["--seeds", "0"], "--seeds must be at least 1, not 0"),
        (["--init", "nowhere.pt"], "nowhere.pt: no such checkpoint"),
        (["--init", str(EMBEDDED / "resnet8.pt")], "is approximated already"),
        (["--data", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_bad_input_is_one_line(data, full, capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(["--data", str(data), "--init", str(full), "--seeds", "1", *arguments])
    assert caught.value.code == 2
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith("pa_nn.post_training: ")
    assert message in err[-1]
