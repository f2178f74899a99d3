"""Codes and offsets of weight levels: the same sums, and fewer LUTs for tables of six bits."""

import random

import pytest

from pa_hdl.config import EngineConfig
from pa_hdl.datapaths.level_codes import LevelCodes, choose_codes, plain_codes
from pa_hdl.datapaths.table_dot import GatedDot, LookupDot
from pa_hdl.datapaths.table_split import TermSplit
from pa_hdl.parameters import LayerParameters


def product_rows(levels, entries, seed):
    """A table near a product, as trained ones are: one row a level, spanning up to 127."""
    rng = random.Random(seed)
    alpha = sorted(rng.uniform(-1, 1) for _ in range(levels))
    beta = [0.0, *sorted(rng.uniform(0, 1) for _ in range(entries - 1))]
    limit = max(map(abs, alpha)) * beta[-1]
    return tuple(tuple(round(a * b / limit * 127) for b in beta) for a in alpha)


def luts(table):
    split = TermSplit.of(table, 12, [0] * 12)
    return len(split.groups) + len(split.singles) / 2


@pytest.mark.parametrize(("levels", "seed", "most"), [(6, 1, 6.5), (8, 2, 6.5)])
def test_six_index_bits_take_fewer_luts(levels, seed, most):
    rows = product_rows(levels, 8, seed)
    found = choose_codes(rows)
    assert sorted(set(found.levels)) == list(range(levels))
    assert len(found.levels) == 8
    table = found.table(rows)
    assert min(table) >= 0
    assert max(table) <= 127
    for level, row in enumerate(rows):
        code = found.code_of(level)
        entries = table[code * 8 : code * 8 + 8]
        assert entries == tuple(value + found.offsets[level] for value in row)
    assert luts(table) <= most


@pytest.mark.parametrize(("levels", "entries"), [(4, 8), (5, 4), (1, 8), (12, 8)])
def test_other_tables_keep_their_order_and_start_at_zero(levels, entries):
    rows = product_rows(levels, entries, seed=1)
    found = choose_codes(rows)
    assert found.levels[:levels] == tuple(range(levels))
    assert found.offsets == tuple(-min(row) for row in rows)
    assert min(found.table(rows)) == 0


def test_spare_codes_repeat_a_level():
    assert choose_codes(((1, 2), (3, 5), (0, -4))) == LevelCodes((0, 1, 2, 2), (-1, -3, 4))


@pytest.mark.parametrize("target", ["xc7", "ecp5"])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (4, 5), (6, 7), (8, 7)])
def test_dot_products_read_phi_whatever_the_codes(m, n, target):
    config = EngineConfig(
        in_channels=4,
        out_channels=2,
        height=4,
        width=4,
        m=m,
        n=n,
        simd=2,
        pe=1,
        loadable=False,
        target=target,
    )
    parameters = LayerParameters.seeded(config, 1)
    for kind in (GatedDot, LookupDot):
        coding = kind.coding_of(config, parameters)
        for level in range(m + 1):
            row = coding.fields[level] % (1 << coding.row_bits)
            held = coding.fields[level] >> coding.row_bits
            for act in range(n + 1):
                entry = coding.table[row << config.code_bits | (0 if held else act)]
                assert entry + coding.shifts[level] == parameters.phi[level, act]


def test_plain_codes_are_kept_in_order():
    assert plain_codes([[5, 7], [-1, 2]]) == LevelCodes((0, 1), (-5, 1))
