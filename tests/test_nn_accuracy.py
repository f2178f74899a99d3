"""The report of accuracies, and what is said of bad input."""

import json

import pytest
import torch
from test_nn_embedded import embedded, sources  # noqa: F401

from pa_nn import golden
from pa_nn.accuracy import accuracy_rows, integer_top1, main
from pa_nn.data import ImageSet, load_folder


def test_report(sources, embedded, tmp_path, capsys):  # noqa: F811
    report = tmp_path / "reports" / "accuracy.json"
    options = ["--embedded", str(embedded.folder), "--report", str(report), "--limit", "9"]
    assert main(["--data", str(sources), *options]) == 0
    rows = json.loads(report.read_text())["rows"]
    assert [row["stage"] for row in rows] == ["full_precision", "pa_float", "pa_integer"]
    assert all(row["images"] == 9 and 0 <= row["top1"] <= 100 for row in rows)
    assert rows == accuracy_rows(embedded, load_folder(sources, "test").take(9))
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_integers_are_counted_as_the_golden_model_gives_them(monkeypatch):
    """Ten logits of known order, in more than one batch."""

    def run(_, images, fast):
        assert fast
        return {"logits": images.flatten(1)[:, :10].long()[:, :, None, None]}

    monkeypatch.setattr(golden, "run", run)
    labels = torch.arange(250) % 10
    images = torch.nn.functional.one_hot(labels, 12).view(250, 1, 3, 4).to(torch.uint8)
    classes = tuple(str(i) for i in range(10))
    known = ImageSet(images=images, labels=labels, classes=classes)
    assert integer_top1(None, known) == 100
    wrong = ImageSet(images=images, labels=(labels + (labels < 5).long()) % 10, classes=classes)
    assert integer_top1(None, wrong) == 50


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no folder of test images: give DATA=DIR to make"),
        (["--data", "nowhere"], "nowhere: no such folder"),
        (["--data", "SOURCES", "--limit", "0"], "--limit must be at least 1, not 0"),
        (["--data", "SOURCES", "--embedded", "nowhere"], "resnet8.pt: no such checkpoint"),
    ],
)
def test_bad_input(arguments, message, sources, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as caught:
        main([str(sources) if word == "SOURCES" else word for word in arguments])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
