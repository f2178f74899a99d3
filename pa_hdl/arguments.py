"""Command line of the generator: flags that fill an :class:`~pa_hdl.config.EngineConfig`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, NoReturn

from pa_hdl.config import BASES, DATAPATHS, TARGETS, EngineConfig
from pa_hdl.cost import AUTO

__all__ = ["OneLineParser", "Shape", "make_parser", "shape_of"]

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaints are one line on standard error, and exit status 2."""

    def error(self, message: str) -> NoReturn:
        printable = "".join(
            character if character.isprintable() else repr(character)[1:-1] for character in message
        )
        self.exit(2, f"{self.prog}: error: {printable}\n")


def integer(text: str) -> int:
    """A decimal integer of at most 18 digits."""
    if not _NUMBER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"must be an integer, not {text!r}")
    return int(text)


def integers(*counts: int, spelling: str) -> Callable[[str], tuple[int, ...]]:
    """Parser of comma-separated integers, as many as one of ``counts``."""

    def parse(text: str) -> tuple[int, ...]:
        items = text.split(",")
        if len(items) not in counts or not all(map(_NUMBER.fullmatch, items)):
            raise argparse.ArgumentTypeError(f"must be {spelling}, not {text!r}")
        return tuple(map(int, items))

    return parse


def pair(text: str) -> tuple[int, ...]:
    """``K`` or ``KH,KW``."""
    values = integers(1, 2, spelling="one integer or two (rows,columns)")(text)
    return values * 2 if len(values) == 1 else values


def four(text: str) -> tuple[int, ...]:
    """``P`` or ``T,B,L,R``."""
    values = integers(1, 4, spelling="one integer or four (top,bottom,left,right)")(text)
    return values * 4 if len(values) == 1 else values


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How one field of the configuration is spelled on the command line.

    ``default`` is used when neither the flag nor a model decides; ``None`` stands for the default
    of the dataclass. A model decides every field that is not ``free``. Beyond ``highest`` no device
    could hold the engine, and no machine would finish writing it. With neither ``parse`` nor
    ``choices`` the flag is a switch.
    """

    flag: str
    parse: Callable[[str], Any] | None
    metavar: str | None
    help: str
    default: Any = None
    free: bool = False
    choices: tuple[str, ...] | None = None
    highest: int | None = None


SHAPES: dict[str, Shape] = {
    "m": Shape(flag="--M", parse=integer, metavar="M", help="weight bases, 1 to 255"),
    "n": Shape(flag="--N", parse=integer, metavar="N", help="activation bases, 1 to 255"),
    "in_channels": Shape(
        flag="--in-channels",
        parse=integer,
        metavar="C",
        help="input channels",
        default=64,
        highest=65536,
    ),
    "out_channels": Shape(
        flag="--out-channels",
        parse=integer,
        metavar="O",
        help="output channels",
        default=64,
        highest=65536,
    ),
    "height": Shape(
        flag="--height", parse=integer, metavar="H", help="input rows", default=16, highest=65536
    ),
    "width": Shape(
        flag="--width", parse=integer, metavar="W", help="input columns", default=16, highest=65536
    ),
    "kernel": Shape(flag="--kernel", parse=pair, metavar="K|KH,KW", help="kernel", highest=1024),
    "stride": Shape(flag="--stride", parse=pair, metavar="S|SH,SW", help="stride", highest=65536),
    "pad": Shape(
        flag="--padding",
        parse=four,
        metavar="P|T,B,L,R",
        highest=1024,
        help="padding: all sides, or top, bottom, left, right (default: the output of stride 1 "
        "is as large as the input)",
    ),
    "simd": Shape(
        flag="--simd",
        parse=integer,
        metavar="SIMD",
        highest=4096,
        help="input channels worked on in one cycle (default: 8, or all if there are fewer)",
        free=True,
    ),
    "pe": Shape(
        flag="--pe",
        parse=integer,
        metavar="PE",
        highest=4096,
        help="output channels worked on in one cycle (default: 8, or all if there are fewer)",
        free=True,
    ),
    "phi_bits": Shape(
        flag="--phi-bits", parse=integer, metavar="BITS", help="width of a coefficient, 2 to 32"
    ),
    "act_bits": Shape(
        flag="--act-bits", parse=integer, metavar="BITS", help="width of an input element"
    ),
    "act_signed": Shape(
        flag="--act-signed",
        parse=None,
        metavar=None,
        help="input elements are two's complement, as the accumulators of an engine before this "
        "one are (default: unsigned)",
    ),
    "base": Shape(
        flag="--base", parse=None, metavar=None, help="activation bases", free=True, choices=BASES
    ),
    "datapath": Shape(
        flag="--datapath",
        parse=None,
        metavar=None,
        help=f"hardware of the dot product; {AUTO} is the one of fewest LUTs, as predicted",
        free=True,
        choices=(*DATAPATHS, AUTO),
    ),
    "target": Shape(
        flag="--target",
        parse=None,
        metavar=None,
        help="device family whose cells may be placed",
        free=True,
        choices=TARGETS,
    ),
}
"""Flags by field of :class:`~pa_hdl.config.EngineConfig`."""

_FIELDS = {field.name: field for field in fields(EngineConfig)}
_LANES = 8


def make_parser() -> OneLineParser:
    """The parser of ``python -m pa_hdl.gen``; flags that are not given are ``None``."""
    parser = OneLineParser(
        prog="python -m pa_hdl.gen",
        description="Write the Verilog and the metadata of a piecewise-approximated convolution, "
        "or of a whole network.",
        allow_abbrev=False,
    )
    shapes = parser.add_argument_group("engine")
    for name, shape in SHAPES.items():
        keywords: dict[str, Any] = {"dest": name, "help": _help(name, shape)}
        if shape.choices is not None:
            keywords["choices"] = shape.choices
        elif shape.parse is None:
            keywords |= {"action": "store_const", "const": True}
        else:
            keywords |= {"type": shape.parse, "metavar": shape.metavar}
        shapes.add_argument(shape.flag, **keywords)
    model = parser.add_argument_group("trained model")
    model.add_argument("--model", metavar="NAME.pa", help="bake in a layer of this file")
    model.add_argument("--layer", metavar="L", help="name of the layer, a pa_conv")
    network = parser.add_argument_group("whole network")
    network.add_argument(
        "--network", metavar="NAME.pa", help="write an accelerator of this whole network"
    )
    network.add_argument("--fps", type=float, metavar="F", help="images a second to reach")
    network.add_argument(
        "--clock", type=float, metavar="MHZ", help="clock of the accelerator (default: 100)"
    )
    network.add_argument(
        "--budget-luts", type=integer, metavar="L", help="LUTs to stay within, in place of --fps"
    )
    network.add_argument(
        "--folding", metavar="FILE", help="SIMD and PE of each node, as folding.json has them"
    )
    output = parser.add_argument_group("output")
    output.add_argument(
        "-o",
        dest="output",
        metavar="PATH",
        help="Verilog file (default: build/NAME.v), or - for standard output; with --network a "
        "folder (default: build/NAME)",
    )
    output.add_argument(
        "--json", metavar="PATH", help="metadata file (default: beside the Verilog)"
    )
    output.add_argument(
        "--name", help="prefix of every module (default: pa_engine, with --network pa_network)"
    )
    output.add_argument(
        "--inline-memories",
        action="store_true",
        help="write memory contents into the Verilog, not into .mem files beside it",
    )
    return parser


def _help(name: str, shape: Shape) -> str:
    default = _default(name, shape)
    if default in (None, False) or name == "pad":
        return shape.help
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    return f"{shape.help} (default: {default})"


def _default(name: str, shape: Shape) -> Any:
    if shape.default is not None:
        return shape.default
    default = _FIELDS[name].default
    return None if default is MISSING else default


def given_flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fields of the configuration whose flags are on the command line.

    Raises
    ------
    ValueError
        If one is beyond all reason.
    """
    given = {name: value for name in SHAPES if (value := getattr(arguments, name)) is not None}
    for name, value in given.items():
        highest, items = SHAPES[name].highest, value if isinstance(value, tuple) else (value,)
        for item in items:
            if highest is not None and item > highest:
                raise ValueError(f"{name} must be at most {highest}, not {item!r}")
    return given


def shape_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """Fields of the configuration of an engine without a model, defaults filled in."""
    given = given_flags(arguments)
    values = {
        name: default
        for name, shape in SHAPES.items()
        if (default := _default(name, shape)) is not None
    }
    values |= given
    if "pad" not in given:
        values["pad"] = same_padding(values["kernel"])
    return lanes_of(values["in_channels"], values["out_channels"]) | values


def same_padding(kernel: Sequence[int]) -> tuple[int, int, int, int]:
    """Padding that keeps rows and columns at stride 1, the smaller half at top and left."""
    rows, columns = (max(0, size - 1) for size in kernel)
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def lanes_of(in_channels: int, out_channels: int) -> dict[str, int]:
    """Default parallelism."""
    return {"simd": max(1, min(_LANES, in_channels)), "pe": max(1, min(_LANES, out_channels))}


def in_terms_of_flags(message: str) -> str:
    """The complaint of a configuration, the field at its start spelled as its flag."""
    name, space, rest = message.partition(" ")
    flag = "--name" if name == "name" else SHAPES[name].flag if name in SHAPES else name
    return f"{flag}{space}{rest}"
