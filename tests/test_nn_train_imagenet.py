"""Training on ImageNet's folder layout: in one process and in two, killed and resumed."""

import csv
import shutil

import pytest
import torch
from train_processes import image_folder, start, statuses, train_until

from pa_nn.checkpoint import load_checkpoint
from pa_nn.train import main

KILLED = -9
LENGTH = ["--epochs", "2", "--batch-size", "8", "--save-every", "2"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three classes: 24 images to train on, three steps an epoch, and 9 to validate with."""
    return image_folder(tmp_path_factory.mktemp("images") / "set", size=20)


def arguments(data, out, *more):
    small = ["--model", "resnet8", "--image-size", "16", "--workers", "0"]
    recipe = ["--scheme", "pa:4,5", "--lr", "0.005", "--warmup", "0"]
    return ["--data", str(data), "--out", str(out), *small, *recipe, *LENGTH, *more]


@pytest.fixture(scope="module")
def one(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("one")
    assert main(arguments(data, out)) == 0
    return out


@pytest.fixture(scope="module")
def two(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("two")
    processes = start(main, arguments(data, out / "run"), size=2, errors=out / "log")
    assert statuses(processes) == [0, 0]
    return out / "run"


def log(out):
    with (out / "log.csv").open() as file:
        return [
            {k: float(v) for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)
        ]


def equal(one, other):
    expected = load_checkpoint(one / "model.pt")["model"]
    found = load_checkpoint(other / "model.pt")["model"]
    return all(torch.equal(found[name], value) for name, value in expected.items())


def test_two_processes_train_as_one_with_the_whole_batch(one, two):
    for first, second in zip(log(one), log(two), strict=True):
        assert second == pytest.approx(first, rel=1e-4)
    expected = load_checkpoint(one / "model.pt")
    found = load_checkpoint(two / "model.pt")
    assert found["pa"] == expected["pa"]
    for name, value in expected["model"].items():
        torch.testing.assert_close(
            found["model"][name], value, rtol=1e-3, atol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    # Both have moved: agreement is not that of a start.
    assert log(one)[1]["loss"] < log(one)[0]["loss"]


@pytest.mark.parametrize(
    ("saves", "moment"), [(1, "before"), (1, "after"), (3, "before"), (3, "after")]
)
def test_a_killed_run_resumes_to_the_result_of_an_unbroken_one(data, one, tmp_path, saves, moment):
    # Saves: after 2 steps, after epoch 1, after 2 steps of epoch 2, after epoch 2.
    out = tmp_path / "run"
    command = arguments(data, out)
    killed = start(train_until, saves, moment, command, errors=tmp_path / "log")
    assert statuses(killed) == [KILLED]
    if (saves, moment) == (1, "before"):
        assert not (out / "last.pt").exists()
    else:
        entries = load_checkpoint(out / "last.pt")
        assert (entries["epoch"], entries["steps"]) == {"before": (1, 0), "after": (saves // 2, 2)}[
            moment
        ]
        command.append("--resume")
    assert main(command) == 0
    assert equal(one, out)
    assert log(out) == log(one)


def test_two_killed_processes_resume_to_the_result_of_unbroken_ones(data, two, tmp_path):
    out = tmp_path / "run"
    command = arguments(data, out)
    killed = start(train_until, 3, "after", command, size=2, errors=tmp_path / "log")
    first, second = statuses(killed)
    assert first == KILLED
    assert second == 1
    (line,) = (tmp_path / "log1").read_text().splitlines()[-1:]
    assert line.startswith("pa_nn.train: process 1 lost the others (")
    alone = shutil.copytree(out, tmp_path / "alone")
    resumed = start(main, [*command, "--resume"], size=2, errors=tmp_path / "again")
    assert statuses(resumed) == [0, 0]
    assert equal(two, out)
    assert log(out) == log(two)
    # One process goes on to the same result, but for the order of sums.
    assert main(arguments(data, alone, "--resume")) == 0
    for first, second in zip(log(alone), log(two), strict=True):
        assert second == pytest.approx(first, rel=1e-4)


def test_local_batch_normalisation_gives_another_result(data, one, tmp_path):
    command = arguments(data, tmp_path / "run", "--batch-norm", "local")
    assert statuses(start(main, command, size=2, errors=tmp_path / "log")) == [0, 0]
    first, second = (log(out)[0]["loss"] for out in (one, tmp_path / "run"))
    assert second == pytest.approx(first, rel=0.3)
    assert second != pytest.approx(first, rel=1e-3)


def test_two_processes_stop_together_where_the_loss_is_not_finite(data, tmp_path):
    command = arguments(data, tmp_path / "run", "--lr", "1e30")
    assert statuses(start(main, command, size=2, errors=tmp_path / "log")) == [1, 1]
    lines = [(tmp_path / f"log{rank}").read_text().splitlines()[-1] for rank in range(2)]
    assert lines[0] == lines[1]
    assert "no checkpoint was made yet, try a smaller learning rate than 1e+30" in lines[0]


def test_an_image_that_cannot_be_read_ends_the_run_with_one_line(data, one, tmp_path, capsys):
    broken = shutil.copytree(data, tmp_path / "set")
    victim = broken / "val" / "n0001" / "1.JPEG"
    victim.write_bytes(victim.read_bytes()[:500])
    assert main(arguments(broken, tmp_path / "run")) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"pa_nn.train: {victim}: cannot be read as an image (")
    assert load_checkpoint(tmp_path / "run" / "last.pt")["steps"] == 2
    # Nothing is lost: with the image repaired the run goes on.
    shutil.copy(data / "val" / "n0001" / "1.JPEG", victim)
    assert main(arguments(broken, tmp_path / "run", "--resume")) == 0
    assert equal(one, tmp_path / "run")


def refuse(capsys, argv):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    return err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "-1"], "--workers must be at least 0, not -1"),
        (["--image-size", "0"], "--image-size must be at least 1, not 0"),
        (["--save-every", "0"], "--save-every must be at least 1, not 0"),
        (["--batch-norm", "none"], "argument --batch-norm: invalid choice: 'none'"),
        (["--hold-out", "24"], "Held-out images must be from 1 to 23, not 24"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(data, tmp_path, capsys, more, message):
    assert message in refuse(capsys, arguments(data, tmp_path / "run", *more))
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_must_see_the_same_images(data, one, tmp_path, capsys):
    command = arguments(data, one, "--resume")
    assert "run has size images 16, not 12" in refuse(capsys, [*command, "--image-size", "12"])
    assert "run has train images 24, not 20" in refuse(capsys, [*command, "--limit", "20"])
    assert "run has train images 24, not 21" in refuse(capsys, [*command, "--hold-out", "3"])


def test_a_start_for_other_classes_is_refused(data, one, tmp_path, capsys):
    entries = load_checkpoint(one / "model.pt")
    torch.save({**entries, "classes": 1000}, tmp_path / "other.pt")
    command = arguments(data, tmp_path / "run", "--init", str(tmp_path / "other.pt"))
    assert "other.pt: has classes 1000, not 3" in refuse(capsys, command)


def test_a_batch_too_small_for_the_processes_is_refused(data, tmp_path):
    command = arguments(data, tmp_path / "run", "--batch-size", "23")
    assert statuses(start(main, command, size=2, errors=tmp_path / "log")) == [2, 2]
    (line,) = (tmp_path / "log0").read_text().splitlines()
    assert "The last of the batches of 23 has 1 of 24 images, too few for 2 processes" in line
