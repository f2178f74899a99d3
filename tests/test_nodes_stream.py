"""Shapes of streams between nodes."""

import pytest

from pa_hdl.nodes.stream import StreamShape

SHAPE = {"channels": 12, "height": 3, "width": 5, "lanes": 4, "bits": 6, "signed": True}


def test_derived():
    shape = StreamShape(**SHAPE)
    assert (shape.folds, shape.beats, shape.range) == (3, 45, (-32, 31))
    assert shape.layout.size == 4 * 6 + 1
    assert StreamShape(**{**SHAPE, "signed": False}).range == (0, 63)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"channels": 0}, ValueError, "channels of a stream must be at least 1, not 0"),
        ({"bits": 2.5}, TypeError, "bits of a stream must be an integer, not 2.5"),
        ({"signed": 1}, TypeError, "signed of a stream must be True or False, not 1"),
        ({"lanes": 5}, ValueError, "lanes of a stream must divide its 12 channels, not 5"),
    ],
)
def test_refused(change, error, message):
    with pytest.raises(error, match=message):
        StreamShape(**(SHAPE | change))
