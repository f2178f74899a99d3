"""Every contradiction has its message."""

from dataclasses import replace

import numpy as np
import pytest
from pa_networks import mixed_network, residual_network, single_conv

from pa_artifact import ArtifactError, Network, Node, validate, value_ranges
from pa_artifact.validate import topological_order


def changed(network, name, *, tensors=None, attributes=None, **fields):
    """The network with one node changed."""
    node = network.node(name)
    new = replace(
        node,
        tensors={**node.tensors, **(tensors or {})},
        attributes={**node.attributes, **(attributes or {})},
        **fields,
    )
    nodes = tuple(new if other is node else other for other in network.nodes)
    return replace(network, nodes=nodes)


def tensor(network, name, key, change):
    value = network.node(name).tensors[key].copy()
    change(value)
    return changed(network, name, tensors={key: value})


def put(index, value):
    def change(array):
        array[index] = value

    return change


def test_valid_networks():
    validate(single_conv())
    validate(residual_network())
    validate(mixed_network())
    validate(mixed_network(signed=True))
    validate(single_conv(m=1, n=1, act_bits=1, kernel=(1, 1), pad=(0, 0, 0, 0)))
    validate(single_conv(m=255, n=255, act_bits=12, act_signed=True, stride=(2, 3)))


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("codes", put((0, 0, 0, 0), 5), "conv: code 5 is above m, which is 4"),
        ("phi", put((0, 1), 1), "row 0 and column 0 of phi must be zero"),
        ("phi", put((1, 0), 1), "row 0 and column 0 of phi must be zero"),
        ("phi", put((1, 1), 128), "phi 128 is beyond ±127, the limit of 8 bits"),
        ("phi", put((1, 1), -128), "phi 128 is beyond ±127, the limit of 8 bits"),
        ("phi", put((1, 1), -(2**31)), "phi 2147483648 is beyond ±127"),
        ("thresholds", put((0, 0), -9), "thresholds must lie in lowest"),
        ("thresholds", put((0, 4), 300), "thresholds must lie in lowest"),
        ("scale", put(0, -1.0), "scale must not be negative, not -1.0"),
        ("scale", put(0, np.nan), "conv: scale holds NaN or infinity"),
        ("range", put((0, 0), 256), "must list the lowest before the highest"),
        ("range", put((0, 0), 1), "(thresholds must lie|range does not cover)"),
        ("range", put((0, 1), 256), "range 0..256 does not fit act_bits, which holds 0..255"),
        ("range", put((0, 0), -(2**63)), r"range must stay within ±2\^53"),
    ],
)
def test_contradicting_tensors(key, change, message):
    with pytest.raises(ArtifactError, match=message):
        validate(tensor(single_conv(), "conv", key, change))


def test_thresholds_must_be_ordered_by_flip():
    network = single_conv()
    for flipped, order in ((False, [9, 8, 7, 6, 5]), (True, [5, 6, 7, 8, 9])):
        flip = np.full(3, flipped)
        sign = -1 if flipped else 1
        good = np.tile(np.array([10, 20, 30, 40, 50])[::sign], (3, 1))
        validate(changed(network, "conv", tensors={"flip": flip, "thresholds": good}))
        bad = good.copy()
        bad[1] = order
        with pytest.raises(ArtifactError, match="thresholds must ascend"):
            validate(changed(network, "conv", tensors={"flip": flip, "thresholds": bad}))


def test_equal_thresholds_and_constant_codes_are_allowed():
    network = single_conv()
    for flipped, constants in ((False, [0, 0, 256, 256, 256]), (True, [255, 255, -1, -1, -1])):
        tensors = {"flip": np.full(3, flipped), "thresholds": np.tile(constants, (3, 1))}
        validate(changed(network, "conv", tensors=tensors))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 3, 3, 3), np.int8), "codes must be uint8, not int8"),
        (np.zeros((4, 3, 3, 2), np.uint8), r"codes must have shape \(4, 3, 3, 3\), not"),
        (np.zeros((4, 27), np.uint8), r"codes must have shape \(4, 3, 3, 3\), not"),
    ],
)
def test_dtype_and_shape(value, message):
    with pytest.raises(ArtifactError, match=message):
        validate(changed(single_conv(), "conv", tensors={"codes": value}))


def test_missing_and_surplus_tensors():
    network = single_conv()
    node = network.nodes[1]
    fewer = {key: value for key, value in node.tensors.items() if key != "flip"}
    short = replace(network, nodes=(network.nodes[0], replace(node, tensors=fewer)))
    with pytest.raises(ArtifactError, match="conv: tensor 'flip' is missing"):
        validate(short)
    with pytest.raises(ArtifactError, match="a pa_conv has no tensor 'zero'"):
        validate(changed(network, "conv", tensors={"zero": np.zeros(3, np.int16)}))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"m": 0}, "conv: m must be an integer from 1 to 255, not 0"),
        ({"m": True}, "conv: m must be an integer from 1 to 255, not True"),
        ({"n": 256}, "n must be an integer from 1 to 255, not 256"),
        ({"scheme": "xnor"}, "scheme must be one of pa, not 'xnor'"),
        ({"kernel": (3,)}, "kernel must be a list of 2 integers"),
        ({"kernel": (9, 3)}, "kernel .* is larger than the padded image 8x7|codes must have shape"),
        ({"stride": (0, 1)}, "stride must be an integer from 1 to 255, not 0"),
        ({"pad": (1, 1, 1, -1)}, "pad must be an integer from 0 to 255, not -1"),
        ({"pad": (1, 0, 1, 1)}, r"shape_out must be \(4, 5, 5\), not \(4, 6, 5\)"),
        ({"phi_bits": 1}, "phi_bits must be an integer from 2 to 31, not 1"),
        ({"phi_bits": 4}, "is beyond ±7, the limit of 4 bits"),
        ({"act_bits": 7}, "range 0..255 does not fit act_bits, which holds 0..127"),
        ({"act_signed": 1}, "act_signed must be true or false, not 1"),
        ({"dilation": 2}, "a pa_conv has no attribute 'dilation'"),
    ],
)
def test_attributes(attributes, message):
    with pytest.raises(ArtifactError, match=message):
        validate(changed(single_conv(), "conv", attributes=attributes))


def test_kernel_larger_than_the_padded_image():
    node = single_conv().nodes[1]
    tensors = {**node.tensors, "codes": np.zeros((4, 3, 9, 3), np.uint8)}
    wrong = replace(node, attributes={**node.attributes, "kernel": (9, 3)}, tensors=tensors)
    with pytest.raises(ArtifactError, match=r"\(9, 3\) is larger than the padded image 8x7"):
        validate(replace(single_conv(), nodes=(single_conv().nodes[0], wrong)))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("conv1", {"shape_in": (4, 5, 4)}, "must have shape"),
        ("pool", {"shape_out": (4, 2, 2)}, r"shape_out must be \(4, 1, 1\)"),
        ("sum", {"shape_out": (4, 2, 2)}, "shape_out must be"),
        ("stem", {"kind": "conv9"}, "kind must be one of input, conv8"),
        ("sum", {"tensors": {"scale": np.zeros(1)}}, "scale must be above 0, not 0.0"),
        (
            "conv2.rescale",
            {"tensors": {"shift": np.array(32, np.int64)}},
            "shift must be from 0 to 31, not 32",
        ),
        (
            "conv2.rescale",
            {"tensors": {"mult": np.full(4, 2**61)}},
            "overflow 62 bits",
        ),
        (
            "conv2.rescale",
            {"tensors": {"mult": np.full(4, 2**46), "shift": np.array(0, np.int64)}},
            r"leave ±2\^53|overflow",
        ),
    ],
)
def test_nodes_of_a_network(name, options, message):
    with pytest.raises(ArtifactError, match=message):
        validate(changed(residual_network(), name, **options))


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("stem", {"groups": 3}, "stem: groups must divide the 2 input channels, not 3"),
        ("stem", {"groups": 1}, r"stem: weight must have shape \(4, 2, 3, 3\), not \(4, 1"),
        ("depthwise", {"groups": 0}, "depthwise: groups must be an integer from 1 to 65536"),
        ("max", {"stride": (1, 2)}, r"max: shape_out must be \(4, 6, 3\), not \(4, 3, 3\)"),
        ("max", {"kernel": (9, 2)}, "larger than the padded image 8x7"),
        ("max", {"bits": 8}, "max: a max_pool has no attribute 'bits'"),
        ("avg", {"pad": (0, 1, 0, 2)}, r"avg: shape_out must be \(12, 2, 4\), not"),
        (
            "pair",
            {"bits": 7},
            r"pair: 0\.\.127 does not hold what its operand max can give, 0\.\.255",
        ),
        (
            "triple",
            {"signed": True},
            r"triple: -128\.\.127 does not hold .* pair can give, 0\.\.255",
        ),
    ],
)
def test_pools_groups_and_concatenations(name, attributes, message):
    with pytest.raises(ArtifactError, match=message):
        validate(changed(mixed_network(), name, attributes=attributes))


def test_groups_must_divide_the_results():
    network = mixed_network()
    wrong = changed(
        network,
        "stem",
        shape_out=(3, 7, 6),
        tensors={"weight": np.zeros((3, 1, 3, 3), np.int8)},
    )
    with pytest.raises(ArtifactError, match="stem: groups must divide the 3 output channels"):
        validate(wrong)


@pytest.mark.parametrize("name", ["max", "avg"])
def test_windows_on_padding_alone_are_refused(name):
    network = mixed_network()
    pad = (0, 5, 0, 1)
    channels, height, width = network.node(name).shape_in
    stride = network.node(name).attributes["stride"]
    shape = (channels, (height + 5 - 3) // stride[0] + 1, (width + 1 - 2) // stride[1] + 1)
    wrong = changed(network, name, attributes={"pad": pad}, shape_out=shape)
    message = rf"{name}: pad \(0, 5, 0, 1\) leaves windows of kernel \(3, 2\) entirely on padding"
    with pytest.raises(ArtifactError, match=message):
        validate(wrong)


def test_operands_of_a_concatenation_may_have_scales_of_their_own():
    network = changed(mixed_network(), "depthwise.add", tensors={"scale": np.array([0.5])})
    scale = np.repeat([0.125, 0.5], 4)
    network = changed(network, "pair", tensors={"scale": scale})
    validate(changed(network, "triple", tensors={"scale": np.append(scale, [0.125] * 4)}))
    with pytest.raises(ArtifactError, match=r"triple: scale is 0\.125, .* operand pair is 0\.5"):
        validate(network)
    with pytest.raises(ArtifactError, match=r"pair: scale must have shape \(8,\), not \(2,\)"):
        validate(changed(network, "pair", tensors={"scale": scale[3:5]}))


def test_a_concatenation_may_be_wider_than_its_operands():
    network = changed(mixed_network(), "depthwise.add", attributes={"signed": True})
    wide = {"bits": 9, "signed": True}
    network = changed(changed(network, "pair", attributes=wide), "triple", attributes=wide)
    network = changed(network, "conv", attributes={"act_signed": True})
    bounds = value_ranges(network)["avg"]
    assert bounds.min() < 0
    tensors = {
        "range": bounds,
        "thresholds": np.zeros((12, 5), np.int64),
        "flip": np.zeros(12, bool),
    }
    tensors["thresholds"] += bounds[:, :1]
    validate(changed(network, "conv", tensors=tensors))


def test_operands_of_a_concatenation_agree():
    network = mixed_network()
    wrong = changed(network, "depthwise.add", tensors={"scale": np.array([0.5])})
    with pytest.raises(ArtifactError, match=r"scale is 0\.125, but that of .* depth.* is 0\.5"):
        validate(wrong)
    with pytest.raises(ArtifactError, match=r"pair: scale must be above 0, not 0\.0"):
        validate(changed(network, "pair", tensors={"scale": np.zeros(1)}))
    wrong = changed(network, "pair", shape_in=(9, 3, 3), shape_out=(9, 3, 3))
    with pytest.raises(ArtifactError, match=r"but its operands give \(4, 3, 3\) and \(4, 3, 3\)"):
        validate(wrong)


@pytest.mark.parametrize(
    ("name", "operand", "message"),
    [
        ("max", "stem.rescale", "max: a max_pool takes fixed point .* not what the rescale stem"),
        ("pair", "max", "pair: a concat takes fixed point .* not what the conv8 depthwise gives"),
    ],
)
def test_what_has_no_number_format(name, operand, message):
    network = mixed_network()
    other = {"max": ("stem.rescale", "max"), "pair": ("depthwise", "pair")}[name]
    replaced = {"max": ("stem.add", "max"), "pair": ("depthwise.add", "pair")}[name]
    edges = tuple(other if edge == replaced else edge for edge in network.edges)
    with pytest.raises(ArtifactError, match=message):
        validate(replace(network, edges=edges))


def test_pixels_have_no_scale():
    image = mixed_network().nodes[0]
    node = Node(
        name="twice",
        kind="concat",
        shape_in=(4, 7, 6),
        shape_out=(4, 7, 6),
        attributes={"bits": 8, "signed": False},
        tensors={"scale": np.ones(1)},
    )
    edges = (("input", "twice"), ("input", "twice"))
    with pytest.raises(ArtifactError, match="twice: a concat takes no input, which has no scale"):
        validate(Network(nodes=(image, node), edges=edges))


def test_operand_shapes_must_agree():
    network = residual_network()
    fc = network.node("fc")
    wrong = replace(
        fc,
        shape_in=(5, 1, 1),
        tensors={"weight": np.zeros((3, 5), np.int8), "zero": np.zeros(5, np.int16)},
    )
    nodes = tuple(wrong if node is fc else node for node in network.nodes)
    with pytest.raises(ArtifactError, match=r"fc: shape_in is \(5, 1, 1\), but pool gives"):
        validate(replace(network, nodes=nodes))


def test_range_must_cover_the_operand():
    network = residual_network()
    bounds = network.node("conv2").tensors["range"].copy()
    bounds[:, 1] -= 1
    thresholds = np.minimum(network.node("conv2").tensors["thresholds"], bounds[:, 1:])
    tensors = {
        "range": bounds,
        "thresholds": np.sort(thresholds, axis=1),
        "flip": np.zeros(4, bool),
    }
    with pytest.raises(ArtifactError, match="conv2: range does not cover"):
        validate(changed(network, "conv2", tensors=tensors))


def test_graph():
    assert topological_order("abc", [("c", "a"), ("a", "b")]) == ["c", "a", "b"]
    with pytest.raises(ArtifactError, match="cycle: 'a' -> 'b' -> 'a'"):
        topological_order("abc", [("a", "b"), ("b", "a"), ("a", "c")])
    with pytest.raises(ArtifactError, match="two nodes called 'a'"):
        topological_order("aa", [])
    with pytest.raises(ArtifactError, match="names no node 'd'"):
        topological_order("abc", [("a", "d")])
    network = residual_network()
    with pytest.raises(ArtifactError, match="not in topological order"):
        validate(replace(network, nodes=network.nodes[::-1]))
    with pytest.raises(ArtifactError, match="The network has no nodes"):
        validate(Network(nodes=(), edges=()))


def test_unknown_node_lists_the_known_ones():
    with pytest.raises(ArtifactError, match="no node 'x'; the nodes are input, conv"):
        single_conv().node("x")
    assert [node.name for node in residual_network().consumers_of("stem.add")] == ["conv1", "down"]


def test_sources_must_be_finite_and_plain():
    node = single_conv().nodes[1]
    for source, message in (
        (np.array([np.inf]), "source 'weight' holds NaN or infinity"),
        (np.array(["x"]), "source 'weight' must not be <U1"),
    ):
        wrong = replace(node, source={"weight": source})
        with pytest.raises(ArtifactError, match=message):
            validate(Network(nodes=(single_conv().nodes[0], wrong), edges=(("input", "conv"),)))


def test_names_are_plain():
    node = replace(single_conv().nodes[0], name="a b")
    with pytest.raises(ArtifactError, match="Node name 'a b' must be letters"):
        validate(Network(nodes=(node,), edges=()))


def test_input_states_its_format():
    node = replace(single_conv().nodes[0], attributes={"bits": 8})
    with pytest.raises(ArtifactError, match="input: attribute 'signed' is missing"):
        validate(Network(nodes=(node,), edges=()))
