"""Checkpoints come back as they were, and nothing else is taken for one."""

import os

import pytest
import torch

from pa_nn import build_model, convert
from pa_nn.checkpoint import load_checkpoint, model_entries, restore_model, save_checkpoint

ABOUT = {"name": "resnet8", "in_channels": 1, "classes": 4, "mean": (0.3,), "std": (0.4,)}


def pa_model():
    torch.manual_seed(0)
    model = build_model("resnet8", in_channels=1, classes=4)
    return convert(model, 4, 5, per_layer={"stages.2.0.conv2": (8, None)}, lambda_w=3.0)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "deep" / "model.pt"
    save_checkpoint(path, model_entries(pa_model(), **ABOUT))
    return path


def test_round_trip(path):
    model = restore_model(load_checkpoint(path))
    expected = pa_model().eval()
    assert repr(model) == repr(expected)
    assert model.stages[0][0].conv1.lambda_w == 3.0
    x = torch.rand(2, 1, 28, 28)
    assert torch.equal(model(x), expected(x))
    assert not model.training


def test_full_precision_round_trip(tmp_path):
    model = build_model("resnet8", in_channels=1, classes=4)
    save_checkpoint(tmp_path / "full.pt", model_entries(model, **ABOUT))
    assert repr(restore_model(load_checkpoint(tmp_path / "full.pt"))) == repr(model)


def test_files_older_than_other_schemes_are_read(path):
    damage(path, rivals=None)
    entries = load_checkpoint(path)
    assert entries["rivals"] == {}
    assert repr(restore_model(entries)) == repr(pa_model().eval())


def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, ABOUT)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.pt"]


def damage(path, **changes):
    entries = {**load_checkpoint(path), **changes}
    torch.save({key: value for key, value in entries.items() if value is not None}, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema 2, only up to 1 is understood"),
        ({"model": None}, "it has no 'model' of type dict"),
        ({"name": 5}, "it has no 'name' of type str"),
        ({"rivals": ["bwn"]}, "its 'rivals' are no dict"),
    ],
)
def test_foreign_and_newer_files_are_refused(path, changes, message):
    damage(path, **changes)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("size", [0, 10, 1000])
def test_truncated_files_are_refused_in_one_line(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="cannot be read as a checkpoint") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


class Malicious:
    """Runs a command when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


def test_a_checkpoint_runs_no_code(path, tmp_path):
    torch.save({**ABOUT, "model": Malicious(tmp_path / "ran")}, path)
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        load_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_other_contents_are_refused(path):
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="not a checkpoint but a list"):
        load_checkpoint(path)
    with pytest.raises(ValueError, match="no such checkpoint"):
        load_checkpoint(path.with_name("nothing"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": 5}, "Checkpoint does not fit resnet8: .*fc.weight"),
        ({"name": "vgg"}, "Model must be one of"),
        ({"pa": {"nowhere": {"m": 4, "n": 5}}}, "layer at 'nowhere'"),
        ({"pa": {"conv1": {"m": 3, "n": 5}}}, "even number"),
        ({"rivals": {"nowhere": "bwn"}}, "layer at 'nowhere'"),
        ({"rivals": {"conv1": "bwn:2"}}, "Scheme must be spelled as one of .*, not 'bwn:2'"),
        ({"rivals": {"conv1": "lsq:3,3"}}, "Checkpoint does not fit resnet8: .*conv1.weight_rule"),
    ],
)
def test_contradictions_are_refused_in_one_line(path, changes, message):
    entries = {**load_checkpoint(path), **changes}
    with pytest.raises(ValueError, match=message) as caught:
        restore_model(entries)
    assert "\n" not in str(caught.value)
