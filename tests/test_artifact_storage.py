"""Files that are whole, foreign, cut short or changed: a network, or one line."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pa_networks import mixed_network, residual_network, single_conv

import pa_artifact
import sim
from pa_artifact import ArtifactError


def content(path):
    """Header and data of a safetensors file."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def rewrite(path, header, data):
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def refused(path, message):
    with pytest.raises(ArtifactError, match=message) as caught:
        pa_artifact.read(path)
    assert str(path) in one_line(str(caught.value))


def message_of(path):
    """The one line that refuses a file, or None where it is a network."""
    try:
        pa_artifact.read(path)
    except ArtifactError as error:
        return one_line(str(error))
    return None


def one_line(message):
    assert "\n" not in message
    return message


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "network.pa"
    pa_artifact.write(path, residual_network())
    return path


@pytest.mark.parametrize("build", [residual_network, mixed_network])
def test_round_trip(build, tmp_path):
    expected, file = build(), tmp_path / "network.pa"
    pa_artifact.write(file, expected)
    actual = pa_artifact.read(file)
    assert actual.edges == expected.edges
    assert actual.producer == expected.producer
    for left, right in zip(actual.nodes, expected.nodes, strict=True):
        assert (left.name, left.kind) == (right.name, right.kind)
        assert (left.shape_in, left.shape_out) == (right.shape_in, right.shape_out)
        assert left.attributes == right.attributes
        for mine, other in ((left.tensors, right.tensors), (left.source, right.source)):
            assert mine.keys() == other.keys()
            for key in mine:
                assert mine[key].dtype == other[key].dtype
                assert np.array_equal(mine[key], other[key])


def test_a_file_without_groups_keeps_its_bytes(tmp_path):
    trained = Path(sim.__file__).with_name("data") / "resnet8.pa"
    network = pa_artifact.read(trained)
    assert network.node("conv1").attributes["groups"] == 1
    pa_artifact.write(tmp_path / "again.pa", network)
    assert (tmp_path / "again.pa").read_bytes() == trained.read_bytes()
    header, _ = content(trained)
    assert "groups" not in header["__metadata__"]["nodes"]


def test_same_network_same_bytes(tmp_path):
    for name in "ab":
        pa_artifact.write(tmp_path / name, residual_network())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nodes_in_any_order_are_read(file):
    header, data = content(file)
    nodes = json.loads(header["__metadata__"]["nodes"])
    header["__metadata__"]["nodes"] = json.dumps(nodes[::-1])
    rewrite(file, header, data)
    names = [node.name for node in pa_artifact.read(file).nodes]
    assert names.index("stem") < names.index("stem.add") < names.index("sum")


def test_a_bad_network_writes_nothing(tmp_path):
    network = single_conv()
    network.nodes[1].tensors["codes"][0] = 200
    target = tmp_path / "network.pa"
    target.write_text("before")
    with pytest.raises(ArtifactError, match="code 200 is above m, which is 4"):
        pa_artifact.write(target, network)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_missing_and_foreign_files(tmp_path):
    refused(tmp_path / "none.pa", "no such file")
    refused(tmp_path, "no such file")
    other = tmp_path / "other.pa"
    for text in (b"", b"PK\x03\x04", b"x" * 100, struct.pack("<Q", 1 << 60) + b"{}"):
        other.write_bytes(text)
        refused(other, "not a whole .pa file")
    rewrite(other, {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4)
    refused(other, "its metadata has no schema")


@pytest.mark.parametrize(
    ("schema", "message"),
    [("2", "schema must be 1, not 2"), ("0", "must be 1, not 0"), ("one", "must be a number")],
)
def test_other_schema(file, schema, message):
    header, data = content(file)
    header["__metadata__"]["schema"] = schema
    rewrite(file, header, data)
    refused(file, message)


@pytest.mark.parametrize("key", ["nodes", "edges", "producer"])
def test_missing_metadata(file, key):
    header, data = content(file)
    del header["__metadata__"][key]
    rewrite(file, header, data)
    refused(file, f"metadata {key!r} is missing")


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("nodes", "{", "metadata 'nodes' is not JSON"),
        ("nodes", "[" * 100000, "metadata 'nodes' is not JSON"),
        ("nodes", "{}", "metadata 'nodes' must be a list"),
        ("nodes", "[1]", "must be an object with a name and a kind"),
        ("nodes", '[{"name": "a", "kind": "fft"}]', "'a': kind must be one of .* not 'fft'"),
        ("nodes", '[{"name": "a", "kind": "input"}]', "a: shape_out must be a list of 3"),
        ("nodes", "[]", "belongs to no node"),
        ("edges", '["ab"]', "Edge 'ab' must be a pair"),
        ("edges", '[["input", "nowhere"]]', "names no node 'nowhere'"),
        ("edges", "[]", "stem: a conv8 takes 1 operands, not 0"),
    ],
)
def test_contradicting_metadata(file, key, text, message):
    header, data = content(file)
    header["__metadata__"][key] = text
    rewrite(file, header, data)
    refused(file, message)


def test_tensor_of_an_unknown_type(file):
    header, data = content(file)
    entry = next(v for k, v in header.items() if k.endswith("source/weight"))
    entry["dtype"], entry["shape"] = "U64", entry["shape"]
    rewrite(file, header, data)
    refused(file, "must be one of BOOL, .* not U64")


@given(st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_truncated_or_changed_bytes(file, data):
    """Never anything but a network or one line."""
    whole = data.draw(st.just(file.read_bytes()))
    end = data.draw(st.integers(0, len(whole)))
    changes = data.draw(
        st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=4)
    )
    raw = bytearray(whole)
    for position, value in changes:
        raw[position] = value
    path = file.with_name("changed.pa")
    path.write_bytes(raw[:end])
    assert message_of(path) is not None or end == len(whole)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.data())
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_json_in_a_node(file, data):
    header, tensors = content(file)
    nodes = json.loads(header["__metadata__"]["nodes"])
    node = data.draw(st.sampled_from(nodes))
    node[data.draw(st.sampled_from([*node, "other"]))] = data.draw(JSON)
    header["__metadata__"]["nodes"] = json.dumps(nodes)
    path = file.with_name("changed.pa")
    rewrite(path, header, tensors)
    message_of(path)
