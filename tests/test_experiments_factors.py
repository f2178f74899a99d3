"""Factor settings are what the command line of training takes, each one step from the default."""

import pytest

from experiments.factors import DEFAULT, FACTORS
from pa_nn.pa_options import KEYWORDS
from pa_nn.train import _parser

BASE = ["--data", "data", "--out", "out", "--scheme", "pa:4,5"]


def parsed(argv):
    return vars(_parser().parse_args([*BASE, *argv]))


def test_the_default_comes_first_and_sets_nothing():
    assert FACTORS[0] is DEFAULT
    assert parsed(DEFAULT.argv) == parsed([])


@pytest.mark.parametrize("factor", FACTORS[1:], ids=str)
def test_a_setting_is_one_option_away_from_the_default(factor):
    default, values = parsed([]), parsed(factor.argv)
    different = [name for name in default if default[name] != values[name]]
    assert different == [factor.name.replace("-", "_")]
    assert str(values[different[0]]) in (factor.value, str(float_of(factor.value)))


def float_of(text):
    try:
        return float(text)
    except ValueError:
        return text


def test_settings_are_named_once():
    assert len({str(factor) for factor in FACTORS}) == len(FACTORS)
    assert str(DEFAULT) == "default"
    assert str(FACTORS[1]) == "levels=trained"


def test_no_option_of_the_scheme_is_missing():
    options = {name.replace("_", "-") for name in KEYWORDS}
    assert {factor.name for factor in FACTORS} == {"default", "level-lr", *options}
