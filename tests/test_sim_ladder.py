"""The ladder's command line and its table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import pa_artifact
from pa_nn.checkpoint import load_checkpoint, save_checkpoint
from pa_nn.data import load_folder
from sim.build import BuildError
from sim.ladder import climb, main, table

DATA = Path(__file__).resolve().parents[1] / "sim" / "data"
FILES = [str(DATA / "resnet8.pa"), "--checkpoint", str(DATA / "resnet8.pt"), "--data", str(DATA)]
FEW = ["--images", "8", "--layer-images", "2", "--rtl", "0"]


def run(tmp_path, capsys, *arguments):
    """Exit status, report and output."""
    report = tmp_path / "ladder.json"
    status = main([*arguments, "--report", str(report)])
    return status, json.loads(report.read_text()), capsys.readouterr().out


def test_each_step_of_the_embedded_network(tmp_path, capsys):
    status, report, out = run(tmp_path, capsys, *FILES, *FEW)
    assert status == 0
    assert report["name"] == "resnet8"
    steps = report["steps"]
    names = ["full_precision", "pa_float", "pa_float_tuned", "integer"]
    assert [row["step"] for row in steps] == names
    assert all(row["images"] == 8 and row["top1"] >= 75 for row in steps)
    assert [row["agreement"] is None for row in steps] == [True, False, False, False]
    approximation, rounding = report["layers"]
    assert [row["layer"] for row in approximation["rows"]][-1] == "fc"
    assert (rounding["before"], rounding["after"]) == ("pa_float_tuned", "integer")
    assert [row["node"] for row in rounding["rows"]][-1] == "logits"
    assert rounding["images"] == 2
    assert "full_precision        8" in out
    assert out.endswith("rounding explains every difference of the integers\n")


def test_a_hardware_checkpoint_alone_has_two_steps(tmp_path, capsys):
    entries = load_checkpoint(DATA / "resnet8.pt")
    del entries["stages"]
    save_checkpoint(tmp_path / "alone.pt", entries)
    files = [FILES[0], "--checkpoint", str(tmp_path / "alone.pt"), "--data", str(DATA)]
    _, report, _ = run(tmp_path, capsys, *files, "--images", "2", "--rtl", "0")
    assert [row["step"] for row in report["steps"]] == ["pa_float", "integer"]
    assert len(report["layers"]) == 1


def test_an_untrained_last_stage_is_no_step_of_its_own(tmp_path, capsys):
    entries = load_checkpoint(DATA / "resnet8.pt")
    model = entries["model"]
    floats = {key[6:]: value for key, value in model.items() if key.startswith("model.")}
    entries["stages"]["pa_float"]["model"] = floats
    save_checkpoint(tmp_path / "same.pt", entries)
    files = [FILES[0], "--checkpoint", str(tmp_path / "same.pt"), "--data", str(DATA)]
    _, report, _ = run(tmp_path, capsys, *files, "--images", "2", "--rtl", "0")
    assert [row["step"] for row in report["steps"]] == ["full_precision", "pa_float", "integer"]


def test_a_broken_network_is_named_and_gives_status_1(tmp_path, capsys):
    network = pa_artifact.read(FILES[0])
    node = network.node("stages.1.0.add.1")
    broken = replace(node, tensors={**node.tensors, "mult": node.tensors["mult"] // 2})
    nodes = tuple(broken if n is node else n for n in network.nodes)
    pa_artifact.write(tmp_path / "broken.pa", replace(network, nodes=nodes))
    status, report, out = run(tmp_path, capsys, str(tmp_path / "broken.pa"), *FILES[1:], *FEW)
    assert status == 1
    assert report["name"] == "broken"
    assert report["beyond_rounding"] == "stages.1.0.add.1"
    last = "stages.1.0.add.1: the first node that differs by more than rounding explains\n"
    assert out.endswith(last)


def test_hardware_is_the_last_step():
    network = pa_artifact.read(DATA / "resnet8.pa")
    entries = load_checkpoint(DATA / "resnet8.pt")
    test = load_folder(DATA, "test").take(6)
    stages = {"pa_integer": entries}

    def right(network, images):
        return 10 * len(images), 0, ()

    options = {"layer_images": 1, "rtl_images": 4}
    result = climb(network, stages, test, simulate=right, **options)
    last = result["steps"][-1]
    assert (last["step"], last["images"], last["agreement"]) == ("rtl", 4, 100.0)
    assert table(result).endswith("hardware: 4 images, 40 logits, 0 mismatches")

    def wrong(network, images):
        differs = any(node.name == "stages.0.0.conv2" for node in network.nodes)
        return 7, int(differs), ("mismatches: 1",) * differs

    result = climb(network, stages, test, simulate=wrong, **options)
    assert [row["step"] for row in result["steps"]] == ["pa_float", "integer"]
    assert result["rtl"]["node"] == "stages.0.0.conv2"
    last = "stages.0.0.conv2: the first node that differs in hardware"
    assert table(result).endswith(f"{last} (4 images, 7 logits, 1 mismatches)")


def test_verilog_that_a_simulator_refuses_gives_status_1(tmp_path, monkeypatch, capsys):
    def refused(self, network, images):
        raise BuildError("verilator: see build.log")

    monkeypatch.setattr("sim.ladder_rtl.Simulation.__call__", refused)
    files = [*FILES, "--images", "1", "--report", str(tmp_path / "ladder.json")]
    assert main(files) == 1
    assert capsys.readouterr().err == "verilator: see build.log\n"
    assert not (tmp_path / "ladder.json").exists()


def refuse(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_negative_number_of_images_is_refused(capsys):
    assert "--rtl must be at least 0, not -1" in refuse(capsys, *FILES, "--rtl", "-1")


def test_files_that_do_not_belong_together_are_refused(tmp_path, capsys):
    assert "none: no such folder" in refuse(capsys, *FILES[:4], str(tmp_path / "none"))
    entries = load_checkpoint(DATA / "resnet8.pt")
    full = tmp_path / "full.pt"
    save_checkpoint(full, entries["stages"]["full_precision"])
    error = refuse(capsys, FILES[0], "--checkpoint", str(full), *FILES[3:])
    assert "must be of a model trained with --hardware" in error
    images = tmp_path / "images"
    (images / "test" / "a").mkdir(parents=True)
    from PIL import Image

    Image.new("L", (9, 9)).save(images / "test" / "a" / "0.png")
    error = refuse(capsys, *FILES[:3], "--data", str(images))
    assert "Images must have shape (1, 28, 28), not (1, 9, 9)" in error
