"""Whole networks from the command line."""

import json
import re
from pathlib import Path

import pytest
from pa_networks import residual_network

import pa_artifact
from pa_hdl import gen


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder with a tiny network."""
    monkeypatch.chdir(tmp_path)
    pa_artifact.write("net.pa", residual_network(channels=4))
    return tmp_path


def run(line):
    gen.main(line.split())


def complaint(capsys, line):
    with pytest.raises(SystemExit) as stop:
        gen.main(line.split())
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert not Path("build").exists()
    return err


def test_a_folder_with_everything_is_written(folder, capsys):
    gen.main(
        ["--network", "net.pa", "--fps", "50000", "--clock", "100", "--name", "tiny", "-o", "out"]
    )
    assert "tiny: wrote" in capsys.readouterr().out
    facts = json.loads(Path("out/tiny.json").read_text())
    written = {path.name for path in Path("out").iterdir()}
    assert written == {
        *(*facts["verilog"], *facts["files"]),
        *("tiny.json", "folding.json", "report.md", "report.svg"),
    }
    assert facts["cycles_per_image"] <= 2000
    # The folding that was written asks for the same hardware.
    gen.main(
        ["--network", "net.pa", "--folding", "out/folding.json", "--name", "tiny", "-o", "again"]
    )
    for name in facts["verilog"]:
        assert Path("again", name).read_text() == Path("out", name).read_text()


def test_engines_take_the_cheapest_datapath_in_cells_of_a_device(folder, capsys):
    run("--network net.pa --fps 50000 --datapath auto --target xc7 --name tiny -o out")
    facts = json.loads(Path("out/tiny.json").read_text())
    assert facts["simulation_models"] == ["tiny_cells.v"]
    assert "module LUT6_2" in Path("out/tiny_cells.v").read_text()
    chosen = {node["datapath"] for node in facts["nodes"] if node["kind"] == "pa_conv"}
    assert "popcount" not in chosen
    assert facts["totals"]["luts"] > 0


def test_a_budget_is_kept(folder, capsys):
    run("--network net.pa --budget-luts 9000")
    facts = json.loads(Path("build/pa_network/pa_network.json").read_text())
    assert facts["totals"]["luts"] <= 9000
    assert re.search(r"bottleneck \w+, \d+ LUT predicted", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("", "--network needs one of --fps, --budget-luts, --folding, not none"),
        ("--fps 10 --folding f", "needs one of .*, not --fps and --folding"),
        ("--fps 0", "--fps must be above 0, not 0.0"),
        ("--fps nan", "--fps must be above 0, not nan"),
        ("--fps 10 --clock -1", "--clock must be above 0, not -1.0"),
        ("--fps 10 --M 4", "--M must not be given with --network"),
        ("--fps 10 --layer conv1", "--layer must not be given with --network"),
        ("--fps 10 -o -", "-o must be a folder with --network, not '-'"),
        ("--fps 10 --name 3x", "--name must be a Verilog identifier, not '3x'"),
        ("--fps 1e7", "'stem' takes 180 fully unfolded: the best rate is 555556"),
        ("--budget-luts 5", "5 LUTs do not hold the network, which takes [0-9]+ fully folded"),
        ("--folding nowhere.json", "nowhere.json: No such file or directory"),
        ("--folding net.pa", "net.pa: not a JSON file"),
    ],
)
def test_wrong_targets(folder, capsys, flags, message):
    assert re.search(message, complaint(capsys, f"--network net.pa {flags}"))


def test_a_folding_of_another_network(folder, capsys):
    pa_artifact.write("other.pa", residual_network(channels=3))
    run("--network other.pa --fps 1000 -o out --name x")
    capsys.readouterr()
    # The texts of nodes are kept where the accelerator would be written.
    for path in sorted(Path("build").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    Path("build").rmdir()
    line = complaint(capsys, "--network net.pa --folding out/folding.json")
    assert "network must be" in line


def test_targets_need_a_network(capsys):
    with pytest.raises(SystemExit):
        run("--M 4 --N 5 --fps 100")
    assert "--fps needs --network" in capsys.readouterr().err
