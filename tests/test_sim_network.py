import json

import pytest
from network_toys import SIMULATOR
from pa_networks import single_conv

import pa_artifact
from sim import network_bench
from sim.build import Design
from sim.network import main


@pytest.fixture
def reported(tmp_path, monkeypatch):
    path = tmp_path / "network.json"
    monkeypatch.setattr(network_bench, "NETWORKS", path)
    return path


@pytest.fixture
def given(tmp_path):
    path = tmp_path / "small.pa"
    pa_artifact.write(path, single_conv(shape_in=(2, 4, 4), out_channels=2))
    return [str(path), "--fps", "500000", "--images", "4", "--simulator", SIMULATOR.name]


def test_every_element_of_a_network(given, reported, capsys):
    assert main(given) == 0, capsys.readouterr().out
    [entry] = json.loads(reported.read_text())["networks"]
    assert (entry["images"], entry["logits_compared"], entry["mismatches"]) == (4, 4 * 32, 0)
    assert entry["bottleneck_utilisation"] >= 0.95
    assert "4 images, 128 logits, 0 mismatches" in capsys.readouterr().out
    assert main([*given, "--stalls", "7", "--images", "20"]) == 0, capsys.readouterr().out
    assert main([*given, "--bad-frames", "--images", "14"]) == 0, capsys.readouterr().out
    assert "14 images, 224 logits, 0 mismatches" in capsys.readouterr().out
    assert len(json.loads(reported.read_text())["networks"]) == 1


def test_broken_accelerator_fails(given, reported, monkeypatch, capsys):
    whole = network_bench.generated

    def broken(*given, **options):
        made = whole(*given, **options)
        text = made.design.verilog
        wrong = text.replace("assign m_axis_tdata = ", "assign m_axis_tdata = 1 ^ ", 1)
        assert wrong != text
        design = Design(top=made.design.top, verilog=wrong, memories=made.design.memories)
        return network_bench.Accelerator(design=design, metadata=made.metadata)

    monkeypatch.setattr("sim.network.generated", broken)
    assert main(given) == 1
    assert "FAIL small" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["absent.pa", "--fps", "1"], "absent.pa"),
        (["resnet8"], "one of the arguments --fps --budget-luts --folding is required"),
        (["resnet8", "--fps", "1e9"], "the best rate is"),
        (["resnet8", "--fps", "1", "--images", "0"], "must be at least 1, not '0'"),
    ],
)
def test_bad_input_is_one_line(given, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*given, "--simulator", SIMULATOR.name])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.splitlines()[-1].startswith("python -m sim.network: error:")


def test_missing_simulator_is_skipped_with_one_line(monkeypatch, capsys):
    monkeypatch.setattr("sim.simulators.shutil.which", lambda name: None)
    assert main(["resnet8", "--fps", "1", "--simulator", "icarus"]) == 0
    assert capsys.readouterr().err.startswith("Icarus skipped")
