"""Small valid networks of every kind of node, for tests of whatever reads or runs a network."""

import numpy as np

from pa_artifact import Network, Node, value_ranges


def pa_node(
    rng,
    *,
    name="conv",
    shape_in=(3, 6, 5),
    out_channels=4,
    kernel=(3, 3),
    stride=(1, 1),
    pad=(1, 1, 1, 1),
    m=4,
    n=5,
    phi_bits=8,
    act_bits=8,
    act_signed=False,
    bounds=None,
):
    """A random PA convolution with a given format of input."""
    channels, height, width = shape_in
    if bounds is None:
        low = -(1 << (act_bits - 1)) if act_signed else 0
        bounds = np.tile(np.array([[low, low + (1 << act_bits) - 1]], np.int64), (channels, 1))
    flip = rng.random(channels) < 0.3
    phi = np.zeros((m + 1, n + 1), np.int32)
    limit = (1 << (phi_bits - 1)) - 1
    phi[1:, 1:] = rng.integers(-limit, limit + 1, (m, n))
    low, high = bounds[:, :1] - flip[:, None], bounds[:, 1:] + ~flip[:, None]
    thresholds = np.sort(rng.integers(low, high + 1, (channels, n)), axis=1)
    thresholds[flip] = thresholds[flip, ::-1]
    top, bottom, left, right = pad
    rows = (height + top + bottom - kernel[0]) // stride[0] + 1
    columns = (width + left + right - kernel[1]) // stride[1] + 1
    return Node(
        name=name,
        kind="pa_conv",
        shape_in=shape_in,
        shape_out=(out_channels, rows, columns),
        attributes={
            "kernel": kernel,
            "stride": stride,
            "pad": pad,
            "scheme": "pa",
            "m": m,
            "n": n,
            "phi_bits": phi_bits,
            "act_bits": act_bits,
            "act_signed": act_signed,
        },
        tensors={
            "codes": rng.integers(0, m + 1, (out_channels, channels, *kernel)).astype(np.uint8),
            "phi": phi,
            "scale": np.array([rng.random() + 0.1]),
            "range": bounds,
            "thresholds": thresholds,
            "flip": flip,
        },
        source={"weight": rng.standard_normal((out_channels, channels, *kernel))},
    )


def single_conv(seed=0, **options):
    """An input and one PA convolution."""
    node = pa_node(np.random.default_rng(seed), **options)
    bits, signed = node.attributes["act_bits"], node.attributes["act_signed"]
    return Network(
        nodes=(
            Node(
                name="input",
                kind="input",
                shape_in=node.shape_in,
                shape_out=node.shape_in,
                attributes={"bits": bits, "signed": signed},
            ),
            node,
        ),
        edges=(("input", node.name),),
    )


def residual_network(seed=0, *, channels=3, size=(5, 4), classes=3):
    """Stem, one residual block of two PA convolutions and a downsample, pooling, logits."""
    rng = np.random.default_rng(seed)
    stem_shape = (channels, *size)
    nodes, edges = [], []

    def place(node, *operands):
        nodes.append(node)
        edges.extend((operand, node.name) for operand in operands)

    def simple(name, kind, shape_in, *operands, shape_out=None, tensors=None, **attributes):
        node = Node(
            name=name,
            kind=kind,
            shape_in=shape_in,
            shape_out=shape_out or shape_in,
            attributes=attributes,
            tensors=tensors or {},
        )
        place(node, *operands)

    def rescale(name, shape, operand, shift=12):
        count = shape[0]
        tensors = {
            "mult": rng.integers(-300, 300, count),
            "bias": rng.integers(-(1 << 14), 1 << 20, count),
            "shift": np.array(shift, np.int64),
        }
        simple(name, "rescale", shape, operand, tensors=tensors)

    def add(name, shape, *operands, bits=8, signed=False):
        tensors = {"scale": np.array([0.125])}
        simple(name, "add", shape, *operands, tensors=tensors, bits=bits, signed=signed)

    simple("input", "input", (2, *size), bits=8, signed=False)
    simple(
        "stem",
        "conv8",
        (2, *size),
        "input",
        shape_out=stem_shape,
        tensors={
            "weight": rng.integers(-127, 128, (channels, 2, 3, 3)).astype(np.int8),
            "zero": np.array([73, 120], np.int16),
        },
        kernel=(3, 3),
        stride=(1, 1),
        pad=(1, 1, 1, 1),
    )
    rescale("stem.rescale", stem_shape, "stem")
    add("stem.add", stem_shape, "stem.rescale")
    first = pa_node(rng, name="conv1", shape_in=stem_shape, out_channels=4, stride=(2, 2))
    place(first, "stem.add")
    bounds = value_ranges(Network(nodes=tuple(nodes), edges=tuple(edges)))["conv1"]
    middle = first.shape_out
    place(
        pa_node(
            rng,
            name="conv2",
            shape_in=middle,
            out_channels=4,
            m=2,
            n=3,
            act_bits=16,
            act_signed=True,
            bounds=bounds,
        ),
        "conv1",
    )
    rescale("conv2.rescale", middle, "conv2")
    place(
        pa_node(
            rng,
            name="down",
            shape_in=stem_shape,
            out_channels=4,
            kernel=(1, 1),
            stride=(2, 2),
            pad=(0, 0, 0, 0),
        ),
        "stem.add",
    )
    rescale("down.rescale", middle, "down")
    add("sum", middle, "conv2.rescale", "down.rescale")
    simple("pool", "global_avg_pool", middle, "sum", shape_out=(4, 1, 1))
    simple(
        "fc",
        "linear8",
        (4, 1, 1),
        "pool",
        shape_out=(classes, 1, 1),
        tensors={
            "weight": rng.integers(-127, 128, (classes, 4)).astype(np.int8),
            "zero": np.zeros(4, np.int16),
        },
    )
    rescale("fc.rescale", (classes, 1, 1), "fc", shift=4)
    add("logits", (classes, 1, 1), "fc.rescale", bits=24, signed=True)
    return Network(nodes=tuple(nodes), edges=tuple(edges))
