"""Recipes: learning rates, groups of parameters, and values out of range."""

import math

import pytest

from pa_nn import build_model, convert
from pa_nn.recipe import Recipe


def test_learning_rates():
    cosine = Recipe(epochs=10, lr=1.0, warmup=4)
    assert cosine.lr_at(0, 10) == 0.25
    assert cosine.lr_at(50, 10) == pytest.approx(0.5)
    assert cosine.lr_at(100, 10) == pytest.approx(0)
    exponential = Recipe(epochs=3, lr=1.0, warmup=0, schedule="exponential", decay=0.5)
    assert [exponential.lr_at(step, 2) for step in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    constant = Recipe(epochs=3, lr=0.3, warmup=0, schedule="constant")
    assert constant.lr_at(5, 2) == 0.3


def test_levels_have_a_rate_of_their_own_and_no_decay():
    model = convert(build_model("resnet8", in_channels=1, classes=10), 4, 5)
    rest, levels = Recipe(level_lr=0.1, weight_decay=0.01).make_optimiser(model).param_groups
    assert len(levels["params"]) == 16
    assert (levels["factor"], levels["weight_decay"]) == (0.1, 0)
    assert (rest["factor"], rest["weight_decay"]) == (1, 0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"seed": -1}, "seed must be at least 0, not -1"),
        ({"lr": math.nan}, "lr must be at least 0 and finite, not nan"),
        ({"level_lr": -0.1}, r"level_lr must be at least 0 and finite, not -0\.1"),
        ({"momentum": 1.5}, r"momentum must be from 0 to 1, not 1\.5"),
        ({"optimiser": "lion"}, "optimiser must be one of sgd, adam, not 'lion'"),
        ({"schedule": "step"}, "schedule must be one of cosine, exponential, constant"),
        ({"precision": "int8"}, "precision must be one of float32, bfloat16, not 'int8'"),
    ],
)
def test_bad_recipes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**options)
