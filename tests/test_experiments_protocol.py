"""What is trained, and with which command line."""

from pathlib import Path

import pytest

from experiments.factors import FACTORS
from experiments.protocol import (
    HELD_OUT,
    PROTOCOLS,
    RATES,
    TRIAL_IMAGES,
    Places,
    Run,
    all_runs,
    select,
)
from pa_nn.schemes import Scheme
from pa_nn.train import _parser

PLACES = Places(data={"fashion-mnist": Path("fashion"), "cifar10-jpeg": Path("cifar")})
RUNS = all_runs()


def test_no_run_is_listed_twice_and_every_scheme_exists():
    names = [run.name for run in RUNS]
    assert len(set(names)) == len(names)
    for run in RUNS:
        assert str(Scheme.parse(run.scheme)) == run.scheme


def test_short_runs_come_first_and_longer_ones_later():
    order = list(dict.fromkeys(run.protocol.name for run in RUNS))
    assert order == ["start", "short", "long", "factor", "cifar-start", "cifar"]
    assert [run.scheme for run in RUNS[1:4]] == ["full", "pa:4,5", "abc:5,5"]


def test_rows_of_the_paper_and_of_the_comparison_are_there():
    short = {run.scheme for run in RUNS if run.protocol.name == "short"}
    paper = "full pa:4,full pa:8,full pa:4,5 pa:8,7 abc:5,full abc:5,5 bwn xnor bireal dorefa:2,2"
    assert short >= set(paper.split())
    long = {run.scheme for run in RUNS if run.protocol.name == "long"}
    assert long == set(
        "full pa:4,5 pa:4,7 pa:6,7 pa:8,7 abc:5,5 lsq:2,2 lsq:3,3 lsq:4,4".split()  # noqa: SIM905
    )
    assert {run.scheme for run in RUNS if run.protocol.name == "cifar"} >= {
        "pa:4,5",
        "pa:8,7",
        "abc:5,5",
    }
    factors = {str(run.factor) for run in RUNS if run.factor is not None}
    assert factors == {str(factor) for factor in FACTORS} - {"default"}


def test_every_short_and_factor_run_has_two_seeds():
    for name in ("short", "factor"):
        runs = [run for run in RUNS if run.protocol.name == name]
        of_seed = [{run.name[:-1] for run in runs if run.seed == seed} for seed in (0, 1)]
        assert of_seed[0] == of_seed[1]
        assert len(runs) == 2 * len(of_seed[0])


def test_every_scheme_has_the_same_budget_of_trials_on_held_out_images():
    for run in RUNS:
        trials = run.trials()
        if run.protocol.start is None:
            assert trials == []
            continue
        assert tuple(trial.rate for trial in trials) == RATES
        for trial in trials:
            argv = trial.argv(PLACES)
            assert argv[argv.index("--hold-out") + 1] == str(HELD_OUT)
            assert argv[argv.index("--limit") + 1] == str(TRIAL_IMAGES)
            assert (trial.epochs, trial.tested, trial.run.seed) == (1, HELD_OUT, 0)
        assert "--hold-out" not in run.training(0.03).argv(PLACES)


def test_every_command_line_is_understood():
    for run in RUNS:
        for training in (*run.trials(), run.training(0.03)):
            args = _parser().parse_args(training.argv(PLACES))
            assert args.epochs == training.epochs
            assert args.limit == training.images
            assert args.model == run.protocol.model


def test_folders_are_apart():
    trainings = {t.name: t for run in RUNS for t in (*run.trials(), run.training(0.03))}
    folders = {training.folder(PLACES) for training in trainings.values()}
    assert len(folders) == len(trainings)


def test_trials_are_shared_by_protocols_with_the_same_data():
    short, long, factor = (
        Run(protocol=PROTOCOLS[name], scheme="pa:4,5", seed=1)
        for name in ("short", "long", "factor")
    )
    commands = [[t.argv(PLACES) for t in run.trials()] for run in (short, long, factor)]
    assert commands[0] == commands[1] == commands[2]


def test_where_runs_start():
    run = Run(protocol=PROTOCOLS["cifar"], scheme="pa:8,7")
    argv = run.training(0.1).argv(PLACES, precision="float32")
    assert argv[:6] == [
        *("--data", "cifar", "--model", "resnet20"),
        *("--init", "build/train/cifar_full_24/model.pt"),
    ]
    assert argv[-4:] == ["--precision", "float32", "--out", "build/experiments/cifar/pa_8_7/seed0"]
    start = run.start_run.training(0.1)
    assert start.argv(PLACES)[-2:] == ["--out", "build/train/cifar_full_24"]
    assert "--init" not in start.argv(PLACES)
    with pytest.raises(ValueError, match="cifar-start/full/seed0 starts from random weights"):
        _ = run.start_run.start_run


def test_select():
    assert [run.name for run in select(RUNS, "short/pa:4,5/*")] == [
        "short/pa:4,5/seed0",
        "short/pa:4,5/seed1",
    ]
    with pytest.raises(ValueError, match=f"--only 'nothing' matches none of {len(RUNS)} runs"):
        select(RUNS, "nothing")
