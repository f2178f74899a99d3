"""Points, their results by content, and accuracies."""

import json

import pytest
from explore_bench import point, row

from hw.explore_accuracy import add_accuracies, read_accuracies
from hw.explore_points import COLUMNS, evaluate, grid, recall, remember


def test_a_grid_has_every_combination_once():
    lists = {name: [value] for name, value in vars(point()).items()} | {
        "m": [1, 2, 1],
        "pe": [3, 4],
    }
    points = grid(lists)
    assert [(p.m, p.pe) for p in points] == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert str(points[0]) == "dot-popcount-m1n5p8-16x3 on ecp5"
    assert str(point(fold=4)).endswith("16x2-fold4 on ecp5")


def test_a_point_is_synthesised(tmp_path):
    found = evaluate(point(m=1, n=1, simd=4, pe=1), str(tmp_path))
    assert set(found) == set(COLUMNS) - {"top1"}
    assert found["error"] == ""
    assert 0 < found["lut"] < 200
    assert found["macs_per_cycle"] == 4
    assert found["lut_per_mac"] == found["lut"] / 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"m": 0}, "m must be 1 to 255, not 0"), ({"phi_bits": 99}, "phi_bits must be 2 to 32")],
)
def test_a_point_that_cannot_be_says_why(tmp_path, changes, message):
    found = evaluate(point(**changes), str(tmp_path))
    assert message in found["error"]
    assert "\n" not in found["error"]
    assert "lut" not in found


def test_a_row_is_recalled_unless_its_file_is_damaged(tmp_path):
    given = point()
    assert recall(given, tmp_path) is None
    remember(given, row(given), tmp_path)
    assert recall(given, tmp_path) == row(given)
    assert recall(point(pe=3), tmp_path) is None
    (known,) = tmp_path.iterdir()
    for text in (known.read_text()[:50], "", "[]", "{}", known.read_text().replace("16", "17")):
        known.write_text(text)
        assert recall(given, tmp_path) is None


def test_a_row_is_not_recalled_when_sources_change(tmp_path, monkeypatch):
    remember(point(), row(point()), tmp_path)
    monkeypatch.setattr("hw.explore_points._sources", lambda: "others")
    assert recall(point(), tmp_path) is None


RUNS = [
    {"scheme": "pa", "m": 4, "n": 5, "phi_bits": 8, "top1": 90.5},
    {"scheme": "pa", "m": 4, "n": 5, "phi_bits": 8, "top1": 91.25},
    {"scheme": "pa", "m": 8, "n": 7, "phi_bits": None, "top1": 92},
    {"scheme": "pa", "m": 2, "n": 3, "phi_bits": 8, "top1": None},
    {"scheme": "pa", "m": 8, "n": None, "phi_bits": None, "top1": 92.5},
    {"scheme": "float", "top1": 93.0},
]


@pytest.mark.parametrize("content", [RUNS, {"runs": RUNS}])
def test_the_best_accuracy_of_each_scheme_counts(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(content))
    best = read_accuracies(path)
    assert best == {(4, 5, 8): 91.25, (8, 7, None): 92.0}
    rows = [row(point()), row(point(m=8, n=7)), row(point(m=2, n=3))]
    add_accuracies(rows, best)
    assert [each["top1"] for each in rows] == [91.25, 92.0, None]


def test_accuracies_are_looked_for_where_training_leaves_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_accuracies(None) == {}
    (tmp_path / "sw" / "experiments").mkdir(parents=True)
    (tmp_path / "sw" / "experiments" / "results.json").write_text(json.dumps(RUNS))
    assert read_accuracies(None)[4, 5, 8] == 91.25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "must be JSON"),
        ("{}", "must hold a list of runs"),
        ("[3]", "must be an object, not 3"),
        ('[{"scheme": "pa", "m": "4", "n": 5, "top1": 9}]', "must be integers, not"),
        ('[{"scheme": "pa", "m": 4, "n": 5, "top1": 101}]', "must be 0 to 100, not 101"),
        ('[{"scheme": "pa", "m": 4, "n": 5, "top1": "good"}]', "must be 0 to 100, not 'good'"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_accuracies(path)


def test_a_file_named_must_be_there(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        read_accuracies(tmp_path / "results.json")
