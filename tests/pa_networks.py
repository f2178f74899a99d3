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


class Builder:
    """A network of random integers, node by node."""

    def __init__(self, rng):
        self.rng, self.nodes, self.edges = rng, [], []

    def network(self):
        return Network(nodes=tuple(self.nodes), edges=tuple(self.edges))

    def place(self, node, *operands):
        self.nodes.append(node)
        self.edges.extend((operand, node.name) for operand in operands)

    def shape_of(self, name):
        return next(node.shape_out for node in self.nodes if node.name == name)

    def simple(self, name, kind, shape_in, *operands, shape_out=None, tensors=None, **attributes):
        node = Node(
            name=name,
            kind=kind,
            shape_in=shape_in,
            shape_out=shape_out or shape_in,
            attributes=attributes,
            tensors=tensors or {},
        )
        self.place(node, *operands)

    def windowed(self, name, kind, operand, *, channels=None, tensors=None, **attributes):
        """A node with ``kernel``, ``stride`` and ``pad``."""
        shape = self.shape_of(operand)
        (kh, kw), (sh, sw) = attributes["kernel"], attributes["stride"]
        top, bottom, left, right = attributes["pad"]
        rows = (shape[1] + top + bottom - kh) // sh + 1
        columns = (shape[2] + left + right - kw) // sw + 1
        shape_out = (channels or shape[0], rows, columns)
        self.simple(
            name, kind, shape, operand, shape_out=shape_out, tensors=tensors or {}, **attributes
        )

    def conv8(self, name, operand, *, channels, zero=None, groups=1, **attributes):
        inputs = self.shape_of(operand)[0]
        weight = self.rng.integers(
            -127, 128, (channels, inputs // groups, *attributes["kernel"]), np.int8
        )
        tensors = {"weight": weight, "zero": np.array(zero or [0] * inputs, np.int16)}
        self.windowed(
            name, "conv8", operand, channels=channels, tensors=tensors, groups=groups, **attributes
        )

    def rescale(self, name, operand, shift=12):
        shape = self.shape_of(operand)
        tensors = {
            "mult": self.rng.integers(-300, 300, shape[0]),
            "bias": self.rng.integers(-(1 << 14), 1 << 20, shape[0]),
            "shift": np.array(shift, np.int64),
        }
        self.simple(name, "rescale", shape, operand, tensors=tensors)

    def add(self, name, *operands, bits=8, signed=False):
        tensors = {"scale": np.array([0.125])}
        shape = self.shape_of(operands[0])
        self.simple(name, "add", shape, *operands, tensors=tensors, bits=bits, signed=signed)

    def concat(self, name, *operands, bits=8, signed=False):
        shapes = [self.shape_of(operand) for operand in operands]
        shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        tensors = {"scale": np.array([0.125])}
        self.simple(name, "concat", shape, *operands, tensors=tensors, bits=bits, signed=signed)

    def bounds(self, name):
        return value_ranges(self.network())[name]

    def logits(self, operand, classes):
        """A last linear layer with its rescale."""
        channels = self.shape_of(operand)[0]
        self.simple(
            "fc",
            "linear8",
            (channels, 1, 1),
            operand,
            shape_out=(classes, 1, 1),
            tensors={
                "weight": self.rng.integers(-127, 128, (classes, channels)).astype(np.int8),
                "zero": np.zeros(channels, np.int16),
            },
        )
        self.rescale("fc.rescale", "fc", shift=4)
        self.add("logits", "fc.rescale", bits=24, signed=True)


WINDOW = {"kernel": (3, 3), "stride": (1, 1), "pad": (1, 1, 1, 1)}
HALVE = {"kernel": (3, 2), "stride": (2, 2), "pad": (0, 1, 0, 1)}


def residual_network(seed=0, *, channels=3, size=(5, 4), classes=3):
    """Stem, one residual block of two PA convolutions and a downsample, pooling, logits."""
    rng = np.random.default_rng(seed)
    b = Builder(rng)
    b.simple("input", "input", (2, *size), bits=8, signed=False)
    b.conv8("stem", "input", channels=channels, zero=[73, 120], **WINDOW)
    b.rescale("stem.rescale", "stem")
    b.add("stem.add", "stem.rescale")
    stem_shape = b.shape_of("stem.add")
    first = pa_node(rng, name="conv1", shape_in=stem_shape, out_channels=4, stride=(2, 2))
    b.place(first, "stem.add")
    b.place(
        pa_node(
            rng,
            name="conv2",
            shape_in=first.shape_out,
            out_channels=4,
            m=2,
            n=3,
            act_bits=16,
            act_signed=True,
            bounds=b.bounds("conv1"),
        ),
        "conv1",
    )
    b.rescale("conv2.rescale", "conv2")
    b.place(
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
    b.rescale("down.rescale", "down")
    b.add("sum", "conv2.rescale", "down.rescale")
    b.simple("pool", "global_avg_pool", first.shape_out, "sum", shape_out=(4, 1, 1))
    b.logits("pool", classes)
    return b.network()


def mixed_network(seed=0, *, size=(7, 6), classes=3, signed=False):
    """Every other kind of node: grouped and depthwise 8-bit convolutions, pools, concatenations."""
    rng = np.random.default_rng(seed)
    b = Builder(rng)
    b.simple("input", "input", (2, *size), bits=8, signed=False)
    b.conv8("stem", "input", channels=4, zero=[73, 120], groups=2, **WINDOW)
    b.rescale("stem.rescale", "stem")
    b.add("stem.add", "stem.rescale", signed=signed)
    b.windowed("max", "max_pool", "stem.add", **HALVE)
    b.conv8("depthwise", "stem.add", channels=4, groups=4, **HALVE)
    b.rescale("depthwise.rescale", "depthwise")
    b.add("depthwise.add", "depthwise.rescale", signed=signed)
    b.concat("pair", "max", "depthwise.add", signed=signed)
    b.concat("triple", "pair", "max", signed=signed)
    b.windowed("avg", "avg_pool", "triple", **{**HALVE, "stride": (1, 1)})
    b.place(
        pa_node(
            rng,
            name="conv",
            shape_in=b.shape_of("avg"),
            out_channels=5,
            kernel=(1, 1),
            pad=(0, 0, 0, 0),
            act_bits=12,
            act_signed=signed,
            bounds=b.bounds("avg"),
        ),
        "avg",
    )
    b.rescale("conv.rescale", "conv")
    b.add("conv.add", "conv.rescale", signed=signed)
    b.conv8(
        "flatten",
        "conv.add",
        channels=6,
        kernel=b.shape_of("conv.add")[1:],
        stride=(1, 1),
        pad=(0, 0, 0, 0),
    )
    b.rescale("flatten.rescale", "flatten")
    b.add("flatten.add", "flatten.rescale", signed=signed)
    b.logits("flatten.add", classes)
    return b.network()
