"""Training and evaluation through the integers of hardware."""

import copy

import pytest
import torch
import torch.nn.functional as F
from pa_models import MEAN, STD, batches, hardware, normalised, pixels, residual
from pa_topologies import TOPOLOGIES, build

import pa_artifact
from pa_nn import golden
from pa_nn import hardware as module
from pa_nn.checkpoint import load_checkpoint, model_entries, save_checkpoint
from pa_nn.data import Batches, ImageSet
from pa_nn.hardware import quantise_for_hardware, restore_hardware

# Even kernels ask PyTorch for an uneven padding, which it warns about.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding=.same.")


def golden_logits(network, images, fast):
    values = golden.run(network, images, fast=fast)["logits"].flatten(1)
    scale = float(network.node("logits").tensors["scale"][0])
    return (values.double() * scale).float()


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_logits_are_golden_integers_times_their_scale(name, tmp_path):
    model, images = hardware(lambda: build(name)), pixels(seed=1)
    network, _ = model.lower(tuple(images.shape[1:]))
    pa_artifact.write(tmp_path / "network.pa", network)
    read = pa_artifact.read(tmp_path / "network.pa")
    with torch.no_grad():
        logits = model(normalised(images))
    assert torch.equal(logits, golden_logits(read, images, fast=False))
    # With gradients the same integers come along another way.
    assert torch.equal(model(normalised(images)).detach(), logits)
    assert len(logits.unique()) > 1


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_integer_equals_the_golden_model(name, seed):
    model, images = hardware(lambda: build(name, seed)), pixels(seed=2)
    network, _ = model.lower(tuple(images.shape[1:]))
    expected = golden.run(network, images)
    actual = model._execute(normalised(images)).integers
    assert len(actual) == len(model.plan)
    for name, value in actual.items():
        assert torch.equal(value.long(), expected[name]), name


def test_training_computes_the_integers_too():
    model, images = hardware().train(), pixels(seed=3)
    network, _ = model.lower(tuple(images.shape[1:]))
    expected = golden_logits(network, images, fast=True)
    assert torch.equal(model(normalised(images)).detach(), expected)
    # The step has moved the running statistics: the next one has other thresholds.
    after, _ = model.lower(tuple(images.shape[1:]))
    assert not torch.equal(golden_logits(after, images, fast=True), expected)


def test_reduced_precision_loses_no_integer():
    model, images = hardware(), normalised(pixels(seed=3))
    with torch.no_grad():
        expected = model(images)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(model(images), expected)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_training_of_every_topology(name):
    """The integers are those of evaluation; every gradient is there and finite."""
    model = hardware(lambda: build(name)).train()
    images, labels = batches(seed=4)[0]
    network, _ = model.lower(tuple(images.shape[1:]))
    expected = golden_logits(network, model._pixels(images).long(), fast=True)
    logits = model(images)
    assert torch.equal(logits.detach(), expected)
    F.cross_entropy(logits, labels).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    model = hardware().train()
    images, labels = batches(seed=4)[0]
    F.cross_entropy(model(images), labels).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        # The last beta and v of some layers are reached by no activation of so few images.
        if not name.endswith((".v", ".beta")):
            assert parameter.grad.abs().sum() > 0, name


def test_evaluation_changes_nothing_and_training_follows():
    model, images = hardware(), normalised(pixels())
    before = copy.deepcopy(model.state_dict())
    model(images)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key]), key
    model.train()(images)
    changed = {
        key for key, value in model.state_dict().items() if not torch.equal(value, before[key])
    }
    assert "ranges" in changed
    assert "model.bn1.running_mean" in changed
    assert "model.stages.1.0.downsample.1.running_var" in changed
    assert not any(key.endswith(("weight", "beta", ".v")) for key in changed)


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    model = hardware().train()
    images, labels = batches(seed=5)[0]
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    losses = []
    for _ in range(10):
        loss = F.cross_entropy(model(images), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        for part in model.modules():
            if hasattr(part, "project_"):
                part.project_()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_wide_integers_come_near_the_float_network():
    model = hardware(phi_bits=16, mult_bits=24, act_bits=14)
    images = normalised(pixels(seed=6))
    for mode in ("exact", "real_sums"):
        execution = model._execute(images, mode)
        stem = model.model.conv1(images)
        assert torch.allclose(execution.reals["conv1"], stem, atol=0.05)
        first = model.model.stages[0][0].conv1
        expected = first(execution.reals["bn1.out"].float())
        assert torch.allclose(execution.reals["stages.0.0.conv1"], expected, atol=1e-3)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_float_mode_is_the_float_network(name):
    model, images = hardware(lambda: build(name)), normalised(pixels(seed=7))
    with torch.no_grad():
        assert torch.allclose(
            model._execute(images, "float").logits(), model.model(images), atol=1e-5
        )


@pytest.mark.parametrize(
    ("scores", "chosen"),
    [
        ({8: 90.0}, 8),
        ({8: 89.9}, 8),
        ({8: 89.8, 9: 89.85, 10: 91.0}, 10),
        ({8: 1.0, 9: 1.0, 10: 1.0, 11: 1.0, 12: 1.0}, 12),
    ],
)
def test_act_bits_are_the_smallest_that_serve(monkeypatch, scores, chosen):
    def score(model, _, *, mode="exact"):
        return 90.0 if mode == "real_sums" else scores[model.widths.act_bits]

    monkeypatch.setattr(module, "_top1", score)
    model = quantise_for_hardware(residual(), batches(), mean=MEAN, std=STD)
    assert model.widths.act_bits == chosen


def test_act_bits_are_chosen_on_real_scores():
    model = quantise_for_hardware(residual(), batches(), mean=MEAN, std=STD)
    reference = module._top1(model, batches(), mode="real_sums")
    assert model.widths.act_bits == 12 or module._top1(model, batches()) >= reference - 0.1


def test_the_given_model_stays_as_it_is():
    model = residual().train()
    before = copy.deepcopy(model.state_dict())
    quantised = quantise_for_hardware(model, batches(), mean=MEAN, std=STD, act_bits=8)
    assert quantised.training
    quantised(normalised(pixels()))
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


def test_copies_are_independent():
    model, images = hardware(), normalised(pixels())
    twin = copy.deepcopy(model)
    expected = model(images).detach()
    assert torch.equal(twin(images).detach(), expected)
    with torch.no_grad():
        twin.model.fc.bias += 1
    assert torch.equal(model(images).detach(), expected)
    assert not torch.equal(twin(images).detach(), expected)


def test_changed_parameters_are_lowered_again():
    model, images = hardware(), normalised(pixels())
    with torch.no_grad():
        first = model(images)
        model.model.stages[0][0].conv1.weight.neg_()
        assert not torch.equal(model(images), first)


def test_checkpoint_round_trip(tmp_path, monkeypatch):
    model, images = hardware(), normalised(pixels())
    about = {"name": "tiny", "in_channels": 2, "classes": 3, "mean": MEAN, "std": STD}
    save_checkpoint(tmp_path / "model.pt", model_entries(model, **about))
    from pa_nn.models import BUILDERS, ResNet

    def tiny(in_channels, classes):
        return ResNet(in_channels=in_channels, classes=classes, widths=(4, 6), blocks=(1, 1))

    monkeypatch.setitem(BUILDERS, "tiny", tiny)
    entries = load_checkpoint(tmp_path / "model.pt")
    restored = restore_hardware(entries)
    assert restored.widths == model.widths
    assert torch.equal(restored(images), model(images))
    plain = model_entries(residual(), **about)
    with pytest.raises(ValueError, match="must be of a model trained with --hardware"):
        restore_hardware(plain)
    del entries["model"]["ranges"]
    with pytest.raises(ValueError, match="must be of a model trained with --hardware"):
        restore_hardware(entries)
    entries["model"]["ranges"] = torch.zeros(2)
    with pytest.raises(ValueError, match=r"does not fit its own model: .*size mismatch"):
        restore_hardware(entries)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"phi_bits": 1}, ValueError, "phi_bits must be from 2 to 16, not 1"),
        ({"phi_bits": 8.0}, TypeError, r"phi_bits must be an integer, not 8\.0"),
        ({"mult_bits": 25}, ValueError, "mult_bits must be from 2 to 24, not 25"),
        ({"act_bits": 1}, ValueError, "act_bits must be from 2 to 16, not 1"),
        ({"std": (0.0, 1.0)}, ValueError, "std must be above 0, not 0"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        quantise_for_hardware(residual(), batches(), **{"mean": MEAN, "std": STD, **options})


def test_normalisation_comes_with_batches():
    images = pixels(count=6)
    labelled = ImageSet(images=images, labels=torch.arange(6) % 3, classes=("0", "1", "2"))
    calibration = Batches(labelled, batch_size=6, mean=MEAN, std=STD)
    model = quantise_for_hardware(residual(), calibration, act_bits=8)
    assert (model.mean, model.std) == (MEAN, STD)


@pytest.mark.parametrize("options", [{}, {"mean": MEAN}, {"std": STD}])
def test_normalisation_must_be_known(options):
    with pytest.raises(TypeError, match="mean and std must both be given where calibration is not"):
        quantise_for_hardware(residual(), batches(), **options)


@pytest.mark.parametrize(
    ("calibration", "message"),
    [
        ([], "Calibration must be one batch of images at least, not none"),
        (["images"], "must be batches of images .* not of str"),
        ([(normalised(pixels()), None, None)], "must be batches of images"),
        ([normalised(pixels())[0]], "must be batches of images"),
    ],
)
def test_calibration_must_be_batches(calibration, message):
    with pytest.raises(ValueError, match=message):
        quantise_for_hardware(residual(), calibration, mean=MEAN, std=STD)


def test_images_without_labels_count_as_unrounded_sums_see_them():
    images, _ = batches()[0]
    model = quantise_for_hardware(residual(), [images], mean=MEAN, std=STD)
    ((_, labels),) = module._labelled(model, [(images, None)])
    assert module._top1(model, [(images, labels)], mode="real_sums") == 100
    assert model.widths.act_bits == 12 or module._top1(model, [(images, labels)]) == 100
    for mixed in ([(images, None)], [(images,)], [images, (images, labels)]):
        ranges = quantise_for_hardware(residual(), mixed, mean=MEAN, std=STD, act_bits=8).ranges
        assert torch.equal(ranges, model.ranges)


def test_a_sum_that_is_always_zero_is_refused():
    model = residual()
    with torch.no_grad():
        model.bn1.weight.zero_()
        model.bn1.bias.fill_(-1)
    with pytest.raises(ValueError, match=r"bn1\.out: is 0 on every calibration image"):
        quantise_for_hardware(model, batches(), mean=MEAN, std=STD, act_bits=8)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("conv1.weight", r"must be finite, not nan"),
        ("stages.0.0.conv2.weight", r"must be finite, not nan"),
        ("stages.1.0.bn2.running_var", r"must be finite, not nan"),
        ("fc.bias", r"must be finite, not nan"),
    ],
)
def test_parameters_that_are_not_finite(path, message):
    model = hardware()
    with torch.no_grad():
        model.model.state_dict()[path].flatten()[0] = float("nan")
    with pytest.raises(ValueError, match=message) as caught:
        model.lower((2, 8, 8))
    assert path.split(".")[-2][:2] in str(caught.value)
