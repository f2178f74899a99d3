"""Table 8: formulas as printed, as needed, and cycles of engines."""

import doctest

import pytest

from experiments import tables_latency
from experiments.tables_latency import (
    LOOKUP,
    TAPS,
    needed,
    notes,
    operations,
    rows,
    side_by_side,
    spelled,
)
from experiments.tables_paper import TABLE_8
from hw.designs import Case


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
    assert side_by_side("PA-Net", 9) == {"T_AND": 1, "T_add": 4 + 5, "T_mul": 1, "T_com": 1}
    assert side_by_side("Bi-Real Net", 9) == {"T_XNOR": 1, "T_add": 4, "T_mul": 1, "T_com": 1}
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


def test_taps_are_those_of_the_engines():
    assert Case(m=4, n=5).config.taps == TAPS


def test_engines_take_a_step_a_cycle(found):
    for model in (
        "Bi-Real Net, XNOR engine",
        "PA-Net, popcount engine",
        "PA-Net, gated lookup engine",
        "Full precision, 8-bit multiply engine",
    ):
        serial = found[model, "Latency [cycles], SIMD 1"]
        assert serial.agrees
        assert TAPS <= serial.ours < TAPS + 16
        assert 9 <= found[model, "Latency [cycles], SIMD 64"].ours < 9 + 20


def test_examples():
    assert doctest.testmod(tables_latency) == (0, 2)
