"""Markdown tables made from the list of results.

A file has them between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``, whatever stands around.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from experiments import paper_accuracy as paper
from experiments.protocol import PROTOCOLS, RATES, all_runs
from experiments.results import Record, scheme_of, title
from experiments.summary import Summary, summarise
from pa_artifact.whole import write_whole

__all__ = ["SECTIONS", "fill"]

Results = Mapping[str, Sequence[Record]]

NO_DATA = "not reproducible here: data"
MISSING = "-"
_PLAIN: tuple[tuple[str, str], ...] = ()


def _table(rows: Sequence[Sequence[object]], heads: Sequence[str]) -> str:
    if not rows:
        return "No run has ended yet."
    return tabulate(
        [[str(cell) for cell in row] for row in rows],
        heads,
        tablefmt="github",
        disable_numparse=True,
    )


def _plain(results: Results, protocol: str) -> dict[str, Summary]:
    """Summaries by scheme of the runs without options."""
    found = summarise(results["runs"], protocol)
    return {scheme: summary for (scheme, options), summary in found.items() if options == _PLAIN}


def _ordered(found: Mapping[str, Summary]) -> list[tuple[str, Summary]]:
    """In the order in which the queue runs them."""
    order = {scheme: i for i, scheme in enumerate(dict.fromkeys(r.scheme for r in all_runs()))}
    return sorted(found.items(), key=lambda item: order.get(item[0], len(order)))


def protocols(results: Results) -> str:
    """What was run under each protocol."""
    rows = []
    for name, protocol in PROTOCOLS.items():
        records = [record for record in results["runs"] if record["protocol"] == name]
        rates = ", ".join(map(str, protocol.rates))
        rows.append(
            [
                name,
                protocol.dataset,
                protocol.model,
                f"{protocol.images:,}",
                protocol.epochs,
                rates,
                protocol.start or "random weights",
                len(records),
            ]
        )
    heads = ["protocol", "data", "model", "images", "epochs", "learning rates", "starts from"]
    return _table(rows, [*heads, "runs so far"])


def accuracies(protocol: str) -> Callable[[Results], str]:
    """Table of one protocol."""

    def table(results: Results) -> str:
        rows = [
            [
                f"`{scheme}`",
                ", ".join(dict.fromkeys(str(rate) for rate in summary.rates)),
                len(summary.top1),
                summary.accuracy,
                summary.gap,
            ]
            for scheme, summary in _ordered(_plain(results, protocol))
        ]
        return _table(rows, ["scheme", "learning rate", "seeds", "top-1 %", "gap"])

    return table


def claims(results: Results) -> str:
    """The paper's claims about PA and ABC-Net, and what was found."""
    rows = []
    for claim, smaller, larger in (
        ("PA (4, 5) is closer to full precision than ABC (5, 5)", "pa:4,5", "abc:5,5"),
        ("PA (8, 7) is closer still", "pa:8,7", "pa:4,5"),
        ("PA with M = 8 is closer than ABC with M = 5, weights only", "pa:8,full", "abc:5,full"),
        ("PA gains from (4, 5) to (8, 8)", "pa:8,8", "pa:4,5"),
        ("ABC stalls: (7, 7) is no closer than (5, 5)", "abc:5,5", "abc:7,7"),
    ):
        row = [claim]
        for protocol in ("short", "long", "cifar"):
            found = _plain(results, protocol)
            if smaller in found and larger in found:
                gaps = found[smaller].mean_gap, found[larger].mean_gap
                held = "yes" if gaps[0] < gaps[1] else "no"
                row.append(f"{held}: {gaps[0]:.2f} and {gaps[1]:.2f}")
            else:
                row.append(MISSING)
        rows.append(row)
    return _table(rows, ["claim", "short", "long", "CIFAR-10 (JPEG)"])


def growth(results: Results) -> str:
    """PA and ABC-Net as M and N grow."""
    sized = []
    for scheme, summary in _plain(results, "short").items():
        name, _, sizes = scheme.partition(":")
        if name in ("pa", "abc") and "full" not in sizes:
            m, n = map(int, sizes.split(","))
            sized.append((name != "pa", (m + 1) * (n + 1), m, n, scheme, summary))
    cells = [
        [f"`{scheme}`", m, n, summary.accuracy, summary.gap]
        for _, _, m, n, scheme, summary in sorted(sized, key=lambda row: row[:4])
    ]
    return _table(cells, ["scheme", "M", "N", "top-1 %", "gap"])


def _beside(results: Results, blocks: Iterable[Sequence[paper.Row]], here: Sequence[str]) -> str:
    """The paper's rows and gaps; where ``here`` names a model, our gaps under each protocol."""
    ours = [_plain(results, protocol) for protocol in ("short", "long", "cifar")]
    rows = []
    for block in blocks:
        full = block[-1].score
        for row in block:
            if row.scheme is None:
                own = ["not implemented"] * 3
            elif not any(row.model.endswith(model) for model in here):
                own = [NO_DATA] * 3
            else:
                own = [f[row.scheme].gap if row.scheme in f else MISSING for f in ours]
            gap = f"{full - row.score:.1f}" if row is not block[-1] else MISSING
            scheme = f"`{row.scheme}`" if row.scheme else MISSING
            rows.append([row.model, scheme, row.score, row.top5 or MISSING, gap, *own])
    heads = ["paper's model", "scheme", "paper's top-1 %", "top-5 %", "paper's gap"]
    return _table(rows, [*heads, "our gap: short", "long", "CIFAR-10 (JPEG)"])


def table_3(results: Results) -> str:
    """ResNet18's rows beside ours; the deeper networks need ImageNet."""
    return _beside(results, paper.TABLE_3, ["ResNet18"])


def table_4(results: Results) -> str:
    """DenseNet and MobileNet."""
    return _beside(results, paper.TABLE_4, [])


def table_5(results: Results) -> str:
    """Detection: mAP in place of top-1."""
    text = _beside(results, paper.TABLE_5, [])
    return text.replace("paper's top-1 %", "paper's mAP@0.5")


def table_6(results: Results) -> str:
    """Other schemes: every row is ResNet18's, so ours stands beside it."""
    return _beside(results, paper.TABLE_6, [""])


def factors(results: Results) -> str:
    """Settings of PA (4, 5), one at a time, beside the default."""
    default = _plain(results, "short").get("pa:4,5")
    if default is None:
        return "No run has ended yet."
    rows = [["default", "", len(default.top1), default.accuracy, ""]]
    for (_, options), summary in summarise(results["runs"], "factor").items():
        difference = f"{summary.mean - default.mean:+.2f}"
        for name, value in options:
            rows.append([f"`{name}`", value, len(summary.top1), summary.accuracy, difference])
    return _table(rows, ["factor", "value", "seeds", "top-1 %", "against default"])


def post_training(results: Results) -> str:
    """Without training."""
    rows = []
    for (scheme, options), summary in summarise(results["runs"], "post-training").items():
        text = ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in options)
        rows.append([f"`{scheme}`", text, len(summary.top1), summary.accuracy, summary.gap])
    return _table(rows, ["scheme", "how", "seeds", "top-1 %", "gap"])


def trials(results: Results) -> str:
    """Held-out accuracies that learning rates were chosen by."""
    rows: dict[tuple[str, str], list[object]] = {}
    for record in results["runs"]:
        if record["trials"]:
            shown = [MISSING if top1 is None else f"{top1:.2f}" for _, top1 in record["trials"]]
            key = record["dataset"], f"`{scheme_of(record)}`"
            rows.setdefault(key, [*key, *shown, record["lr"]])
    return _table(list(rows.values()), ["data", "scheme", *map(str, RATES), "chosen"])


def failures(results: Results) -> str:
    """Runs that came to nothing."""
    rows = [[title(record), record["error"]] for record in results["failures"]]
    return _table(rows, ["run", "why"]) if rows else "None."


SECTIONS: dict[str, Callable[[Results], str]] = {
    "protocols": protocols,
    "claims": claims,
    "short": accuracies("short"),
    "long": accuracies("long"),
    "cifar": accuracies("cifar"),
    "growth": growth,
    "table 3": table_3,
    "table 4": table_4,
    "table 5": table_5,
    "table 6": table_6,
    "factors": factors,
    "post-training": post_training,
    "trials": trials,
    "failures": failures,
}

_SECTION = re.compile(r"<!-- begin ([^>]+?) -->\n.*?<!-- end \1 -->", re.DOTALL)


def fill(path: Path, results: Results, *, write: bool = True) -> bool:
    """Bring the sections of a Markdown file up to date; whether they were already.

    Parameters
    ----------
    path : path
    results : mapping
        As :func:`experiments.results.load` returns them.
    write : bool
        Whether to write what differs.

    Raises
    ------
    ValueError
        The file names a section that does not exist, or none at all.
    """

    def section(match: re.Match[str]) -> str:
        name = match[1]
        if name not in SECTIONS:
            raise ValueError(f"{path}: section must be one of {', '.join(SECTIONS)}, not {name!r}")
        return f"<!-- begin {name} -->\n\n{SECTIONS[name](results)}\n\n<!-- end {name} -->"

    before = path.read_text()
    after, count = _SECTION.subn(section, before)
    if not count:
        raise ValueError(f"{path}: has no section to fill")
    if write and after != before:
        write_whole(path, after.encode())
    return after == before
