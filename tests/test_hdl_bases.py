# amaranth: UnusedElaboratable=no
"""Base decoding, exhaustive for one lane, random for many."""

import random

import pytest
from hdl_bench import outputs_of

from pa_hdl.bases import BaseDecoder, decode
from pa_hdl.parameters import pack


@pytest.mark.parametrize("base", ["onehot", "thermometer"])
@pytest.mark.parametrize(("lanes", "count"), [(1, 1), (1, 5), (1, 255), (3, 2), (5, 8)])
def test_matches_model(lanes, count, base):
    dut = BaseDecoder(lanes=lanes, count=count, base=base)
    rng = random.Random(count)
    rows = [[code] * lanes for code in range(count + 1)]
    rows += [[rng.randint(0, count) for _ in range(lanes)] for _ in range(20)]
    inputs = [{"i": pack(codes, count.bit_length())} for codes in rows]
    got = outputs_of(dut, inputs, "o", dut.latency)
    assert got == [pack(dut.model(codes), lanes) for codes in rows]


def test_bases_are_those_of_the_paper():
    assert decode([0, 1, 3], 3) == [0b010, 0b000, 0b100]
    assert decode([0, 1, 3], 3, "thermometer") == [0b110, 0b100, 0b100]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(lanes=0), "lanes must be at least 1, not 0"),
        (dict(count=0), "count must be at least 1, not 0"),
        (dict(base="gray"), "base must be one of onehot, thermometer, not 'gray'"),
    ],
)
def test_wrong_values_are_quoted(wrong, message):
    with pytest.raises(ValueError, match=message):
        BaseDecoder(**(dict(lanes=2, count=3) | wrong))
