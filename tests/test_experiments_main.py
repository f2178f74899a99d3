"""The command line of the experiments."""

import pytest

from experiments.__main__ import main


def refuse(capsys, *argv):
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in argv])
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("experiments")
    return err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "Data are needed: --fashion DIR, --cifar DIR or both"),
        (["--fashion", "nowhere"], "nowhere: no such folder"),
        (["--budget", "soon"], "as in 90m, not 'soon'"),
        (["--only", "tiny/*"], "--only 'tiny/*' matches none of"),
        (["--jobs", "0"], "--jobs must be at least 1, not 0"),
        (["--threads", "-1"], "--threads must be at least 1, not -1"),
        (["--images", "500"], "--images needs --results"),
        (["--images", "0"], "--images must be at least 1, not 0"),
        (["--precision", "int8"], "invalid choice: 'int8'"),
    ],
)
def test_bad_input_is_one_line(capsys, argv, message):
    assert message in refuse(capsys, "run", *argv)


def test_a_damaged_file_of_results_is_one_line(tmp_path, capsys):
    path = tmp_path / "results.json"
    path.write_text("{")
    assert f"{path}: not JSON" in refuse(capsys, "run", "--fashion", tmp_path, "--results", path)


def test_the_list_of_runs(tmp_path, capsys):
    argv = ["run", "--list", "--only", "long/pa:?,7/*", "--results", str(tmp_path / "none.json")]
    assert main([*argv, "--state", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:3] == ["long/pa:8,7/seed0", "long/pa:6,7/seed0", "long/pa:4,7/seed0"]
    assert "trainings are left, about" in out[-1]


def test_runs_without_data_are_left_out(tmp_path, capsys):
    argv = ["run", "--fashion", str(tmp_path), "--only", "cifar/*"]
    argv += ["--results", str(tmp_path / "none.json"), "--state", str(tmp_path)]
    assert main(argv) == 0
    assert capsys.readouterr().out == "0 trainings are left, about 0 min\n"
