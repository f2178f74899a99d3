"""Schemes by name, and one function that puts any of them into a network."""

import pytest
import torch
from torch import nn

from pa_nn import build_model, convert
from pa_nn.rivals.layers import RivalLinear
from pa_nn.schemes import Scheme, apply_scheme


@pytest.mark.parametrize(
    ("text", "fields", "levels"),
    [
        ("full", {}, None),
        ("pa:4,5", {"m": 4, "n": 5}, (5, 6)),
        ("pa:8,full", {"m": 8}, None),
        ("abc:5,5", {"m": 5, "n": 5}, (6, 6)),
        ("abc:5,full", {"m": 5}, None),
        ("bwn", {"weight_bits": 1}, None),
        ("xnor", {"weight_bits": 1, "activation_bits": 1}, (2, 2)),
        ("bireal", {"weight_bits": 1, "activation_bits": 1}, (2, 2)),
        ("dorefa:2,2", {"weight_bits": 2, "activation_bits": 2}, (4, 4)),
        ("lsq:3,3", {"weight_bits": 3, "activation_bits": 3}, (8, 8)),
        ("lsq:8,full", {"weight_bits": 8}, None),
        ("ternary:full", {}, None),
        ("ternary:3", {"activation_bits": 3}, (3, 8)),
    ],
)
def test_spelling(text, fields, levels):
    scheme = Scheme.parse(text)
    name = text.partition(":")[0]
    assert scheme == Scheme(name=name, **fields)
    assert str(scheme) == text
    assert scheme.levels() == levels


@pytest.mark.parametrize("name", ["bwn", "xnor", "bireal"])
def test_bits_that_are_no_choice_are_filled_in(name):
    assert Scheme(name=name) == Scheme.parse(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vgg",
        "pa:",
        "pa",
        "pa:4",
        "pa:full,5",
        "pa:4,5,6",
        "pa:4,05",
        "bwn:1",
        "full:",
        "lsq:-3,3",
    ],
)
def test_other_spellings_are_refused(text):
    with pytest.raises(ValueError, match=r"^Scheme must be .*pa:M,N, .*, not ") as caught:
        Scheme.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"name": "vgg"}, ValueError, "Scheme must be one of full, pa, .*, not 'vgg'"),
        ({"name": "pa", "m": 3}, ValueError, "M must be an even number .*, not 3"),
        ({"name": "pa"}, TypeError, "M must be an integer, not None"),
        ({"name": "pa", "m": 4, "n": 0}, ValueError, "N must be from 1 to 255, not 0"),
        ({"name": "pa", "m": 4, "weight_bits": 2}, ValueError, "pa takes no weight_bits 2"),
        ({"name": "abc", "m": 17}, ValueError, "M must be from 1 to 16, not 17"),
        ({"name": "abc", "m": True}, TypeError, "M must be an integer, not True"),
        ({"name": "abc", "m": 5, "n": 17}, ValueError, "N must be from 1 to 16, not 17"),
        ({"name": "bwn", "weight_bits": 2}, ValueError, "bwn takes no weight_bits 2"),
        ({"name": "xnor", "m": 5}, ValueError, "xnor takes no m 5"),
        (
            {"name": "xnor", "weight_bits": 1, "activation_bits": 2},
            ValueError,
            "xnor takes no activation_bits 2",
        ),
        ({"name": "full", "n": 5}, ValueError, "full takes no n 5"),
        ({"name": "ternary", "weight_bits": 2}, ValueError, "ternary takes no weight_bits 2"),
        (
            {"name": "lsq", "weight_bits": 1},
            ValueError,
            "Weight bits of lsq must be from 2 to 8, not 1",
        ),
        (
            {"name": "dorefa", "weight_bits": 9},
            ValueError,
            "Weight bits of dorefa must be from 1 to 8, not 9",
        ),
        ({"name": "lsq"}, TypeError, "Weight bits of lsq must be an integer, not None"),
        (
            {"name": "ternary", "activation_bits": 0},
            ValueError,
            "Activation bits of ternary must be from 1 to 8, not 0",
        ),
    ],
)
def test_values_out_of_range_are_refused(fields, error, message):
    with pytest.raises(error, match=message):
        Scheme(**fields)


def images(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("resnet8", in_channels=1, classes=4)


def same(one, other):
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def test_full_precision_is_a_copy(model):
    copy = apply_scheme(model, Scheme.parse("full"))
    assert copy is not model
    assert copy.fc.weight is not model.fc.weight
    assert same(copy, model)


def test_pa_is_what_convert_makes(model):
    batches = [images(2, 1, 28, 28)]
    options = {"keep": ("conv1",), "calibration": batches, "lambda_w": 2.0}
    made = apply_scheme(model, Scheme.parse("pa:4,5"), **options)
    expected = convert(model, 4, 5, **options)
    assert repr(made) == repr(expected)
    assert same(made, expected)
    assert made.stages[0][0].conv1.lambda_w == 2.0


def test_options_of_pa_fit_no_other_scheme(model):
    with pytest.raises(ValueError, match="Scheme full takes no lambda_w"):
        apply_scheme(model, Scheme.parse("full"), lambda_w=1.0)


def test_any_module():
    made = apply_scheme(nn.Sequential(nn.Conv2d(1, 2, 3)), Scheme.parse("pa:2,full"), keep=())
    assert made[0].m == 2


def test_other_schemes(model):
    batches = [images(2, 1, 28, 28)]
    made = apply_scheme(model, Scheme.parse("lsq:3,3"), keep=("conv1",), calibration=batches)
    assert isinstance(made.fc, RivalLinear)
    with pytest.raises(ValueError, match="Scheme lsq:3,3 takes no lambda_w"):
        apply_scheme(model, Scheme.parse("lsq:3,3"), lambda_w=1.0)


@pytest.mark.parametrize("first", ["pa:4,5", "bwn"])
@pytest.mark.parametrize("second", ["pa:4,5", "xnor"])
def test_a_model_is_approximated_once(model, first, second):
    made = apply_scheme(model, Scheme.parse(first))
    kind = first.partition(":")[0]
    with pytest.raises(ValueError, match=f"conv1: is of scheme {kind} already and cannot become"):
        apply_scheme(made, Scheme.parse(second))
