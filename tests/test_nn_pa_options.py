"""Flags that become keywords of ``convert``."""

import argparse

import pytest

from pa_nn.pa_options import KEYWORDS, add_pa_options, given_flag, pa_options


def parse(*argv):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_pa_options(parser)
    return parser.parse_args(argv)


def test_nothing_given_leaves_everything_to_convert():
    args = parse()
    assert pa_options(args) == {}
    assert given_flag(args) is None
    assert set(vars(args)) == set(KEYWORDS)


@pytest.mark.parametrize(
    ("argument", "keyword", "value"),
    [
        ("--lambda-w=10", "lambda_w", 10.0),
        ("--lambda-a=0.5", "lambda_a", 0.5),
        ("--lambda-delta=1", "lambda_delta", 1.0),
        ("--eq14-sign=1", "eq14_sign", 1),
        ("--levels=channel", "levels", "channel"),
        ("--endpoints=fitted", "endpoints", "fitted"),
        ("--endpoints=-1,-.25,.25,1", "endpoints", (-1.0, -0.25, 0.25, 1.0)),
        ("--start=uniform", "start", "uniform"),
    ],
)
def test_each_flag_is_a_keyword(argument, keyword, value):
    args = parse(argument)
    assert pa_options(args) == {keyword: value}
    assert given_flag(args) == argument.partition("=")[0]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--endpoints=some", "must be gaussian, uniform, fitted or numbers .*, not 'some'"),
        ("--eq14-sign=2", "invalid choice: 2"),
        ("--levels=median", "invalid choice: 'median'"),
        ("--start=zero", "invalid choice: 'zero'"),
    ],
)
def test_bad_values_are_refused(argument, message):
    with pytest.raises(argparse.ArgumentError, match=message):
        parse(argument)
