"""The report as JSON and as Markdown."""

import json

import pytest
from pa_models import batches, hardware
from pa_topologies import build

from pa_nn.measuring import measure
from pa_nn.report import write_report


@pytest.fixture(scope="module")
def model():
    return hardware(lambda: build("dense"))


def test_bounds_alone(model, tmp_path):
    network, _ = model.lower((2, 8, 8))
    write_report(tmp_path / "report.json", network)
    assert set(json.loads((tmp_path / "report.json").read_text())) == {"rows"}
    text = (tmp_path / "report.md").read_text()
    assert "## Measured" not in text
    assert "| features.0 | zero point | " in text


def test_bounds_and_measured_errors(model, tmp_path):
    network, _ = model.lower((2, 8, 8))
    measured = measure(model, batches())
    write_report(tmp_path / "a/report.json", network, measured)
    content = json.loads((tmp_path / "a/report.json").read_text())
    assert (content["images"], content["same_class"]) == (6, measured.same_class)
    assert content["measured"] == measured.rows
    text = (tmp_path / "a/report.md").read_text()
    assert "On 6 images, of which" in text
    lines = [line for line in text.splitlines() if line.startswith("| logits | add | ")]
    assert len(lines) == 1
    assert lines[0].count(" % |") == 4
    tables = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert sorted(set(tables)) == [5, 10]


def test_tables_have_their_own_file(model, tmp_path):
    with pytest.raises(
        ValueError, match=r"must not end in \.md, which its tables take, not 'x\.md'"
    ):
        write_report("x.md", model.lower((2, 8, 8))[0])
