import json

import pytest
from network_toys import SIMULATOR
from pa_networks import single_conv

import pa_artifact
from sim import fifo_search
from sim.fifo_search import main, smallest


@pytest.mark.parametrize("depth", [2, 3, 4, 17, 100])
def test_smallest_depth_is_found_in_few_trials(depth):
    for answer in range(2, depth + 1):
        tried = []

        def keeps(trial, answer=answer, tried=tried):
            tried.append(trial)
            return trial >= answer

        assert smallest(depth, keeps) == answer
        assert all(2 <= trial < depth for trial in tried)
        assert len(tried) == len(set(tried)) <= 2 * depth.bit_length()
        if answer == depth and depth > 2:
            assert tried == [depth - 1]


def test_search_of_a_network(tmp_path, monkeypatch, capsys):
    path = tmp_path / "small.pa"
    pa_artifact.write(path, single_conv(shape_in=(2, 4, 4), out_channels=2))
    monkeypatch.setattr(fifo_search, "SEARCHES", tmp_path / "search.json")
    given = [str(path), "--fps", "500000", "--images", "2", "--simulator", SIMULATOR.name]
    assert main([*given, "--only", "absent"]) == 0
    assert "0 FIFOs" in capsys.readouterr().out
    assert not (tmp_path / "search.json").exists()
    assert main(given) == 0
    [entry] = json.loads((tmp_path / "search.json").read_text())["searches"]
    assert entry["name"] == "small"
    assert entry["fifos"]
    assert all(2 <= fifo["smallest"] <= fifo["computed"] for fifo in entry["fifos"])
    assert "none could be shallower by more than" in capsys.readouterr().out


def test_too_few_frames_have_no_rate(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["resnet8", "--fps", "1000", "--frames", "2", "--simulator", SIMULATOR.name])
    assert ended.value.code == 2
    assert "--frames must be at least 3, not 2" in capsys.readouterr().err
