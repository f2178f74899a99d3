"""One training in a process of its own."""

import os
import signal
import sys
import time
from multiprocessing import get_context

import pytest
from filelock import FileLock

from experiments.worker import BUSY, Epoch, read_log, start, why

HEADER = "epoch,loss,top1,learning_rate,seconds\n"


def finish(process):
    process.join(timeout=10)
    return process.exitcode


def test_a_log_is_read_and_its_absence_is_no_epoch(tmp_path):
    assert read_log(tmp_path) == []
    (tmp_path / "log.csv").write_text(HEADER + "1,0.5,91.25,0.01,3.5\n2,0.4,92,0.01,3.0\n")
    assert read_log(tmp_path) == [Epoch(top1=91.25, seconds=3.5), Epoch(top1=92.0, seconds=3.0)]


def test_output_goes_to_a_file_and_the_status_comes_back(tmp_path, capfd):
    def main(argv):
        print("begun with", *argv)
        print("pa_nn.train: Loss is nan", file=sys.stderr)
        return 1

    folder = tmp_path / "a" / "b"
    assert why(folder) == "it said nothing"
    assert finish(start(folder, ["--lr", "0.1"], main=main)) == 1
    assert (folder / "output.txt").read_text() == "begun with --lr 0.1\npa_nn.train: Loss is nan\n"
    assert why(folder) == "pa_nn.train: Loss is nan"
    assert capfd.readouterr() == ("", "")


def test_a_folder_with_a_run_is_resumed(tmp_path):
    def main(argv):
        return 3 if "--resume" in argv else 4

    assert finish(start(tmp_path, [], main=main)) == 4
    (tmp_path / "last.pt").write_bytes(b"")
    assert finish(start(tmp_path, [], main=main)) == 3


def test_a_mistake_ends_with_its_last_line(tmp_path):
    def main(argv):
        raise KeyError("beta")

    assert finish(start(tmp_path, [], main=main)) == 1
    assert why(tmp_path) == "KeyError: 'beta'"


def test_a_folder_belongs_to_one_process(tmp_path):
    folder = tmp_path / "run"
    with FileLock(tmp_path / ".run.lock"):
        assert finish(start(folder, [], main=lambda argv: 0)) == BUSY
    assert finish(start(folder, [], main=lambda argv: 0)) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="a service of Linux")
def test_a_training_dies_with_its_queue(tmp_path):
    folder = tmp_path / "run"

    def main(argv):
        (folder / "began").write_text(str(os.getpid()))
        time.sleep(30)
        return 0

    def queue():
        start(folder, [], main=main).join()

    parent = get_context("fork").Process(target=queue)
    parent.start()
    deadline = time.monotonic() + 5
    while not (folder / "began").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    parent.kill()
    assert finish(parent) == -signal.SIGKILL
    # Its lock is free as soon as it is gone.
    with FileLock(tmp_path / ".run.lock", timeout=5):
        pass
