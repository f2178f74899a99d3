"""The command that approximates pre-trained weights without training."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from experiments.results import check
from pa_nn import pretrained
from pa_nn.layers import PAConv2d
from pa_nn.models import build_model
from pa_nn.pretrained import evaluate, main, pretrained_model


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    model = build_model("resnet8", in_channels=3, classes=3)
    path = tmp_path / "weights.pth"
    torch.save(model.state_dict(), path)
    return path


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for name in "abc":
        folder = tmp_path / "sample" / name
        folder.mkdir(parents=True)
        for k in range(2):
            pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{k}.png")
    return tmp_path / "sample"


@pytest.fixture
def run(weights, images, tmp_path, capsys):
    """Runs the command; gives its rows and what it printed."""

    def call(*more):
        given = {"--weights": weights, "--images": images, "--model": "resnet8", "--size": 8}
        argv = [str(part) for pair in given.items() for part in pair]
        path = tmp_path / "rows.json"
        assert main([*argv, "--json", str(path), *more]) == 0
        return json.loads(path.read_text())["runs"], capsys.readouterr()

    return call


def test_labels_are_counted_first_and_among_five():
    logits = torch.tensor([[9.0, 8, 7, 6, 5, 4], [9.0, 8, 7, 6, 5, 4], [9.0, 8, 7, 6, 5, 4]])
    batches = [(logits[:2], torch.tensor([0, 4])), (logits[2:], torch.tensor([5]))]
    assert evaluate(nn.Identity(), batches) == (1, 2)
    assert evaluate(nn.Identity(), [(logits[:, :2], torch.tensor([1, 0, 0]))]) == (2, 3)


def test_weights_and_their_normalisation(weights):
    model, (mean, _) = pretrained_model("resnet8", weights, classes=3)
    assert not model.training
    assert torch.equal(model.conv1.weight, torch.load(weights)["conv1.weight"])
    assert mean == (0.485, 0.456, 0.406)


def test_rows(run, monkeypatch):
    seen = []

    def watch(model, batches):
        seen.append([label for _, labels in batches for label in labels.tolist()])
        return 1, len(seen[-1])

    monkeypatch.setattr(pretrained, "evaluate", watch)
    rows, printed = run("--pieces", "2,4", "--batch-size", "2")
    assert [(row["scheme"], row["m"], row["options"]["batch_norm"]) for row in rows] == [
        (scheme, m, batch_norm)
        for scheme, m in (("full", None), ("pa", 2), ("pa", 4))
        for batch_norm in ("as trained", "re-estimated")
    ]
    # Images in turns of a class: half 1 for the statistics of half 0, half 0 for those of half 1.
    assert seen == 3 * [[0, 1, 2, 0, 1, 2], [1, 0, 2], [0, 2, 1]]
    for row in rows:
        check(row)
    assert [row["top1"] for row in rows] == 3 * [100 / 6, 200 / 6]
    assert {row["full_precision_top1"] for row in rows} == {100 / 6}
    assert {(row["dataset"], row["test_images"], row["epochs"]) for row in rows} == {
        ("sample", 6, 0)
    }
    assert "pa:4,full    batch norm as trained   top-1  16.67 %  top-5 100.00 %" in printed.err + (
        printed.out
    )


def test_the_trained_network_is_left_as_it_is_between_rows(run):
    rows, _ = run("--pieces", "254")
    again, _ = run("--pieces", "254")
    assert [row["top1"] for row in rows] == [row["top1"] for row in again]


def test_choices_are_part_of_rows_and_command(run):
    rows, _ = run(
        "--pieces", "4", "--levels", "channel", "--adapted-only", "--dataset", "a b", "--limit", "4"
    )
    assert [row["options"] for row in rows] == [
        {"batch_norm": "as trained"},
        {"batch_norm": "re-estimated"},
        {"batch_norm": "re-estimated", "levels": "channel"},
    ]
    command = (
        "python -m pa_nn.pretrained --weights weights.pth --images sample --model resnet8 "
        "--size 8 --batch-size 20 --pieces 4 --levels channel --limit 4 --dataset 'a b' "
        "--adapted-only"
    )
    assert {row["command"] for row in rows} == {command}
    assert {row["test_images"] for row in rows} == {4}


@pytest.mark.parametrize(("more", "groups"), [([], 1), (["--levels", "channel"], 16)])
def test_uniform_weights_stand_beside(run, monkeypatch, more, groups):
    levels = []

    def watch(model, batches):
        layer = model.stages[0][0].conv1
        levels.append(layer.alpha.shape if isinstance(layer, PAConv2d) else None)
        return 0, len(list(batches))

    monkeypatch.setattr(pretrained, "evaluate", watch)
    rows, _ = run("--pieces", "", "--uniform", "3", "--adapted-only", *more)
    assert [(row["scheme"], row["m"], row["weight_bits"]) for row in rows] == [
        ("full", None, None),
        ("full", None, None),
        ("lsq", None, 3),
    ]
    assert "--pieces '' --uniform 3" in rows[0]["command"]
    assert levels == [None, None, None, (groups, 8), (groups, 8)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--pieces", "2,3"], "'2,3': M must be an even number from 2 to 254 in training, not 3"),
        (["--pieces", "x"], "'x': invalid literal for int"),
        (["--uniform", "9"], "'9': Weight bits of lsq must be from 2 to 8, not 9"),
        (["--uniform", "3.5"], "'3.5': invalid literal for int"),
        (["--limit", "1"], "--limit must be from 2 to 6, not 1"),
        (["--batch-size", "0"], "--batch-size must be at least 1, not 0"),
        (["--threads", "0"], "--threads must be at least 1, not 0"),
        (["--model", "bottleneck"], "weights of another network"),
    ],
)
def test_bad_input_is_one_line_and_status_2(weights, images, more, message, capsys):
    argv = ["--weights", str(weights), "--images", str(images), "--model", "resnet8", *more]
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_other_classes_are_refused(weights, images, capsys):
    (images / "d").mkdir()
    (images / "a" / "0.png").rename(images / "d" / "0.png")
    with pytest.raises(SystemExit):
        main(["--weights", str(weights), "--images", str(images), "--model", "resnet8"])
    assert "weights.pth: is for 3 classes, not 4" in capsys.readouterr().err


def documented(runs):
    """The lines of the documentation's table: a scheme each, as trained and re-estimated."""
    found = {}
    for row in runs:
        levels = row["options"].get("levels", "means")
        key = (row["scheme"], row["m"], row["weight_bits"], levels)
        found.setdefault(key, {})[row["options"]["batch_norm"]] = f"{row['top1']:.2f}"
    how = {
        ("full", "means"): "",
        ("pa", "means"): "means of fixed pieces, as the paper's",
        ("pa", "channel"): "least squared error for each channel",
        ("lsq", "means"): "even, least squared error for the layer",
    }
    for (scheme, m, bits, levels), top1 in found.items():
        weights = {"full": "full precision", "pa": f"M = {m}", "lsq": f"{bits} bits, uniform"}
        cells = [top1.get(name, "") for name in ("as trained", "re-estimated")]
        yield f"| {weights[scheme]} | {how[scheme, levels]} | {' | '.join(cells)} |"


def test_the_documented_figures_are_the_measured_ones():
    root = Path(__file__).resolve().parents[1]
    runs = json.loads((root / "sw" / "experiments" / "backbones.json").read_text())["runs"]
    for row in runs:
        check(row)
    text = (root / "docs" / "backbones.md").read_text()
    expected = list(documented(runs))
    assert [line for line in text.splitlines() if line in expected] == expected
    assert all(row["command"] in text for row in runs)
