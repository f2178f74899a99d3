"""Rows from files join the results: all of them or none."""

import json

import pytest

from experiments.__main__ import main
from experiments.results import FIELDS, load

ROW = {
    **dict.fromkeys(FIELDS),
    "dataset": "fashion-mnist",
    "model": "resnet8",
    "scheme": "pa",
    "m": 4,
    "n": 5,
    "epochs": 0,
    "train_images": 512,
    "test_images": 10000,
    "top1": 90.0,
    "full_precision_top1": 93.0,
    "command": "python",
    "protocol": "post-training",
}


def written(path, *rows):
    path.write_text(json.dumps({"runs": rows}))
    return str(path)


def test_rows_are_added_and_replaced(tmp_path, capsys):
    results = tmp_path / "results.json"
    options = ["--results", str(results)]
    first = written(tmp_path / "a.json", ROW, {**ROW, "phi_bits": 8})
    second = written(tmp_path / "b.json", {**ROW, "top1": 91.0})
    assert main(["add", first, *options]) == 0
    assert main(["add", first, second, *options]) == 0
    assert {row["phi_bits"]: row["top1"] for row in load(results)["runs"]} == {None: 91.0, 8: 90.0}
    assert capsys.readouterr().out.splitlines()[-1] == f"{results}: 3 rows"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({**ROW, "top1": 101.0}, "top1 must be a percentage, not 101.0"),
        ({**ROW, "protocol": "guess"}, "protocol must be one of"),
        (None, "no such file"),
    ],
)
def test_bad_rows_leave_the_results_as_they_were(tmp_path, capsys, row, message):
    results, path = tmp_path / "results.json", tmp_path / "a.json"
    written(results, ROW)
    good = written(tmp_path / "good.json", {**ROW, "seed": 1})
    before = results.read_bytes()
    if row is not None:
        written(path, row)
    with pytest.raises(SystemExit) as caught:
        main(["add", good, str(path), "--results", str(results)])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert message in err
    assert results.read_bytes() == before
