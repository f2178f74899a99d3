"""Scales that are joined."""

from pa_nn.scales import Scales


def opened(**formats):
    scales = Scales()
    for step, (unsigned, cap) in formats.items():
        scales.open(step, unsigned=unsigned, cap=cap)
    return scales


def test_joined_scales_have_the_name_of_the_oldest():
    scales = opened(a=(False, None), b=(False, None), c=(False, None), d=(False, None))
    scales.join(["d", "c"])
    scales.join(["c", "b"])
    assert [scales.name_of(step) for step in "abcd"] == ["a", "b", "b", "b"]
    assert "a" in scales
    assert "e" not in scales


def test_one_format_for_all():
    scales = opened(a=(True, 6.0), b=(True, 6.0), c=(True, None), d=(False, None))
    assert scales.format_of("a") == (True, 6.0)
    assert scales.common_format(["a", "b"]) == (True, 6.0)
    assert scales.common_format(["a", "c"]) == (True, None)
    assert scales.common_format(["c", "d"]) == (False, None)
    assert scales.common_format(["a", "d", "b"]) == (False, None)
