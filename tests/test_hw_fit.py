"""The fit of the cost model: its arithmetic, and what is committed."""

import json
from pathlib import Path

import numpy as np
import pytest

import pa_hdl.cost
from hw import fit as fitting
from hw.fit import SAMPLES, fit, fit_samples, main, read_samples, residuals
from hw.fit_cases import CASES
from hw.targets import TARGETS
from pa_hdl import cost


def test_known_factors_are_found():
    rng = np.random.default_rng(1)
    counts = rng.uniform(50, 500, (60, 4))
    factors = np.array([1.0, 0.4, 2.5, 1.3])
    assert fit(counts, counts @ factors) == pytest.approx(factors, abs=0.1)


def test_factors_are_never_negative():
    rng = np.random.default_rng(2)
    counts = rng.uniform(50, 500, (30, 3))
    found = fit(counts, counts @ np.array([1.0, -0.5, 2.0]))
    assert found.min() >= 0
    assert found[1] < 0.1


def test_what_nothing_tells_is_one():
    counts = np.array([[100.0, 0.0], [200.0, 0.0]])
    assert fit(counts, np.array([150.0, 300.0])) == pytest.approx([1.5, 0], abs=0.02)
    counts = np.array([[100.0, 100.0], [200.0, 200.0]])
    assert fit(counts, np.array([200.0, 400.0])) == pytest.approx([1, 1], abs=0.01)


def test_cases_have_names_of_their_own():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


def test_every_part_was_measured_on_every_target():
    parts = {target: set() for target in TARGETS}
    for sample in read_samples():
        parts[sample["target"]].add(sample["part"].removesuffix("-loadable"))
    dots = {f"dot-{name}" for name in cost.DOTS}
    for target, found in parts.items():
        assert found - dots == {"guard", "comparators", "window", "collector", "weights"}, target
        assert "dot-popcount" in found


def test_coefficients_are_those_of_the_samples():
    stored = json.loads(
        Path(pa_hdl.cost.__file__).with_name(cost.COEFFICIENTS).read_text(encoding="utf-8")
    )
    for target, parts in fit_samples(read_samples()).items():
        for part, figures in parts.items():
            for figure, factors in figures.items():
                assert factors == pytest.approx(stored[target][part][figure], abs=1e-3)


def test_what_was_fitted_is_met():
    errors = [abs(made / lut - 1) for _t, _p, _n, lut, made, *_ in residuals(read_samples()) if lut]
    assert np.median(errors) < 0.03


def test_only_some_cases_may_be_synthesised(monkeypatch, tmp_path, capsys):
    """The others keep their samples; files are written whole."""
    case = CASES[0]
    samples = read_samples()
    path = tmp_path / "samples.json"
    path.write_text(SAMPLES.read_text())
    monkeypatch.setattr(fitting, "SAMPLES", path)
    monkeypatch.setattr(pa_hdl.cost, "__file__", str(tmp_path / "cost.py"))
    kept = {(s["target"], s["part"]): s for s in samples if s["name"] == case.name}

    def measure(case, target, cache):
        return [kept[key] for key in kept if key[0] == target]

    monkeypatch.setattr(fitting, "measure", measure)
    assert main(["--only", case.name]) == 0
    assert json.loads(path.read_text()) == samples
    assert (tmp_path / cost.COEFFICIENTS).exists()
    assert case.name in capsys.readouterr().out


def test_only_some_targets_may_be_synthesised(monkeypatch, tmp_path):
    path = tmp_path / "samples.json"
    path.write_text(SAMPLES.read_text())
    monkeypatch.setattr(fitting, "SAMPLES", path)
    monkeypatch.setattr(pa_hdl.cost, "__file__", str(tmp_path / "cost.py"))
    kept = {(s["name"], s["target"], s["part"]): s for s in read_samples()}
    asked = []

    def measure(case, target, cache):
        asked.append(target)
        return [kept[key] for key in kept if key[:2] == (case.name, target)]

    monkeypatch.setattr(fitting, "measure", measure)
    assert main(["--only", CASES[0].name, "--target", "ice40", "--target", "xc7"]) == 0
    assert asked == ["ice40", "xc7"]
    assert len(json.loads(path.read_text())) == len(kept)


def test_no_such_case_is_one_line(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "nothing-like-it"])
    assert "--only must be part of a case's name, not 'nothing-like-it'" in capsys.readouterr().err
