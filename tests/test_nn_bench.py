"""The measurement of a training step."""

import json

import pytest

from pa_nn.bench import main


def test_report(tmp_path, capsys):
    output = tmp_path / "deep" / "bench.json"
    assert main(["--batch-size", "2", "--steps", "1", "--output", str(output)]) == 0
    report = json.loads(output.read_text())
    assert [row["variant"] for row in report["rows"]] == 2 * [
        "full precision",
        "PA, compiled kernels",
        "PA, plain PyTorch",
    ]
    assert report["rows"][0]["ratio"] == 1
    assert all(row["milliseconds"] > 0 for row in report["rows"])
    assert "PA, compiled kernels" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--steps", "--batch-size", "--threads"])
def test_bad_input_is_one_line(flag, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main([flag, "0", "--output", str(tmp_path / "bench.json")])
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"pa_nn.bench: {flag} must be at least 1, not 0\n"
    assert not list(tmp_path.iterdir())
