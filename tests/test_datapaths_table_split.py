"""Tables as functions of single bits: nothing lost, at most five index bits in a shared LUT."""

import random

import pytest

from pa_hdl.cells.xc7 import support
from pa_hdl.datapaths.table_split import TermSplit, merged, terms_per_lookup


def total(split, index):
    """The entry of the table at an index, put together again."""
    functions = [function for group in split.groups for function in group]
    value = sum(
        (function >> index & 1) << column
        for function, column in zip(functions, split.columns, strict=True)
    )
    for single in split.singles:
        at = sum((index >> bit & 1) << place for place, bit in enumerate(single.chosen))
        value += (single.function >> at & 1) << single.column
    return value + sum(1 << column for column in split.constants)


@pytest.mark.parametrize("index_bits", range(1, 7))
@pytest.mark.parametrize("offset", [0, 64])
def test_nothing_is_lost(index_bits, offset):
    random_ = random.Random(index_bits)
    for highest in (0, 1, 5, 60):
        table = tuple(random_.randint(0, highest) + offset for _ in range(1 << index_bits))
        split = TermSplit.of(table, 12, [0] * 12)
        whole = split.without_singles(index_bits)
        assert not whole.singles
        for index, value in enumerate(table):
            assert total(split, index) == total(whole, index) == value
        for group in whole.groups:
            assert len({bit for each in group for bit in support(each, index_bits)}) <= 7 - len(
                group
            )


def test_an_odd_bit_is_left_to_an_adder_where_few_are():
    random_ = random.Random(1)
    table = (127, 0, *(random_.randint(0, 127) for _ in range(30)))
    split = TermSplit.of(table, 12, [3, 3, 3, 3, 0, 3, 3, 0, 0, 0, 0, 0])
    assert [len(group) for group in split.groups] == [2, 2, 2]
    assert [single.column for single in split.singles] == [4]


def test_columns_beyond_the_last_are_dropped():
    split = TermSplit.of((0, 7, 9, 14), 2, [0] * 2)
    assert [total(split, index) for index in range(4)] == [0, 3, 1, 2]


def test_merged_tables_give_sums():
    first, second = (1, 2, 3, 5), (0, 10, 20, 30)
    table = merged([first, second])
    assert len(table) == 16
    assert all(
        table[high * 4 + low] == first[low] + second[high] for low in range(4) for high in range(4)
    )


def test_merged_indices_fit_a_lut():
    assert [terms_per_lookup(bits) for bits in range(1, 9)] == [5, 2, 2, 1, 1, 1, 1, 1]
