"""Figure 3 of the paper, the parallel architecture, from the hierarchy of a generated engine.

Boxes are instances of the generated Verilog, lines what its netlist connects; nothing is drawn
that is not there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from experiments.figures_hierarchy import drivers, instances, modules
from pa_hdl.config import EngineConfig
from pa_hdl.gen import generate
from pa_hdl.parameters import LayerParameters, coefficients

__all__ = ["Structure", "architecture", "read_structure"]

_NAME = "pa_engine"
_ACTIVATION, _WEIGHT, _SUM = "#1f5fb0", "#c02020", "0.25"
_DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True, kw_only=True)
class Structure:
    """What the picture shows.

    Members
    -------
    simd : lanes of activations side by side
    phi : coefficient of each lane, by its name
    lanes : name of each lane: the activation base and the weight base that it counts, from 1
    engine : instances of the engine, with the instances that drive each
    encoders : comparators, one a lane of activations
    counts : lanes that the adder tree depends on
    bits : widths of some ports: ``code``, ``count``, ``sum``, ``acc``
    """

    simd: int
    phi: dict[str, int]
    lanes: dict[str, tuple[int, int]]
    engine: dict[str, set[str]]
    encoders: int
    counts: set[str]
    bits: dict[str, int]

    @property
    def m(self) -> int:
        """Weight bases."""
        return max(t for _, t in self.lanes.values())

    @property
    def n(self) -> int:
        """Activation bases."""
        return max(v for v, _ in self.lanes.values())


def _base(module: Mapping[str, Any], lane: str, port: str, simd: int) -> int:
    """Number of the base that a port of a lane carries."""
    [number] = {pin.bit // simd + 1 for pin in drivers(module, lane, port)}
    return number


def _width(module: Mapping[str, Any], port: str) -> int:
    return len(module["ports"][port]["bits"])


def read_structure(*, m: int = 3, n: int = 3, simd: int = 8) -> Structure:
    """Generate an engine of one output channel at a time and read its netlist."""
    config = EngineConfig(
        in_channels=simd,
        out_channels=1,
        height=8,
        width=8,
        m=m,
        n=n,
        simd=simd,
        pe=1,
        datapath="popcount",
        loadable=False,
    )
    parameters = LayerParameters.seeded(config, 1)
    made = generate(config, parameters, name=_NAME)
    found = modules(made.verilog, made.memories, top=_NAME)
    pe, engine = found[f"{_NAME}_pe"], found[f"{_NAME}_engine"]
    lanes = [each for each in instances(pe) if "popcount" in each.module]
    table = coefficients(parameters.phi, config.base)
    bases = {
        each.name: (_base(pe, each.name, "act", simd), _base(pe, each.name, "weight", simd))
        for each in lanes
    }
    drives: dict[str, set[str]] = {}
    for each in instances(engine):
        ports = engine["cells"][each.name]["port_directions"]
        pins = [
            pin
            for port, direction in ports.items()
            # Handshakes and addresses are left out: the picture is of data.
            if direction == "input" and _width(found[each.module], port) > config.code_bits * 2
            for pin in drivers(engine, each.name, port)
        ]
        drives[each.name] = {pin.instance for pin in pins}
    return Structure(
        simd=simd,
        phi={name: int(table[t - 1][v - 1]) for name, (v, t) in bases.items()},
        lanes=bases,
        engine=drives,
        encoders=sum("encoder" in each.module for each in instances(found[f"{_NAME}_comparators"])),
        counts={pin.instance for pin in drivers(pe, "tree", "i")},
        bits={
            "code": config.code_bits,
            "count": _width(found[lanes[0].module], "o"),
            "sum": _width(found[f"{_NAME}_sum_tree_{m * n}"], "o"),
            "acc": _width(pe, "acc"),
        },
    )


def _box(
    axes: Axes, left: float, bottom: float, width: float, height: float, text: str, **style: Any
) -> None:
    look = {"facecolor": "white", "edgecolor": "0.2", **style}
    axes.add_patch(
        FancyBboxPatch((left, bottom), width, height, boxstyle="round,pad=0.02", zorder=3, **look)
    )
    middle = (left + width / 2, bottom + height / 2)
    axes.text(*middle, text, ha="center", va="center", fontsize=8.5, zorder=4, linespacing=1.35)


def _frame(axes: Axes, left: float, bottom: float, width: float, height: float, text: str) -> None:
    axes.add_patch(
        Rectangle(
            (left, bottom), width, height, facecolor="0.5", alpha=0.07, edgecolor="none", zorder=0
        )
    )
    axes.text(left + 0.1, bottom + height - 0.12, text, va="top", fontsize=9, style="italic")


def _line(axes: Axes, start: tuple[float, float], end: tuple[float, float], **style: Any) -> None:
    look = {"color": _SUM, "linewidth": 1.3, "shrinkA": 0, "shrinkB": 0, **style}
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", **look}, zorder=2)


def _note(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    axes.text(x, y, text, **{"fontsize": 7.5, "ha": "center", "color": "0.3", **style})


def _bases(
    axes: Axes, left: float, bottom: float, name: str, letter: str, count: int, colour: str
) -> dict[int, tuple[float, float]]:
    """A decoder with its bases; where each comes out."""
    height = 0.5 * count
    _box(axes, left, bottom, 1.05, height, name)
    places = {}
    for number in range(1, count + 1):
        low = bottom + height - 0.5 * number
        text = f"${letter}_{{{number}}}$"
        _box(axes, left + 1.2, low + 0.06, 0.42, 0.38, text, edgecolor=colour)
        places[number] = (left + 1.64, low + 0.25)
    return places


def architecture(structure: Structure | None = None) -> Figure:
    """Figure 3, of M = N = 3 as in the paper unless a structure is given."""
    it = read_structure() if structure is None else structure
    rows = len(it.lanes)
    top = max(8.2, 0.78 * rows + 1.2)
    figure = Figure(figsize=(13, top * 0.93), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 14.4), ylim=(-0.05, top + 0.4))
    axes.axis("off")
    axes.set_title(
        f"A generated engine of M = {it.m} and N = {it.n}: {rows} AND-popcount lanes side by side",
        fontsize=11,
    )
    _frame(axes, 3.0, 0.0, 10.0, top - 0.1, "dot")
    _frame(axes, 5.35, 0.2, 7.5, top - 0.75, "pe_0: one output channel")
    left = {"guard": top - 0.95, "comparators": top - 2.6, "window": top - 4.2, "weights": 0.65}
    texts = {
        "guard": "guard\nframes in",
        "comparators": f"comparators\n{it.encoders} encoders\nof {it.n} thresholds",
        "window": "window\nline buffer of codes",
        "weights": "weights\nmemory of codes",
    }
    for name, bottom in left.items():
        _box(axes, 0.3, bottom, 2.1, 0.95, texts[name])
    centre = {name: bottom + 0.475 for name, bottom in left.items()}
    _line(axes, (1.35, top + 0.35), (1.35, left["guard"] + 0.97), color=_ACTIVATION)
    for one, other in (("guard", "comparators"), ("comparators", "window")):
        if one in it.engine[other]:
            _line(axes, (1.35, left[one] - 0.02), (1.35, left[other] + 0.97), color=_ACTIVATION)
    v_at = _bases(axes, 3.3, centre["window"] - 0.25 * it.n, "act_bases", "V", it.n, _ACTIVATION)
    t_at = _bases(axes, 5.6, centre["weights"] - 0.25 * it.m, "weight_bases", "T", it.m, _WEIGHT)
    if "window" in it.engine["dot"]:
        _line(axes, (2.42, centre["window"]), (3.28, centre["window"]), color=_ACTIVATION)
        _note(axes, 2.72, centre["window"] + 0.1, f"{it.simd} x {it.bits['code']} bits")
    if "weights" in it.engine["dot"]:
        _line(axes, (2.42, centre["weights"]), (5.58, centre["weights"]), color=_WEIGHT)
        _note(axes, 4.2, centre["weights"] + 0.1, f"{it.simd} codes, one a lane of activations")
    step = (top - 1.9) / rows
    middle = 0.65 + step * rows / 2
    _box(axes, 11.0, 0.75, 0.8, step * rows - 0.2, "tree\n\nsum\nof\nall\nlanes")
    for place, (name, (v, t)) in enumerate(sorted(it.lanes.items())):
        bottom = 0.65 + step * (rows - 1 - place)
        tall = step * 0.74
        _box(axes, 8.5, bottom, 1.45, tall, f"{name}\n$|V_{{{v}}} \\wedge T_{{{t}}}|$")
        high, low = bottom + tall * 0.72, bottom + tall * 0.28
        for start, y, colour, number in (
            (v_at[v], high, _ACTIVATION, v),
            (t_at[t], low, _WEIGHT, t),
        ):
            dash = _DASHES[(number - 1) % len(_DASHES)]
            look = {"color": colour, "linestyle": dash, "linewidth": 0.9}
            _line(axes, start, (8.47, y), **look)
        if name in it.counts:
            _line(axes, (9.98, bottom + tall / 2), (10.97, bottom + tall / 2))
            text = f"$\\times\\,\\varphi_{{{t}{v}}}$ = {it.phi[name]}"
            _note(axes, 10.46, bottom + tall / 2 + 0.07, text)
    _box(axes, 12.1, middle - 0.35, 0.55, 0.7, "acc")
    _line(axes, (11.83, middle), (12.08, middle))
    _box(axes, 13.25, middle - 0.45, 1.05, 0.9, "collector\nout")
    if "dot" in it.engine["collector"]:
        _line(axes, (12.68, middle), (13.22, middle))
        _note(axes, 12.95, middle + 0.12, f"{it.bits['acc']} bits", fontsize=7)
    return figure
