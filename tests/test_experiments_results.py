"""The list of results: its schema, and several writers."""

import json
import multiprocessing

import pytest

from experiments.results import FIELDS, add, check, find, load, same, title

RECORD = {
    "protocol": "short",
    "dataset": "fashion-mnist",
    "model": "resnet8",
    "scheme": "pa",
    "m": 4,
    "n": 5,
    "weight_bits": None,
    "activation_bits": None,
    "phi_bits": None,
    "options": None,
    "seed": 0,
    "epochs": 3,
    "train_images": 20000,
    "test_images": 10000,
    "top1": 91.2,
    "full_precision_top1": 93.47,
    "lr": 0.016,
    "trials": [[0.006, 90.0], [0.016, 91.0], [0.04, None]],
    "seconds": 60.5,
    "command": "python -m pa_nn.train",
}


def record(**changes):
    return {**RECORD, **changes}


def test_the_example_has_every_field_and_is_accepted():
    assert set(RECORD) == set(FIELDS)
    check(RECORD)
    check(record(top1=None, command=None, error="Loss is nan"), failed=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": 1}, "unknown field 'extra'"),
        ({"top1": None}, "top1 must be int or float, not None"),
        ({"top1": "91"}, "top1 must be int or float, not '91'"),
        ({"top1": 101.0}, "top1 must be a percentage, not 101.0"),
        ({"full_precision_top1": -1}, "full_precision_top1 must be a percentage, not -1"),
        ({"m": 4.0}, "m must be int or null, not 4.0"),
        ({"seed": True}, "seed must be int or null, not True"),
        ({"scheme": "lq"}, "scheme must be one of full, .* not 'lq'"),
        ({"protocol": "tiny"}, "protocol must be one of start, .* not 'tiny'"),
        ({"trials": [0.1]}, "trials must be pairs of learning rate and top-1, not 0.1"),
        ({"options": []}, "options must be dict or null"),
    ],
)
def test_bad_records_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        check(record(**changes))
    with pytest.raises(ValueError, match=message):
        add(tmp_path / "results.json", [RECORD, record(**changes)])
    assert not (tmp_path / "results.json").exists()


def test_a_field_that_is_missing_and_an_error_that_is_no_text_are_refused():
    with pytest.raises(ValueError, match="has no field 'command'"):
        check({name: value for name, value in RECORD.items() if name != "command"})
    with pytest.raises(ValueError, match="error must be str, not 3"):
        check(record(error=3), failed=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not results, it has no list 'runs'"),
        ('{"runs": {}}', "not results, it has no list 'runs'"),
        (json.dumps({"runs": [RECORD, record(m="4")]}), r"runs\[1\]: m must be int or null"),
        (json.dumps({"runs": [], "failures": [RECORD]}), r"failures\[0\]: has no field 'error'"),
        (json.dumps({"runs": [3]}), r"runs\[0\]: not a record but 3"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_later_record_of_a_run_takes_the_place_of_an_earlier_one(tmp_path):
    path = tmp_path / "results.json"
    assert load(path) == {"runs": [], "failures": []}
    failure = record(top1=None, error="Loss is nan")
    add(path, [failure, record(seed=1)])
    assert load(path) == {"runs": [record(seed=1)], "failures": [failure]}
    add(path, [record(top1=92.0)])
    assert load(path) == {"runs": [record(seed=1), record(top1=92.0)], "failures": []}
    assert json.loads(path.read_bytes()) == load(path)
    assert len(path.read_text().splitlines()) == 8


def test_runs_are_told_apart_by_what_determines_them():
    assert same(RECORD, record(top1=1.0, lr=0.1, seconds=None, command=""))
    for changes in ({"seed": 1}, {"epochs": 4}, {"options": {"start": "uniform"}}, {"m": 6}):
        assert not same(RECORD, record(**changes))
    assert find([record(seed=1), RECORD], record(top1=0.0)) == RECORD
    assert find([record(seed=1)], RECORD) is None


def test_titles():
    assert title(RECORD) == "short pa:4,5 seed 0"
    assert (
        title(record(n=None, options={"start": "uniform"}))
        == "short pa:4,full start=uniform seed 0"
    )
    bits = {"m": None, "n": None, "weight_bits": 3, "activation_bits": 2}
    assert title(record(scheme="lsq", **bits)) == "short lsq:3,2 seed 0"
    bits["weight_bits"] = None
    assert title(record(scheme="ternary", **bits)) == "short ternary:2 seed 0"
    bits["activation_bits"] = None
    assert title(record(scheme="xnor", **bits)) == "short xnor seed 0"


def _add(path, seed):
    for epochs in range(1, 11):
        add(path, [record(seed=seed, epochs=epochs)])


def test_several_processes_add_to_one_file(tmp_path):
    path = tmp_path / "results.json"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add, args=(path, seed)) for seed in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(load(path)["runs"]) == 30
