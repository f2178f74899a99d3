"""The queue: every training once, in order, whatever is killed."""

import multiprocessing
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from experiments import results, worker
from experiments.factors import Factor
from experiments.progress import Progress
from experiments.protocol import PROTOCOLS, RATES, Places, Run
from experiments.queue import Queue
from pa_artifact.whole import write_whole

HEADER = "epoch,loss,top1,learning_rate,seconds\n"
BEST = dict(zip(map(str, RATES), (70.0, 80.0, 75.0), strict=True))


def log(folder, accuracies):
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{i + 1},0.5,{top1},0.01,2.0\n" for i, top1 in enumerate(accuracies)]
    write_whole(folder / "log.csv", (HEADER + "".join(rows)).encode())


def train(argv):
    """Stands in for ``pa_nn.train.main``: an epoch takes no time, the accuracy follows the rate."""
    words = [word for word in argv if "=" not in word]
    flags = dict(zip(words[::2], words[1::2], strict=False))
    out, rate = Path(flags["--out"]), flags["--lr"]
    done = len(worker.read_log(out))
    assert ("--resume" in argv) == (out / "last.pt").exists()
    with (out.parent / "calls.txt").open("a") as calls:
        calls.write(f"{out.name} {rate} {done}\n")
    if flags["--scheme"] == "xnor":
        print("pa_nn.train: Loss is nan in step 3 (epoch 1)", file=sys.stderr)
        return 1
    if flags["--scheme"] == "bwn":
        print("pa_nn.train: no such checkpoint", file=sys.stderr)
        sys.exit(2)
    if flags["--scheme"] == "bireal":
        os.kill(os.getpid(), signal.SIGKILL)
    for epoch in range(done, int(flags["--epochs"])):
        time.sleep(float(os.environ.get("EPOCH_SECONDS", 0)))
        (out / "last.pt").write_bytes(b"")
        log(out, [BEST[rate]] * (epoch + 1))
        if flags["--scheme"] == "abc:1,1" and "--resume" not in argv:
            os.kill(os.getpid(), signal.SIGKILL)
    return 0


@pytest.fixture
def places(tmp_path):
    log(tmp_path / "train" / "full", [90.0] * 35 + [93.5])
    data = {"fashion-mnist": tmp_path}
    return Places(data=data, start=tmp_path / "train", state=tmp_path / "state")


def short(scheme, seed=0, **options):
    return Run(protocol=PROTOCOLS["short"], scheme=scheme, seed=seed, **options)


def progress(places, *runs):
    return Progress(runs, places, places.state / "results.json")


def work(state, *, budget=20.0, **options):
    queue = Queue(state, budget=budget, main=train, **options)
    queue.run()
    return queue


def test_every_rate_is_tried_once_and_the_best_is_used(places):
    state = progress(places, short("pa:4,5"), short("pa:4,5", 1))
    assert len(state.remaining()) == 5
    queue = work(state)
    assert queue.broken == {}
    assert state.remaining() == []
    trials = (places.state / "trials" / "fashion-mnist" / "pa_4_5" / "calls.txt").read_text()
    assert sorted(trials.splitlines()) == [f"lr{rate} {rate} 0" for rate in BEST]
    content = results.load(state.file)
    assert content["failures"] == []
    first, second = content["runs"]
    assert [first["seed"], second["seed"]] == [0, 1]
    assert first["trials"] == [[0.008, 70.0], [0.02, 80.0], [0.05, 75.0]]
    assert first["lr"] == 0.02
    assert (first["top1"], first["full_precision_top1"], first["seconds"]) == (80.0, 93.5, 6.0)
    assert first["command"] == (
        "python -m pa_nn.train --data DIR --model resnet8 --init build/train/full/model.pt "
        "--scheme pa:4,5 --warmup 50 --epochs 3 --limit 20000 --lr 0.02 --seed 0 "
        "--precision bfloat16 --out build/experiments/short/pa_4_5/seed0"
    )


def test_nothing_is_trained_twice(places):
    state = progress(places, short("pa:4,5"))
    work(state)
    before = state.file.read_bytes()
    work(state)
    assert state.file.read_bytes() == before
    assert len((places.state / "short" / "pa_4_5" / "calls.txt").read_text().splitlines()) == 1


def test_a_choice_of_rate_outlives_its_folders(places):
    state = progress(places, short("pa:4,5"))
    work(state)
    elsewhere = Places(data=places.data, start=places.start, state=places.state / "other")
    factor = Factor(name="lambda-w", value="1", argv=("--lambda-w=1",))
    study = Run(protocol=PROTOCOLS["factor"], scheme="pa:4,5", factor=factor)
    again = Progress([study], elsewhere, state.file)
    work(again)
    record = results.load(state.file)["runs"][1]
    assert record["options"] == {"lambda-w": "1"}
    assert record["lr"] == 0.02
    assert "--lambda-w=1" in record["command"]
    assert not (elsewhere.state / "trials").exists()


def test_a_run_that_was_finished_but_not_recorded_is_recorded(places):
    state = progress(places, short("pa:4,5"))
    work(state)
    expected = state.file.read_bytes()
    state.file.unlink()
    work(state)
    assert state.file.read_bytes() == expected
    assert len((places.state / "short" / "pa_4_5" / "calls.txt").read_text().splitlines()) == 1


def test_a_training_that_diverges_fails_and_the_others_go_on(places):
    state = progress(places, short("xnor"), short("lsq:3,3"))
    assert work(state, jobs=1).broken == {}
    content = results.load(state.file)
    assert [record["scheme"] for record in content["runs"]] == ["lsq"]
    (failure,) = content["failures"]
    assert failure["error"] == "every trial of a learning rate failed"
    assert failure["trials"] == [[0.008, None], [0.02, None], [0.05, None]]
    assert failure["top1"] is None
    message = (places.state / "trials/fashion-mnist/xnor/lr0.008/failed.txt").read_text()
    assert message == "Loss is nan in step 3 (epoch 1)"
    before = state.file.read_bytes()
    work(state)
    assert state.file.read_bytes() == before
    state.forget_failures()
    assert len(state.remaining()) == 4


def test_a_failed_run_is_recorded_with_its_message(places):
    run = short("lsq:3,3")
    state = progress(places, run)
    for trial in run.trials():
        log(trial.folder(places), [BEST[str(trial.rate)]])
    folder = run.training(0.02).folder(places)
    log(folder, [50.0])
    (folder / "failed.txt").write_text("Loss is inf in step 158 (epoch 2)")
    work(state)
    (failure,) = results.load(state.file)["failures"]
    assert failure["error"] == "Loss is inf in step 158 (epoch 2)"
    assert (failure["lr"], failure["seconds"]) == (0.02, 2.0)


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("bwn", "pa_nn.train: no such checkpoint (status 2)"),
        ("bireal", "it said nothing (status -9)"),
    ],
)
def test_what_breaks_off_for_other_reasons_is_tried_again_by_the_next_queue(
    places, scheme, message
):
    state = progress(places, short(scheme))
    queue = work(state)
    assert queue.broken == {f"trials/fashion-mnist/{scheme}/lr{rate}": message for rate in BEST}
    assert results.load(state.file) == {"runs": [], "failures": []}
    assert len(state.remaining()) == 4


def test_a_killed_training_resumes(places):
    state = progress(places, short("abc:1,1"))
    # Its trials are killed too, but after their only epoch: they are finished all the same.
    assert list(work(state).broken) == ["short/abc:1,1/seed0"]
    assert work(state).broken == {}
    (record,) = results.load(state.file)["runs"]
    assert record["top1"] == 80.0
    calls = (places.state / "short" / "abc_1_1" / "calls.txt").read_text()
    assert calls == "seed0 0.02 0\nseed0 0.02 1\n"


def test_a_training_that_another_process_holds_is_left_to_it(places, monkeypatch):
    monkeypatch.setattr("experiments.queue.PAUSE", 0.2)
    run = short("pa:4,5")
    state = progress(places, run)
    folder = run.trials()[0].folder(places)
    folder.parent.mkdir(parents=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        work(state, budget=1.5)
        assert results.load(state.file)["runs"] == []
        assert not (folder / "log.csv").exists()
    work(state)
    assert len(results.load(state.file)["runs"]) == 1


def test_the_start_is_trained_first_and_shared(tmp_path):
    places = Places(data={}, start=tmp_path / "train", state=tmp_path / "state")
    state = progress(places, short("pa:4,5"), short("abc:5,5"))
    assert [training.name for training in state.ready()] == ["start/full/seed0"]
    assert state.ready()[0].folder(places) == tmp_path / "train" / "full"


def test_queues_that_are_killed_or_run_side_by_side_lose_and_repeat_nothing(places, monkeypatch):
    monkeypatch.setattr("experiments.queue.PAUSE", 0.1)
    monkeypatch.setenv("EPOCH_SECONDS", "0.2")
    state = progress(places, short("pa:4,5"), short("abc:5,5"))

    def queue():
        process = multiprocessing.get_context("fork").Process(target=work, args=(state,))
        process.start()
        return process

    first = queue()
    folder = places.state / "short" / "pa_4_5" / "seed0"
    deadline = time.monotonic() + 10
    while not worker.read_log(folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    first.kill()
    first.join()
    pair = [queue(), queue()]
    for process in pair:
        process.join(timeout=20)
        assert process.exitcode == 0
    runs = results.load(state.file)["runs"]
    assert sorted(record["scheme"] for record in runs) == ["abc", "pa"]
    # Once from the beginning, then from where it was killed; perhaps once more, with nothing to do,
    # by the queue that looked just before the other one was done.
    calls = [int(call) for call in (folder.parent / "calls.txt").read_text().split()[2::3]]
    assert calls[0] == 0
    assert calls[1] in (1, 2)
    assert calls[2:] in ([], [3])
