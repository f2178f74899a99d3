"""The command line: table, report, exit status, complaints."""

import json

import pytest

from hw import prove
from hw.proof_run import Verdict

SIZE = ("--m", "1", "--n", "1", "--simd", "1", "--pe", "1", "--jobs", "1")
ONE = ("--datapath", "popcount", "--target", "generic", *SIZE)


class Here:
    """In place of a pool of processes."""

    def __init__(self, *args, **options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def submit(self, work, case):
        class Done:
            def result(self):
                return work(case)

        return Done()


@pytest.fixture
def verdict(monkeypatch):
    """Decide what every comparison finds."""

    def decide(found):
        monkeypatch.setattr(prove, "ProcessPoolExecutor", Here)
        monkeypatch.setattr(prove, "as_completed", list)
        monkeypatch.setattr(prove, "prove", lambda case, **options: found)

    return decide


def call(tmp_path, *arguments):
    return prove.main(["--reports", str(tmp_path), "--cache", str(tmp_path / "c"), *arguments])


def entries(tmp_path):
    return json.loads((tmp_path / "datapath.json").read_text())["equivalence"]


def test_one(tmp_path, capsys):
    assert call(tmp_path, *ONE) == 0
    [entry] = entries(tmp_path)
    assert entry["method"] == "induction"
    assert entry["equal"] is True
    assert "1 equal, 0 not shown to be" in capsys.readouterr().out


def test_unequal_is_reported(tmp_path, capsys, verdict):
    verdict(Verdict(tool="T", equal=False, problem="P"))
    assert call(tmp_path, *ONE) == 1
    assert [entry["equal"] for entry in entries(tmp_path)] == [False]
    assert "popcount (1, 1) 1x1 generic: P\n" in capsys.readouterr().err


def test_without_verdict_nothing_stays(tmp_path, verdict):
    """What was equal once and cannot be compared now is not called equal any more."""
    verdict(Verdict(tool="T", equal=True))
    assert call(tmp_path, *ONE) == 0
    verdict(Verdict(tool="T", equal=None, problem="no proof in 1 s"))
    assert call(tmp_path, *ONE) == 1
    assert entries(tmp_path) == []


def test_leaves_other_sizes_alone(tmp_path, verdict):
    verdict(Verdict(tool="T", equal=True))
    for m in ("1", "2"):
        assert call(tmp_path, *ONE, "--m", m) == 0
    assert [entry["m"] for entry in entries(tmp_path)] == [1, 2]


def test_damaged_report(tmp_path, capsys, verdict):
    verdict(Verdict(tool="T", equal=True))
    (tmp_path / "datapath.json").write_text("{")
    assert call(tmp_path, *ONE) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"python -m hw.prove: {tmp_path}/datapath.json is no datapath report")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--datapath", "abacus"), "argument --datapath: invalid choice: 'abacus' (choose from "),
        (("--target", "abacus"), "argument --target: invalid choice: 'abacus' (choose from "),
        (("--m", "2"), "--n must be given with --m"),
        ((*SIZE, "--quick"), "--quick must stand without the size of one dot product"),
        (("--m", "0"), "argument --m: must be an integer from 1 to 255, not '0'"),
        (("--jobs", "x"), "argument --jobs: must be an integer of at least 1, not 'x'"),
    ],
)
def test_rejects(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        call(tmp_path, *arguments)
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"python -m hw.prove: error: {message}")
