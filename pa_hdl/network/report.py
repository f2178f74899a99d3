"""A report of an accelerator that people read: tables in Markdown, and a picture of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

__all__ = ["markdown", "picture"]

Facts = Mapping[str, Any]

_COLUMNS = (
    "node",
    "kind",
    "input",
    "output",
    "folding",
    "cycles",
    "utilisation",
    "LUT",
    "BRAM36",
    "constant bits",
    "buffer bits",
)


def markdown(facts: Facts) -> str:
    """The report of what :func:`pa_hdl.network.facts.facts` found."""
    totals, bottleneck = facts["totals"], facts["bottleneck"]
    rate = (
        f"One image every {facts['cycles_per_image']:,} cycles: "
        f"{facts['images_per_second']:,.1f} images a second at {facts['clock_mhz']:g} MHz. "
        f"The first result is complete {facts['latency_cycles']:,} cycles after its image starts. "
        f"The bottleneck is `{bottleneck['node']}`, busy in {bottleneck['cycles']:,} cycles of "
        "each image."
    )
    size = (
        f"Predicted: {totals['luts']:,} LUT (7-series), {totals['block_rams']:,} block RAMs of "
        f"36 Kbit, {totals['contents_bits']:,} bits of weights, thresholds and constants, "
        f"{totals['buffer_bits']:,} bits of line buffers, {facts['fifo_bits']:,} bits of FIFOs."
    )
    lines = [
        f"# {facts['name']}",
        "",
        rate,
        "",
        size,
        "",
        "## Nodes",
        "",
        *_table(_COLUMNS, (_node_row(node, bottleneck["node"]) for node in facts["nodes"])),
        "",
        "Utilisation is the share of an image's cycles in which the node works.",
        "",
        "## FIFOs",
        "",
        *_table(
            ("FIFO", "from", "to", "beats", "lanes x bits", "bits"),
            (
                (
                    fifo["name"],
                    fifo["from"],
                    fifo["to"],
                    f"{fifo['depth']:,}",
                    f"{fifo['lanes']} x {fifo['element_bits']}",
                    f"{fifo['bits']:,}",
                )
                for fifo in facts["fifos"]
            ),
        ),
        "",
    ]
    return "\n".join(lines)


def _node_row(node: Facts, bottleneck: str) -> tuple[str, ...]:
    return (
        f"**{node['name']}**" if node["name"] == bottleneck else node["name"],
        node["kind"],
        "x".join(map(str, node["shape_in"])),
        "x".join(map(str, node["shape_out"])),
        _folding(node),
        f"{node['cycles']:,}",
        f"{node['utilisation']:.0%}",
        f"{node['luts']:,}",
        f"{node['block_rams']:,}",
        f"{node['contents_bits']:,}",
        f"{node['buffer_bits']:,}",
    )


def _folding(node: Facts) -> str:
    folding = node["folding"]
    if "simd" in folding:
        return f"{folding['simd']} x {folding['pe']}"
    return str(folding.get("lanes", folding.get("outputs", "")))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def picture(facts: Facts) -> str:
    """The graph as SVG: nodes coloured by utilisation, the bottleneck outlined, FIFO depths.

    Raises
    ------
    ImportError
        If networkx or matplotlib is not installed.
    """
    import matplotlib
    import networkx as nx
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    graph = _graph(nx, facts)
    places = _places(nx, graph)
    depth = 1 + max(-y for _, y in places.values())
    left, right = (edge(x for x, _ in places.values()) for edge in (min, max))
    with matplotlib.rc_context({"svg.hashsalt": "pa-hdl", "svg.fonttype": "none"}):
        figure = Figure(figsize=(2.1 * (right - left + 1.2), 0.62 * depth + 0.6))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(left - 0.6, right + 0.6)
        axes.set_ylim(-depth + 0.3, 0.8)
        colours = colormaps["YlGn"]
        for name, (x, y) in places.items():
            node = graph.nodes[name]
            slowest = name == facts["bottleneck"]["node"]
            axes.text(
                x,
                y,
                node["label"],
                ha="center",
                va="center",
                multialignment="center",
                fontsize=7,
                bbox={
                    "boxstyle": "round,pad=0.35",
                    "facecolor": colours(0.75 * node["utilisation"]),
                    "edgecolor": "crimson" if slowest else "dimgray",
                    "linewidth": 2.5 if slowest else 0.8,
                },
                zorder=2,
            )
        for start, end, depths in graph.edges(data="depths"):
            _arrow(axes, places[start], places[end], depths)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _graph(nx: Any, facts: Facts) -> Any:
    graph = nx.DiGraph()
    graph.add_node("input", label="input", utilisation=0.0)
    for node in facts["nodes"]:
        facts_of = [f"{node['utilisation']:.0%}"]
        if node["kind"] != "fork":
            facts_of = [node["kind"], _folding(node), *facts_of]
        label = f"{node['name']}\n{' · '.join(facts_of)}"
        graph.add_node(node["name"], label=label, utilisation=min(1.0, node["utilisation"]))
    graph.add_node("output", label="output", utilisation=0.0)
    for fifo in facts["fifos"]:
        start, end = fifo["from"], fifo["to"]
        known = graph.edges[start, end]["depths"] if graph.has_edge(start, end) else []
        graph.add_edge(start, end, depths=[*known, fifo["depth"]])
    return graph


def _places(nx: Any, graph: Any) -> dict[str, tuple[float, float]]:
    """A line for each step of the longest way; the longest way in the middle, others beside it."""
    line: dict[str, int] = {}
    for name in nx.topological_sort(graph):
        line[name] = max((line[before] + 1 for before in graph.predecessors(name)), default=0)
    main = set(nx.dag_longest_path(graph))
    places: dict[str, tuple[float, float]] = {}
    taken: dict[int, int] = {}
    for name, y in line.items():
        column = 0
        if name not in main:
            # What waits for the longest way stands beside it, first on its right.
            taken[y] = taken.get(y, 0) + 1
            column = (taken[y] + 1) // 2 * (1 if taken[y] % 2 else -1)
        places[name] = (float(column), float(-y))
    return places


def _arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], depths: Any) -> None:
    bend = 0.0
    if start[0] == end[0] and start[1] - end[1] > 1:
        bend = 0.25  # around the nodes between them
    axes.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": "gray",
            "shrinkA": 11,
            "shrinkB": 11,
            "connectionstyle": f"arc3,rad={bend}",
        },
        zorder=1,
    )
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    shift = 0.03 if bend == 0 else bend * (start[1] - end[1]) / 4
    axes.text(x + shift, y, ", ".join(map(str, depths)), fontsize=6, color="navy", zorder=3)
