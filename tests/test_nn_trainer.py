"""The training loop: what it changes, what it leaves in its folder, and how it resumes."""

import math
from pathlib import Path

import pytest
import torch

from pa_nn import build_model, convert
from pa_nn.checkpoint import load_checkpoint, restore_model
from pa_nn.data import Batches, load_folder
from pa_nn.recipe import Recipe
from pa_nn.trainer import Trainer, TrainingError

EMBEDDED = Path(__file__).resolve().parents[1] / "sim" / "data"
ABOUT = {"name": "resnet8", "in_channels": 1, "classes": 10, "mean": (0.286,), "std": (0.353,)}
RECIPE = Recipe(epochs=2, batch_size=16, lr=0.02, warmup=0)


def batches(**options):
    images = load_folder(EMBEDDED, "test").take(32)
    return Batches(
        images, batch_size=16, mean=ABOUT["mean"], std=ABOUT["std"], shuffle=True, **options
    )


def pa_model():
    torch.manual_seed(0)
    return convert(build_model("resnet8", in_channels=1, classes=10), 4, 5)


def trainer(out, recipe=RECIPE, model=None, **options):
    return Trainer(
        model or pa_model(),
        recipe,
        train=batches(augment=recipe.augment),
        test=batches(),
        about=ABOUT,
        out=out,
        **options,
    )


def test_training_lowers_the_loss_on_real_images_and_changes_every_kind_of_parameter(tmp_path):
    run = trainer(tmp_path, Recipe(epochs=8, batch_size=16, lr=0.1, warmup=0, augment=False))
    before = {name: value.detach().clone() for name, value in run.model.named_parameters()}
    losses = []
    for run.epoch in range(8):
        losses.append(run.run_epoch())
    assert losses[-1] < 0.8 * losses[0]
    for name, value in run.model.named_parameters():
        assert not torch.equal(value, before[name]), name


def test_endpoints_stay_sorted_and_positive(tmp_path):
    run = trainer(tmp_path, Recipe(epochs=1, batch_size=16, lr=0.1, level_lr=10.0, warmup=0))
    images, labels = next(iter(batches()))
    run.step(images, labels, 0)
    for name, value in run.model.named_parameters():
        if name.endswith(".v"):
            assert value.tolist() == sorted(value.tolist())
            assert value[0] >= 1e-3


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_a_broken_run_resumes_to_the_result_of_an_unbroken_one(tmp_path, optimiser):
    recipe = Recipe(epochs=2, batch_size=16, lr=0.01, warmup=3, optimiser=optimiser)
    whole = trainer(tmp_path / "whole", recipe)
    whole.run()
    broken = trainer(tmp_path / "broken", recipe)
    save = broken.save

    def save_and_die():
        save()
        raise KeyboardInterrupt

    broken.save = save_and_die
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    torch.manual_seed(123)
    resumed = trainer(tmp_path / "broken", recipe, model=pa_model())
    resumed.resume()
    assert resumed.epoch == 1
    resumed.run()
    expected = whole.model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in resumed.model.state_dict().items())
    logs = [
        [line.rsplit(",", 1)[0] for line in (tmp_path / name / "log.csv").read_text().splitlines()]
        for name in ("whole", "broken")
    ]
    assert logs[0] == logs[1]
    assert logs[0][0] == "epoch,loss,top1,learning_rate"
    assert len(logs[0]) == 3


def test_files_of_a_run(tmp_path):
    run = trainer(tmp_path, Recipe(epochs=1, batch_size=16, warmup=0))
    run.run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.pt", "log.csv", "model.pt"]
    model = restore_model(load_checkpoint(tmp_path / "model.pt"))
    expected = run.model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in model.state_dict().items())
    assert "optimiser" not in load_checkpoint(tmp_path / "model.pt")


def test_a_run_killed_between_its_files_completes_them(tmp_path):
    recipe = Recipe(epochs=1, batch_size=16, warmup=0)
    trainer(tmp_path, recipe).run()
    expected = (tmp_path / "log.csv").read_text()
    for name in ("log.csv", "model.pt"):
        (tmp_path / name).unlink()
    resumed = trainer(tmp_path, recipe)
    resumed.resume()
    assert (tmp_path / "log.csv").read_text() == expected
    model = restore_model(load_checkpoint(tmp_path / "model.pt"))
    assert model.state_dict().keys() == resumed.model.state_dict().keys()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path):
    run = trainer(tmp_path)
    run.run_epoch()
    run.epoch = 1
    run.save()
    before = (tmp_path / "last.pt").read_bytes()
    with torch.no_grad():
        run.model.stages[0][0].conv1.weight[0, 0, 0, 0] = math.nan
    with pytest.raises(TrainingError, match=r"Loss is nan in step 3 \(epoch 2\); .* epoch 1") as e:
        run.run()
    assert "\n" not in str(e.value)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_weights_ruined_by_the_last_step_are_not_saved(tmp_path):
    run = trainer(tmp_path)
    step = run.step

    def ruin(images, labels, number):
        loss = step(images, labels, number)
        if number == 1:
            with torch.no_grad():
                run.model.fc.bias[0] = math.inf
        return loss

    run.step = ruin
    message = r"fc\.bias is not finite after step 2; no checkpoint was made yet, try a smaller"
    with pytest.raises(TrainingError, match=message):
        run.run()
    assert not list(tmp_path.iterdir())


def test_a_run_resumes_within_an_epoch(tmp_path):
    whole = trainer(tmp_path / "whole")
    whole.run()
    broken = trainer(tmp_path / "broken", save_every=1)
    with pytest.raises(TrainingError, match=r"epoch 0 and 1 steps is kept"):
        _stop_in_step(broken, 1).run()
    resumed = trainer(tmp_path / "broken", save_every=1)
    resumed.resume()
    assert (resumed.epoch, resumed.steps) == (0, 1)
    with pytest.raises(TrainingError, match=r"epoch 1 and 1 steps is kept"):
        _stop_in_step(resumed, 3).run()
    last = trainer(tmp_path / "broken")
    last.resume()
    last.run()
    expected = whole.model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in last.model.state_dict().items())
    assert [row[:4] for row in last.history] == [row[:4] for row in whole.history]


def _stop_in_step(run, number):
    step = run.step

    def fail(images, labels, at):
        return step(images * (math.nan if at == number else 1), labels, at)

    run.step = fail
    return run


def test_resuming_another_run_is_refused(tmp_path):
    run = trainer(tmp_path)
    run.save()
    with pytest.raises(ValueError, match=r"run has lr 0\.02, not 0\.5"):
        trainer(tmp_path, Recipe(epochs=2, batch_size=16, lr=0.5, warmup=0)).resume()
    fewer = trainer(tmp_path)
    fewer.test.set = fewer.test.set.take(9)
    with pytest.raises(ValueError, match="run has test images 32, not 9"):
        fewer.resume()
    other = convert(build_model("resnet8", in_channels=1, classes=10), 8, 5)
    with pytest.raises(
        ValueError, match=r"pa layer stages\.0\.0\.conv1 \{'m': 4, .* not \{'m': 8, "
    ):
        trainer(tmp_path, model=other).resume()
    plain = build_model("resnet8", in_channels=1, classes=10)
    with pytest.raises(ValueError, match=r"pa layer stages\.0\.0\.conv1 \{'m': 4, .*, not None$"):
        trainer(tmp_path, model=plain).resume()
    (tmp_path / "last.pt").write_bytes((tmp_path / "model.pt").read_bytes())
    with pytest.raises(ValueError, match="holds no run to resume"):
        run.resume()
