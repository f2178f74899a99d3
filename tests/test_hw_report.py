"""Reports from rows that are made up: members, ratios, method, picture."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from hw import report
from hw.targets import TARGETS


def row(**changes):
    given = {
        "unit": "engine",
        "m": 4,
        "n": 5,
        "simd": 32,
        "pe": 8,
        "phi_bits": 8,
        "datapath": "popcount",
        "loadable": False,
        "target": "xc7",
        "flags": TARGETS["xc7"].flags,
        "lut": 15360,
        "ff": 10000,
        "carry": 1500,
        "bram": 14,
        "dsp": 0,
        "depth": 4,
        "carry_depth": 5,
        "latency_cycles": 73,
        "cycles_per_frame": 36864,
    }
    return {**given, **changes}


ROWS = [
    row(m=m, n=n, unit=unit, target=target, loadable=loadable, lut=300 * m * n)
    for target in TARGETS
    for m, n, loadable in ((1, 1, False), (4, 5, False), (4, 5, True))
    for unit in ("engine", "dot")
]


def test_json_has_the_columns_in_order():
    rows = json.loads(report.as_json([row(surplus=1)]))["rows"]
    assert [tuple(each) for each in rows] == [report.COLUMNS]
    assert rows[0] == row()


def test_table_shows_figures_ratios_flags_and_method():
    text = report.table([row()])
    body = text.splitlines()[2].split()
    assert body[:4] == ["xc7", "engine", "(4,5)", "baked"]
    assert body[-2:] == ["60.0", "3.00"], "15360 LUTs over 256 PA-MACs, 5120 bit-MACs"
    notes = " ".join(text.split())
    assert TARGETS["xc7"].flags in notes
    assert "upper bound" in notes
    assert "most LUT levels of any path" in notes
    assert "ice40" not in notes


@pytest.mark.parametrize("target", TARGETS)
def test_markdown_names_every_target(target):
    text = report.markdown(ROWS, ["a path", "another"], "picture.svg")
    assert f"- {target}: `{TARGETS[target].flags}`" in text
    assert "![LUTs against M x N](picture.svg)" in text
    assert "- a path\n- another\n" in text
    assert sum(line.startswith("| ") for line in text.splitlines()) == 1 + len(ROWS)


def test_plot_is_a_picture_and_repeatable():
    text = report.plot(ROWS)
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert report.plot(ROWS) == text
