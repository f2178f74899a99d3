"""Records of the same scheme, taken together over their seeds."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from experiments.results import Record, scheme_of

__all__ = ["Summary", "summarise"]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Top-1 and gap to full precision of the runs of one scheme.

    >>> both = Summary(top1=(91.0, 91.5), gaps=(2.0, 1.5), rates=(0.01, 0.03))
    >>> both.accuracy, both.gap
    ('91.25 ± 0.25', '1.75 ± 0.25')
    >>> Summary(top1=(91.0,), gaps=(2.0,), rates=(None,)).accuracy
    '91.00'
    """

    top1: tuple[float, ...]
    gaps: tuple[float, ...]
    rates: tuple[float | None, ...]

    @staticmethod
    def _text(values: tuple[float, ...]) -> str:
        mean = f"{fmean(values):.2f}"
        return f"{mean} ± {(max(values) - min(values)) / 2:.2f}" if len(values) > 1 else mean

    @property
    def accuracy(self) -> str:
        """Mean, and half of the spread where there are several seeds."""
        return self._text(self.top1)

    @property
    def gap(self) -> str:
        """Percentage points below full precision."""
        return self._text(self.gaps)

    @property
    def mean(self) -> float:
        """Mean top-1."""
        return fmean(self.top1)

    @property
    def mean_gap(self) -> float:
        """Mean gap."""
        return fmean(self.gaps)


def _key(record: Record) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    options = tuple(sorted((name, str(v)) for name, v in (record["options"] or {}).items()))
    phi = () if record["phi_bits"] is None else (("phi bits", str(record["phi_bits"])),)
    return record["protocol"], scheme_of(record), (*options, *phi)


def summarise(
    records: Iterable[Record], protocol: str
) -> dict[tuple[str, tuple[tuple[str, str], ...]], Summary]:
    """Summaries of a protocol's records by scheme and options, in the order of first appearance."""
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Record]] = {}
    for record in records:
        name, scheme, options = _key(record)
        if name == protocol:
            groups.setdefault((scheme, options), []).append(record)
    return {
        key: Summary(
            top1=tuple(record["top1"] for record in group),
            gaps=tuple(record["full_precision_top1"] - record["top1"] for record in group),
            rates=tuple(record["lr"] for record in group),
        )
        for key, group in groups.items()
    }
