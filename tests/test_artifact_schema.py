"""Attributes of nodes, one by one."""

import pytest

from pa_artifact import ArtifactError
from pa_artifact.schema import KINDS, parse_attributes, parse_shape, symbols

WINDOW = {"kernel": [3, 1], "stride": [1, 2], "pad": [0, 1, 2, 3]}


def test_lists_become_tuples():
    parsed = parse_attributes("a", "conv8", WINDOW)
    assert parsed == {"kernel": (3, 1), "stride": (1, 2), "pad": (0, 1, 2, 3), "groups": 1}
    assert parse_shape("shape", [1, 2, 3]) == (1, 2, 3)


def test_symbols_of_shapes():
    attributes = {"kernel": (3, 1), "m": 4, "n": 5}
    table = symbols(attributes, (7, 8, 9), (10, 8, 9))
    assert table == {"C": 7, "O": 10, "C/groups": 7, "kh": 3, "kw": 1, "M+1": 5, "N+1": 6, "N": 5}


def test_every_tensor_of_every_kind_has_known_symbols():
    known = symbols({"kernel": (1, 1), "m": 1, "n": 1}, (1, 1, 1), (1, 1, 1))
    for kind in KINDS.values():
        for spec in kind.tensors.values():
            assert all(isinstance(size, int) or size in known for size in spec.shape)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": [3]}, "a: kernel must be a list of 2 integers, not"),
        ({"kernel": "33"}, "a: kernel must be a list of 2 integers, not '33'"),
        ({"kernel": [3, 1.0]}, r"a: kernel must be an integer from 1 to 255, not 1\.0"),
        ({"kernel": [3, True]}, "a: kernel must be an integer from 1 to 255, not True"),
        ({"pad": [0, 0, 0, 256]}, "a: pad must be an integer from 0 to 255, not 256"),
        ({"groups": 0}, "a: groups must be an integer from 1 to 65536, not 0"),
        ({"dilation": 2}, "a: a conv8 has no attribute 'dilation'"),
    ],
)
def test_bad_attributes(changes, message):
    with pytest.raises(ArtifactError, match=message):
        parse_attributes("a", "conv8", {**WINDOW, **changes})


def test_missing_attribute():
    with pytest.raises(ArtifactError, match="a: attribute 'pad' is missing"):
        parse_attributes("a", "conv8", {"kernel": [1, 1], "stride": [1, 1]})


@pytest.mark.parametrize("shape", [None, [1, 2], [0, 1, 1], [1, 1, 65537], [1, 1, "1"]])
def test_bad_shapes(shape):
    with pytest.raises(ArtifactError, match="shape must be"):
        parse_shape("shape", shape)
