"""Table 7: what is known of it comes out."""

import pytest

from experiments.tables_memory import NETWORKS, RULES, meta_network, rows
from experiments.tables_paper import TABLE_7


@pytest.fixture(scope="module")
def found():
    return {(row.model, row.column): row for row in rows()}


def test_every_printed_number_has_a_row(found):
    columns = {
        "Memory usage [Mbit]": "memory_mbit",
        "Flops": "flops",
        "Memory saving": "saving",
        "Speedup": "speedup",
    }
    for name, schemes in TABLE_7.items():
        for scheme, cost in schemes.items():
            model = f"{scheme} {name}" if scheme == "Bi-Real" else f"{scheme}-{name}".strip("-")
            for column, field in columns.items():
                printed = getattr(cost, field)
                if printed is not None:
                    assert found[model, column].paper == printed


@pytest.mark.parametrize(
    ("model", "mbit"),
    [
        ("PA-ResNet18", 61.65),
        ("PA-ResNet34", 102.29),
        ("PA-ResNet50", 161.35),
        ("Bi-Real ResNet50", 176.85),
        ("ABC-ResNet18", 77.46),
        ("ResNet18", 374.06),
    ],
)
def test_memory_as_counted_by_hand(found, model, mbit):
    assert found[model, "Memory usage [Mbit]"].ours == pytest.approx(mbit, abs=0.005)


def test_rows_that_agree_and_rows_that_do_not(found):
    memory = {key[0]: row.agrees for key, row in found.items() if key[1] == "Memory usage [Mbit]"}
    assert [name for name, agrees in memory.items() if not agrees and " (" not in name] == [
        "ABC-ResNet34",
        "PA-ResNet34",
        "ABC-ResNet50",
    ]
    for name in ("Bi-Real ResNet18", "Bi-Real ResNet50", *NETWORKS):
        assert found[name, "Flops"].agrees == (name != "ResNet50")


def test_the_original_bottleneck_gives_the_printed_operations(found):
    first = ", stride in the first 1x1"
    assert found["ResNet50" + first, "Flops"].agrees
    assert found["Bi-Real ResNet50" + first, "Speedup"].agrees
    assert meta_network("ResNet50", first=True).macs < meta_network("ResNet50").macs
    assert meta_network("ResNet50", first=True).parameters == 25_557_032


def test_reasons_are_numbers_that_were_counted(found):
    reason = found["PA-ResNet34", "Memory usage [Mbit]"].reason
    counted = RULES["PA"].count(meta_network("ResNet34"))
    assert f"{4 * counted.binary_weights / 1e6:.1f} Mbit" in reason
    assert "85.0 Mbit" in reason
    assert "1.93e+08" in found["Bi-Real ResNet34", "Flops"].reason


def test_codes_take_less_than_bases(found):
    assert found["PA-ResNet18 (4, 5)", "Memory as codes [Mbit]"].ours == pytest.approx(50.50, 1e-3)
    eight = found["PA-ResNet18 (8, 7)", "Memory as codes [Mbit]"].ours
    assert eight == found["PA-ResNet18", "Memory usage [Mbit]"].ours, "4 bits are 8 bases' codes"
