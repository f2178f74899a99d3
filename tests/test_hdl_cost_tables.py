"""Features of sums of lookups: what the forms of two devices took when they were synthesised."""

import pytest

from pa_hdl.cost_tables import SUMS, SumShape, different_bits, mapped_luts, sum_features

TABLE = tuple((5 * index * index + 3 * index) % 97 for index in range(16))
WIDE = tuple((7 * index * index + 11 * index) % 113 for index in range(32))


def shape(table=TABLE, terms=8, **options):
    return SumShape(tables=(table,) * terms, acc_bits=17, **options)


def test_bits_that_take_no_lut():
    assert different_bits((0, 0, 0, 0)) == 0
    assert different_bits((0, 1, 2, 3)) == 0
    assert different_bits((0, 1, 1, 0)) == 1
    assert different_bits((0, 3, 3, 0)) == 1
    assert different_bits((0, -1, -1, 0)) == 1


def test_a_shape_knows_its_index():
    assert shape().index_bits == 4
    assert shape(WIDE).index_bits == 5
    assert (shape().correction_bits, shape(correction=(-4, 3)).correction_bits) == (0, 3)


@pytest.mark.parametrize("target", SUMS)
def test_more_terms_take_more(target):
    sizes = [sum(sum_features(target, shape(terms=terms))[0].values()) for terms in (2, 4, 8, 16)]
    assert sizes == sorted(sizes)
    assert sizes[-1] < 8 * sizes[0]


def test_additions_on_the_ecp5_are_pairs_of_bits():
    """Seven bits of eight terms: sums of 8, 9 and 10 bits, and 17 bits of accumulator."""
    lut, ff = sum_features("ecp5", shape())
    assert lut["placed"] == 8 * 7
    assert lut["adder"] == 4 * 8 + 2 * 10 + 10
    assert lut["acc"] == 18
    assert (ff["term"], ff["adder"], ff["acc"]) == (56, 4 * 8 + 2 * 9 + 10, 17)


def test_a_fifth_index_bit_is_a_second_part_on_the_ecp5():
    assert sum_features("ecp5", shape(WIDE))[0]["placed"] == 2 * 8 * 7


def test_a_correction_is_one_more_operand():
    without, with_one = (
        sum_features("ecp5", shape(correction=each))[0]["adder"] for each in (None, (-300, 200))
    )
    assert with_one - without == 12


@pytest.mark.parametrize("target", SUMS)
def test_large_tables_are_left_to_synthesis(target):
    table = tuple((3 * index * index + index) % 101 for index in range(128))
    assert sum_features(target, shape(table))[0]["split table"] >= 8 * 7


def test_a_large_table_is_split_and_equal_parts_are_shared():
    parity = tuple(index.bit_count() & 1 for index in range(64))
    assert mapped_luts(parity, 6) == 1
    assert mapped_luts(parity, 4) == 1 + 2 + 2
    assert mapped_luts((0, 1) * 32, 4) == 0
    assert mapped_luts((*[0] * 32, *[1] * 32), 4) == 0
