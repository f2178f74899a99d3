"""Table 8: formulas as printed and as needed, in units and in delays of gates."""

import doctest

import pytest

from experiments import tables_latency
from experiments.tables_latency import (
    LOOKUP,
    TAPS,
    gate_delays,
    needed,
    notes,
    operations,
    rows,
    side_by_side,
    spelled,
)
from experiments.tables_paper import TABLE_8


@pytest.fixture(scope="module")
def found():
    return {(row.model, row.column): row for row in rows()}


def test_formulas_by_hand():
    assert operations(TABLE_8["PA-Net"], 9) == {
        "T_AND": 9,
        "T_pop": 9,
        "T_mul": 5,
        "T_add": 4,
        "T_com": 1,
    }
    assert operations(TABLE_8["Full precision"], 9) == {"T_mul": 9, "T_add": 8}
    # 20 products next to each other, and 20, 10, 5, 3, 2, 1 terms.
    assert operations(needed("PA-Net"), 9)["T_mul"] == 1
    assert operations(needed("PA-Net"), 9)["T_add"] == 5
    assert "T_mul" not in needed(LOOKUP)
    assert side_by_side("Full precision", 9) == {"T_mul": 1, "T_add": 4}
    assert side_by_side("PA-Net", 9) == {
        "T_AND": 1,
        "T_sum": 4,
        "T_mul": 1,
        "T_add": 5,
        "T_com": 1,
    }
    assert side_by_side("Bi-Real Net", 9) == {"T_XNOR": 1, "T_sum": 4, "T_mul": 1, "T_com": 1}
    assert side_by_side(LOOKUP, 9) == {"T_look": 1, "T_add": 4, "T_com": 1}


def test_formulas_are_spelled_as_the_paper_prints_them():
    assert spelled(TABLE_8["Bi-Real Net"]) == "c_in h w (T_XNOR + T_pop) + T_mul"
    pa = "c_in h w (T_AND + T_pop) + 5 T_mul + 4 T_add + T_com"
    assert spelled(TABLE_8["PA-Net"]) == pa
    assert any(f"PA-Net, printed: `{pa}`" in note for note in notes())


def test_every_coefficient_has_a_row(found):
    for model, formula in TABLE_8.items():
        for name, count in operations(formula, TAPS).items():
            assert found[model, f"{name}, c_in h w = {TAPS}"].paper == count
    off = [key for key, row in found.items() if "c_in h w" in key[1] and not row.agrees]
    assert [key[1].split(",")[0] for key in off if key[0] != LOOKUP] == ["T_com", "T_mul", "T_add"]


def test_delays_are_those_of_circuits_of_the_two_gates():
    delays = gate_delays()
    assert (delays["T_AND"], delays["T_XNOR"]) == (9.62, 10.87)
    assert delays["T_pop"] < delays["T_sum"] < delays["T_add"] < delays["T_mul"]
    # A count of 10 bits and one more: no path is shorter than a gate, or longer than all of them.
    assert 10.87 < delays["T_pop"] < 20 * 10.87


def test_totals_follow_the_formulas(found):
    assert found["PA-Net", "Latency, every operation one unit"].paper == 2 * TAPS + 5 + 4 + 1
    assert found["PA-Net", "Latency, every operation one unit"].ours == 2 * TAPS + 1 + 5 + 1
    assert found["PA-Net", "Speedup, every operation one unit"].paper == 1
    delays = gate_delays()
    full, pa = (
        sum(count * delays[name] for name, count in operations(needed(model), TAPS).items())
        for model in ("Full precision", "PA-Net")
    )
    row = found["PA-Net", "Speedup, gates of Table 2 [ns]"]
    assert row.ours == pytest.approx(full / pa)
    step = delays["T_AND"] + delays["T_pop"]
    assert row.paper == pytest.approx((delays["T_mul"] + delays["T_add"]) / step)
    side = found["Full precision", "Latency side by side, gates of Table 2 [ns]"]
    assert side.ours == pytest.approx((delays["T_mul"] + 10 * delays["T_add"]) / 1000)


def test_examples():
    assert doctest.testmod(tables_latency) == (0, 2)
