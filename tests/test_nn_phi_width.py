"""Accuracy against the width of phi, in the integers of hardware."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from experiments.results import check
from pa_nn import convert
from pa_nn.checkpoint import model_entries, save_checkpoint
from pa_nn.models import build_model
from pa_nn.phi_width import main, pieces_of

EMBEDDED = Path(__file__).resolve().parents[1] / "sim" / "data"
ABOUT = {"name": "resnet8", "in_channels": 1, "classes": 10, "mean": (0.3,), "std": (0.35,)}


def network():
    torch.manual_seed(0)
    return build_model("resnet8", in_channels=1, classes=10)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Images, and checkpoints of a network in full precision and approximated."""
    folder = tmp_path_factory.mktemp("files")
    for source in EMBEDDED.glob("t10k-*"):
        shutil.copy(source, folder / source.name)
        shutil.copy(source, folder / source.name.replace("t10k", "train"))
    save_checkpoint(folder / "full.pt", model_entries(network(), **ABOUT))
    save_checkpoint(folder / "pa.pt", model_entries(convert(network(), 4, 5), **ABOUT))
    save_checkpoint(folder / "real.pt", model_entries(convert(network(), 4, None), **ABOUT))
    return folder


def arguments(files, *more):
    base = ["--data", files, "--init", files / "pa.pt", "--full", files / "full.pt"]
    return [str(argument) for argument in (*base, "--limit", 8, *more)]


def test_a_row_for_each_width(files, tmp_path, capsys):
    out = tmp_path / "rows.json"
    assert main(arguments(files, "--bits", 16, 6, "--json", out)) == 0
    rows = json.loads(out.read_text())["runs"]
    for row in rows:
        check(row)
    assert [(row["phi_bits"], row["m"], row["n"]) for row in rows] == [(16, 4, 5), (6, 4, 5)]
    lines = capsys.readouterr().out.splitlines()
    assert "PA (4, 5) in floats" in lines[0]
    assert [line.partition(":")[0] for line in lines[1:]] == ["phi of 16 bits", "phi of  6 bits"]


def test_layers_must_share_their_pieces():
    assert pieces_of(convert(network(), 4, 5)) == (4, 5)
    mixed = convert(network(), 4, 5, per_layer={"stages.0.0.conv1": (2, 5)})
    with pytest.raises(ValueError, match=r"share one pair of M and N, not \[\(2, 5\), \(4, 5\)\]"):
        pieces_of(mixed)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--bits", "1"], "--bits must be from 2 to 16, not 1"),
        (["--bits", "17"], "--bits must be from 2 to 16, not 17"),
        (["--limit", "0"], "--limit must be at least 1, not 0"),
        (["--act-bits", "40"], "act_bits must be from 2 to 16, not 40"),
        (["--full", "nowhere.pt"], "nowhere.pt: no such checkpoint"),
        (["--init", "{files}/real.pt"], "Activations must be approximated too"),
        (["--init", "{files}/full.pt"], "share one pair of M and N, not []"),
    ],
)
def test_bad_input_is_one_line(files, capsys, more, message):
    more = [argument.format(files=files) for argument in more]
    with pytest.raises(SystemExit) as caught:
        main(arguments(files, *more))
    assert caught.value.code == 2
    err = capsys.readouterr().err.splitlines()
    assert err[-1].startswith("pa_nn.phi_width: ")
    assert message in err[-1]
