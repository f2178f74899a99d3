"""The golden model against a dense convolution of dequantised tensors, and its two forms."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pa_networks import mixed_network, pa_node, residual_network, single_conv

from pa_artifact import ArtifactError
from pa_nn import golden

SHAPES = st.fixed_dictionaries(
    {
        "m": st.integers(1, 9),
        "n": st.integers(1, 8),
        "kernel": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
        "pad": st.tuples(*[st.integers(0, 2)] * 4),
        "out_channels": st.integers(1, 3),
        "act_signed": st.booleans(),
        "act_bits": st.sampled_from([1, 5, 8, 19]),
    }
)


def operands_of(node):
    tensors = [node.tensors[key] for key in ("codes", "phi", "thresholds", "flip")]
    return (*tensors, node.attributes["stride"], node.attributes["pad"])


def activations(node, rng, batch=2):
    low, high = node.tensors["range"][:, 0], node.tensors["range"][:, 1]
    shape = (batch, *node.shape_in)
    return torch.from_numpy(rng.integers(low[:, None, None], high[:, None, None] + 1, shape))


def literal_codes(acts, thresholds, flip):
    codes = np.zeros(acts.shape, np.int64)
    for index in np.ndindex(*acts.shape):
        channel = index[1]
        for t in thresholds[channel]:
            reached = acts[index] <= t if flip[channel] else acts[index] >= t
            codes[index] += bool(reached)
    return codes


@given(SHAPES, st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_forms_agree_with_dense_convolution(options, seed):
    rng = np.random.default_rng(seed)
    node = pa_node(rng, shape_in=(2, 4, 5), **options)
    acts = activations(node, rng)
    operands = operands_of(node)
    # Dequantised: each weight code i and activation code j multiply to phi_ij.  With a table of
    # rank one that is a plain convolution of two tensors; any table is a sum over its rows.
    codes = literal_codes(acts.numpy(), node.tensors["thresholds"], node.tensors["flip"])
    top, bottom, left, right = node.attributes["pad"]
    padded = np.pad(codes, ((0, 0), (0, 0), (top, bottom), (left, right)))
    expected = np.zeros((2, *node.shape_out), np.int64)
    kernel, stride = node.attributes["kernel"], node.attributes["stride"]
    phi = node.tensors["phi"].astype(np.int64)
    for _, y, x in np.ndindex(1, *node.shape_out[1:]):
        rows = slice(y * stride[0], y * stride[0] + kernel[0])
        columns = slice(x * stride[1], x * stride[1] + kernel[1])
        window = padded[:, None, :, rows, columns]
        expected[:, :, y, x] = phi[node.tensors["codes"][None], window].sum(axis=(2, 3, 4))
    assert np.array_equal(golden.pa_conv(acts, *operands).numpy(), expected)
    assert np.array_equal(golden.pa_conv_fast(acts, *operands).numpy(), expected)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_equation_19_of_merged_coefficients(m, n, seed):
    """With phi = alpha_i * beta_j exactly, the sum over bases is the dense convolution."""
    rng = np.random.default_rng(seed)
    node = pa_node(rng, m=m, n=n, phi_bits=16)
    alpha = np.concatenate([[0], rng.integers(-100, 101, m)])
    beta = np.concatenate([[0], rng.integers(-100, 101, n)])
    acts = activations(node, rng)
    codes, _, thresholds, flip, stride, pad = operands_of(node)
    act_codes = golden.activation_codes(acts, thresholds, flip).numpy()
    dense = F.conv2d(
        torch.from_numpy(beta[act_codes]).double(),
        torch.from_numpy(alpha[codes]).double(),
        stride=stride,
        padding=pad[0],
    )
    acc = golden.pa_conv(acts, codes, np.outer(alpha, beta), thresholds, flip, stride, pad)
    assert torch.equal(acc, dense.long())


@given(SHAPES, st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_thermometer_bases_give_the_same_sum(options, seed):
    """Bases ``code >= j`` with differences of the rounded table, in place of ``code == j``."""
    rng = np.random.default_rng(seed)
    node = pa_node(rng, shape_in=(2, 4, 5), **options)
    acts = activations(node, rng, batch=1)
    codes, phi, thresholds, flip, stride, pad = operands_of(node)
    act_codes = golden.activation_codes(acts, thresholds, flip)
    top, bottom, left, right = pad
    padded = F.pad(act_codes, (left, right, top, bottom))
    steps = np.diff(phi.astype(np.int64), axis=1)
    thermometer = 0
    for i in range(1, len(phi)):
        for j in range(1, phi.shape[1]):
            t_base = torch.from_numpy(codes == i).double()
            count = F.conv2d((padded >= j).double(), t_base, stride=stride)
            thermometer = thermometer + int(steps[i, j - 1]) * count
    assert torch.equal(golden.pa_conv(acts, *operands_of(node)), thermometer.long())


def test_one_image_without_a_batch():
    rng = np.random.default_rng(7)
    node = pa_node(rng)
    acts = activations(node, rng)
    for form in (golden.pa_conv, golden.pa_conv_fast):
        whole = form(acts, *operands_of(node))
        assert torch.equal(form(acts[1], *operands_of(node)), whole[1])


def test_weights_of_code_zero_only():
    node = pa_node(np.random.default_rng(1))
    codes = np.zeros_like(node.tensors["codes"])
    acts = torch.zeros(1, *node.shape_in, dtype=torch.int64)
    for form in (golden.pa_conv, golden.pa_conv_fast):
        assert not form(acts, codes, *operands_of(node)[1:]).any()


@pytest.mark.parametrize("shift", [0, 1, 7, 31])
def test_rescale_is_rounded_division(shift):
    acc = torch.tensor([-(1 << 20), -5, -1, 0, 1, 5, 1 << 20]).view(1, 1, 7)
    y = golden.rescale(acc, np.array([-3]), np.array([11]), shift)
    exact = [(-3 * int(a) + 11) / 2**shift for a in acc.flatten()]
    assert y.flatten().tolist() == [int(np.floor(value + 0.5)) for value in exact]


def test_saturate():
    values = torch.tensor([-300, -128, 0, 127, 300])
    assert golden.saturate(values, bits=8, signed=True).tolist() == [-128, -128, 0, 127, 127]
    assert golden.saturate(values, bits=8, signed=False).tolist() == [0, 0, 0, 127, 255]


def test_whole_network_fast_equals_clear():
    network = residual_network(seed=3)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 2, 5, 4)))
    clear, fast = golden.run(network, images), golden.run(network, images, fast=True)
    assert clear.keys() == fast.keys()
    for name, value in clear.items():
        assert torch.equal(value, fast[name]), name
        shape = network.node(name).shape_out
        assert value.shape == (3, *shape)
        assert value.dtype == torch.int64
    assert len(clear["logits"].unique()) > 3


@pytest.mark.parametrize("signed", [False, True])
def test_pools_groups_and_concatenations_fast_equals_clear(signed):
    network = mixed_network(seed=2, signed=signed)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 2, 7, 6)))
    clear, fast = golden.run(network, images), golden.run(network, images, fast=True)
    for name, value in clear.items():
        assert torch.equal(value, fast[name]), name
        assert value.shape == (3, *network.node(name).shape_out)
        assert torch.equal(golden.run(network, images[1])[name], value[1]), name
    pair = torch.cat([clear["max"], clear["depthwise.add"]], dim=1)
    assert torch.equal(clear["pair"], pair)
    assert torch.equal(clear["triple"], torch.cat([pair, clear["max"]], dim=1))


@given(SHAPES, st.sampled_from([(4, 6), (2, 4), (1, 3)]), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_grouped_convolution_is_one_of_each_group(options, groups, seed):
    """Tap by tap, with zero points and padding of any kind."""
    rng = np.random.default_rng(seed)
    count, channels = groups[0], 4
    outputs = groups[0] * options["out_channels"]
    kernel, stride, pad = options["kernel"], options["stride"], options["pad"]
    acts = rng.integers(-40, 300, (2, channels, 4, 5))
    weight = rng.integers(-128, 128, (outputs, channels // count, *kernel))
    zero = rng.integers(-300, 300, channels)
    top, bottom, left, right = pad
    x = np.pad(acts - zero[:, None, None], ((0, 0), (0, 0), (top, bottom), (left, right)))
    result = golden.conv8(acts, weight, zero, stride, pad)
    for o, y, column in np.ndindex(outputs, *result.shape[2:]):
        first = o // (outputs // count) * (channels // count)
        window = x[
            :,
            first : first + channels // count,
            y * stride[0] : y * stride[0] + kernel[0],
            column * stride[1] : column * stride[1] + kernel[1],
        ]
        expected = (window * weight[o]).sum(axis=(1, 2, 3))
        assert np.array_equal(result[:, o, y, column].numpy(), expected)
    assert torch.equal(golden.conv8_fast(acts, weight, zero, stride, pad), result)


@pytest.mark.parametrize("pad", [(0, 0, 0, 0), (1, 0, 2, 1)])
@pytest.mark.parametrize("stride", [(1, 1), (2, 3)])
def test_pools_are_those_of_floats(pad, stride):
    values = torch.from_numpy(np.random.default_rng(3).integers(-200, 100, (2, 3, 6, 7)))
    top, bottom, left, right = pad
    around = (left, right, top, bottom)
    largest = F.max_pool2d(F.pad(values.double(), around, value=-torch.inf), (3, 4), stride)
    assert torch.equal(golden.max_pool(values, (3, 4), stride, pad), largest.long())
    padded = F.pad(values.double(), around)
    sums = F.avg_pool2d(padded, (3, 4), stride, divisor_override=1)
    assert torch.equal(golden.avg_pool(values, (3, 4), stride, pad), sums.long())
    with pytest.raises(TypeError, match=r"must be integers, not torch\.float32"):
        golden.avg_pool(values.float(), (3, 4), stride, pad)


def test_network_accepts_numpy_and_single_images():
    network = single_conv(seed=5)
    image = np.random.default_rng(0).integers(0, 256, (3, 6, 5)).astype(np.uint8)
    assert golden.run(network, image)["conv"].shape == network.node("conv").shape_out


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(1, 3, 6, 6, dtype=torch.int64), r"shape \(3, 6, 5\), not \(3, 6, 6\)"),
        (torch.full((1, 3, 6, 5), 256), "unsigned integers of 8 bits, not 256 to 256"),
    ],
)
def test_wrong_images_are_refused(images, message):
    with pytest.raises(ArtifactError, match=message):
        golden.run(single_conv(), images)


def test_float_images_are_refused():
    with pytest.raises(TypeError, match=r"must be integers, not torch\.float32"):
        golden.run(single_conv(), torch.zeros(1, 3, 6, 5))


def test_sums_beyond_float64_are_refused():
    node = pa_node(np.random.default_rng(0), phi_bits=8)
    phi = node.tensors["phi"].astype(np.int64) << 46
    acts = torch.zeros(1, *node.shape_in, dtype=torch.int64)
    codes, _, *rest = operands_of(node)
    with pytest.raises(OverflowError, match=r"leave 2\^53"):
        golden.pa_conv_fast(acts, codes, phi, *rest)
