import json
import multiprocessing
from dataclasses import replace

from sim.report import Entry, read, record

ENTRY = Entry(
    bench="engine",
    simulator="icarus",
    config={"m": 4, "n": 5},
    stalls=False,
    tests=4,
    passed=4,
    failed=0,
    skipped=0,
    cycles=100,
    predicted_cycles=100,
)


def test_entry_has_the_documented_fields(tmp_path):
    path = tmp_path / "reports" / "sim.json"
    record(ENTRY, path)
    assert json.loads(path.read_text()) == {
        "runs": [
            {
                "bench": "engine",
                "simulator": "icarus",
                "config": {"m": 4, "n": 5},
                "stalls": False,
                "tests": 4,
                "passed": 4,
                "failed": 0,
                "skipped": 0,
                "cycles": 100,
                "predicted_cycles": 100,
            }
        ]
    }


def test_running_again_replaces_the_entry(tmp_path):
    path = tmp_path / "sim.json"
    record(ENTRY, path)
    record(replace(ENTRY, passed=3, failed=1), path)
    assert [run["failed"] for run in read(path)] == [1]


def test_every_part_of_the_key_tells_runs_apart(tmp_path):
    path = tmp_path / "sim.json"
    for entry in (
        ENTRY,
        replace(ENTRY, bench="main.conv1"),
        replace(ENTRY, simulator="verilator"),
        replace(ENTRY, config=None),
        replace(ENTRY, stalls=True),
    ):
        record(entry, path)
    assert len(read(path)) == 5


def test_a_missing_report_has_no_entries(tmp_path):
    assert read(tmp_path / "sim.json") == []


def _record(arguments):
    path, index = arguments
    record(replace(ENTRY, bench=f"unit.{index}"), path)


def test_parallel_processes_lose_nothing(tmp_path):
    path = tmp_path / "sim.json"
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_record, [(path, index) for index in range(20)])
    assert sorted(run["bench"] for run in read(path)) == sorted(f"unit.{i}" for i in range(20))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sim.json", "sim.lock"]
