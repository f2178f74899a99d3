"""Plans of bit heaps: they add up, end in two rows, and take few LUTs."""

import random

import pytest

from pa_hdl.datapaths.bit_heap import Column, Plan, plan_heap, stages_of


def replay(plan, heights, singles):
    """Heights after the chains of a plan, stage by stage; no chain may take what is not there."""
    heights, singles = list(heights), list(singles)
    for stage in range(1 + max((chain.stage for chain in plan.chains), default=-1)):
        given = [0] * (len(heights) + 2)
        for chain in plan.chains:
            if chain.stage != stage:
                continue
            assert chain.columns
            for place, column in enumerate(chain.columns):
                at = chain.lowest + place
                heights[at] -= column.taken
                singles[at] -= column.single
                given[at] += 1
                given[at + 1] += column.high
            given[chain.lowest + len(chain.columns)] += 1
        assert min(heights) >= 0
        assert min(singles) >= 0
        heights = [old + new for old, new in zip(heights, given, strict=False)]
    assert not any(singles)
    return tuple(heights)


def heaps():
    random_ = random.Random(1)
    for _ in range(150):
        width, rows = random_.randint(1, 18), random_.randint(1, 70)
        kind = random_.randrange(3)
        yield tuple(
            rows
            if kind == 0
            else random_.randint(0, rows)
            if kind == 1
            else sum(random_.random() < 1 - column / width for _ in range(rows))
            for column in range(width)
        )


def test_every_heap_is_reduced_to_two_rows():
    for heights in heaps():
        singles = (0,) * len(heights)
        plan = plan_heap(heights, singles, stages_of(max(heights)))
        assert plan is not None, heights
        assert max(plan.heights) <= 2
        assert replay(plan, heights, singles) == plan.heights
        assert max((chain.stage for chain in plan.chains), default=-1) < stages_of(max(heights))


def test_singles_are_absorbed():
    heights, singles = [32] * 7 + [0] * 5, [0] * 12
    for term in range(32):
        heights[term % 7] -= 1
        singles[term % 7] += 1
    plan = plan_heap(tuple(heights), tuple(singles), stages_of(32))
    assert replay(plan, heights, singles) == plan.heights
    assert sum(column.single for chain in plan.chains for column in chain.columns) == 32
    assert plan.luts <= 123


@pytest.mark.parametrize(
    ("heights", "luts"),
    [((2, 1, 2), 0), ((3, 0), 1), ((7, 0, 0), 2), ((16,) * 8 + (0,) * 4, 56)],
)
def test_takes_few_luts(heights, luts):
    plan = plan_heap(heights, (0,) * len(heights), stages_of(max(heights)))
    assert plan.luts <= luts
    if not luts:
        assert plan == Plan((), heights)


def test_stages():
    assert [stages_of(height) for height in (0, 1, 2, 3, 4, 5, 8, 9, 32, 33)] == [
        *[0] * 3,
        *[2] * 2,
        *[3] * 2,
        4,
        5,
        6,
    ]


def test_a_heap_that_is_too_high_for_its_stages_has_no_plan():
    assert plan_heap((64,) * 4, (0,) * 4, 2) is None


def test_columns_give_a_high_bit_when_they_add_three_or_four():
    assert [Column(bits).high for bits in range(7)] == [
        False,
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert not Column(1, single=True).high
    assert Column(6, starts=True).taken == 7
