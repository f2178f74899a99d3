"""Flags: what they mean, their defaults, and one line for everything that is wrong."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pa_hdl.arguments import (
    SHAPES,
    given_flags,
    in_terms_of_flags,
    lanes_of,
    make_parser,
    same_padding,
    shape_of,
)
from pa_hdl.config import EngineConfig


def parse(*argv):
    return make_parser().parse_args(argv)


def spelled(line):
    """Fields of the engine that a command line asks for."""
    return shape_of(parse(*line.split()))


def complaint(capsys, *argv):
    """The one line that refuses a command line."""
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err


def test_m_and_n_alone_make_a_valid_engine():
    shape = spelled("--M 4 --N 5")
    config = EngineConfig(**shape)
    assert (config.m, config.n, config.in_channels, config.simd, config.pe) == (4, 5, 64, 8, 8)
    assert config.pad == (1, 1, 1, 1)


def test_every_flag_reaches_its_field():
    shape = spelled(
        "--M 2 --N 3 --in-channels 5 --out-channels 6 --height 7 --width 9 "
        "--kernel 3,5 --stride 2,1 --padding 1,2,3,0 --simd 2 --pe 4 "
        "--phi-bits 9 --act-bits 10 --act-signed --base thermometer --datapath lookup "
        "--target xc7"
    )
    assert shape == {
        "m": 2,
        "n": 3,
        "in_channels": 5,
        "out_channels": 6,
        "height": 7,
        "width": 9,
        "kernel": (3, 5),
        "stride": (2, 1),
        "pad": (1, 2, 3, 0),
        "simd": 2,
        "pe": 4,
        "phi_bits": 9,
        "act_bits": 10,
        "act_signed": True,
        "base": "thermometer",
        "datapath": "lookup",
        "target": "xc7",
    }
    assert set(shape) == set(SHAPES)


def test_one_number_stands_for_all():
    shape = spelled("--M 1 --N 1 --kernel 5 --stride 2 --padding 3 --in-channels 3")
    assert shape["kernel"] == (5, 5)
    assert shape["stride"] == (2, 2)
    assert shape["pad"] == (3, 3, 3, 3)
    assert (shape["simd"], shape["pe"]) == (3, 8)


@pytest.mark.parametrize(
    ("kernel", "pad"),
    [((1, 1), (0, 0, 0, 0)), ((3, 5), (1, 1, 2, 2)), ((2, 4), (0, 1, 1, 2)), ((0, -3), (0,) * 4)],
)
def test_default_padding_keeps_the_size(kernel, pad):
    assert same_padding(kernel) == pad


def test_default_lanes():
    assert lanes_of(64, 3) == {"simd": 8, "pe": 3}
    assert lanes_of(0, -1) == {"simd": 1, "pe": 1}


def test_only_given_flags_are_given():
    assert given_flags(parse("--M", "0")) == {"m": 0}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--M", "x"], "--M: must be an integer, not 'x'"),
        (["--M", "4.0"], "--M: must be an integer, not '4.0'"),
        (["--M", ""], "--M: must be an integer, not ''"),
        (["--M", "1_0"], "--M: must be an integer, not '1_0'"),
        (["--simd", "9" * 30], "--simd: must be an integer"),
        (["--kernel", "3,3,3"], "--kernel: must be one integer or two (rows,columns), not '3,3,3'"),
        (["--padding", "1,2"], "--padding: must be one integer or four (top,bottom,left,right)"),
        (["--padding", "a\nb"], r"not 'a\nb'"),
        (["--base", "ternary"], "--base: invalid choice: 'ternary'"),
        (["--datapath", "lut"], "--datapath: invalid choice: 'lut'"),
        (["--heigh", "3"], "unrecognized arguments: --heigh 3"),
        (["a\nb\x1b[0m\udc80"], r"unrecognized arguments: a\nb\x1b[0m\udc80"),
        (["--M"], "--M: expected one argument"),
    ],
)
def test_complaints(capsys, argv, message):
    assert message in complaint(capsys, *argv)


@given(
    st.lists(
        st.one_of(
            st.sampled_from([shape.flag for shape in SHAPES.values()]),
            st.sampled_from(["-o", "--json", "--name", "--model", "--layer", "--inline-memories"]),
            st.sampled_from(["0", "-1", "3", "3,3", "1,1,1,1", "onehot", "popcount", "-", ""]),
            st.text(max_size=6),
        ),
        max_size=8,
    )
)
def test_any_command_line_is_taken_or_refused_in_one_line(argv):
    parser = make_parser()
    lines = []
    parser._print_message = lambda message, file=None: lines.append(message)
    with contextlib.suppress(SystemExit, ValueError):
        EngineConfig(**{"m": 1, "n": 1} | shape_of(parser.parse_args(argv)))
    assert lines == [] or {"-h", "--help"} & set(argv) or len(lines[0].splitlines()) == 1
    assert len(lines) <= 1


def test_complaints_of_the_configuration_name_the_flag():
    assert in_terms_of_flags("pad must be 3") == "--padding must be 3"
    assert in_terms_of_flags("m must be 1 to 255, not 0") == "--M must be 1 to 255, not 0"
    assert in_terms_of_flags("name must") == "--name must"
    assert in_terms_of_flags("something else") == "something else"


def test_help_names_every_flag():
    text = make_parser().format_help()
    for shape in SHAPES.values():
        assert shape.flag in text
