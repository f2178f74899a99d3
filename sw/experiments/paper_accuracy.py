"""Tables 3 to 6 as "Towards Lossless Binary Convolutional Neural Networks Using Piecewise
Approximation" (Zhu, Al-Ars, Pan) prints them: accuracies on ImageNet and VOC, in per cent."""

from dataclasses import dataclass

__all__ = ["TABLE_3", "TABLE_4", "TABLE_5", "TABLE_6", "Row"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: what the paper calls it, our name of its scheme if there is one, and its accuracy.

    ``score`` is top-1, or mAP@0.5 in Table 5; ``top5`` is None where the table has none.
    """

    model: str
    scheme: str | None
    score: float
    top5: float | None = None


def _rows(model: str, *rows: tuple[str, str, float, float]) -> tuple[Row, ...]:
    return tuple(
        Row(model=f"{kind}{model}", scheme=scheme, score=score, top5=top5)
        for kind, scheme, score, top5 in rows
    )


# Each block ends with the full precision that its gaps are to.
TABLE_3 = (
    _rows(
        "ResNet18",
        ("ABC-", "abc:5,full", 68.3, 87.9),
        ("PA-", "pa:4,full", 68.4, 88.3),
        ("PA-", "pa:8,full", 69.3, 88.9),
        ("ABC-", "abc:5,5", 65.0, 85.9),
        ("PA-", "pa:4,5", 66.6, 87.1),
        ("PA-", "pa:8,7", 68.1, 88.1),
        ("", "full", 69.3, 89.2),
    ),
    _rows(
        "ResNet34",
        ("ABC-", "abc:5,5", 68.4, 88.2),
        ("PA-", "pa:4,5", 70.1, 89.2),
        ("PA-", "pa:8,7", 71.5, 90.0),
        ("", "full", 73.3, 91.3),
    ),
    _rows(
        "ResNet50",
        ("ABC-", "abc:5,5", 70.1, 89.7),
        ("PA-", "pa:4,5", 73.0, 91.0),
        ("PA-", "pa:8,7", 74.3, 91.9),
        ("", "full", 76.1, 92.8),
    ),
)
TABLE_4 = (
    _rows("DenseNet121", ("PA-", "pa:8,6", 72.3, 90.8), ("", "full", 75.0, 92.3)),
    _rows("1.0 MobileNet-224", ("PA-", "pa:8,7", 69.0, 88.4), ("", "full", 70.6, 89.9)),
)
TABLE_5 = (
    (
        Row(model="SSD300, ResNet50", scheme="pa:4,full", score=72.53),
        Row(model="SSD300, ResNet50", scheme="pa:4,5", score=58.60),
        Row(model="SSD300, ResNet50", scheme="full", score=74.35),
    ),
)
# Schemes without a name here are not implemented.
TABLE_6 = (
    (
        Row(model="BWN", scheme="bwn", score=60.8, top5=83.0),
        Row(model="XNOR-Net", scheme="xnor", score=51.2, top5=73.2),
        Row(model="Bi-Real Net", scheme="bireal", score=56.4, top5=79.5),
        Row(model="ABC-Net (M = 5, N = 5)", scheme="abc:5,5", score=65.0, top5=85.9),
        Row(model="Group-Net (5 bases)", scheme=None, score=64.8, top5=85.7),
        Row(model="DoReFa-Net", scheme="dorefa:2,2", score=62.6, top5=84.4),
        Row(model="SYQ", scheme=None, score=62.9, top5=84.6),
        Row(model="LQ-Net", scheme=None, score=64.9, top5=85.9),
        Row(model="PA-Net (M = 8, N = 7)", scheme="pa:8,7", score=68.1, top5=88.0),
        Row(model="PA-Net (M = 8)", scheme="pa:8,full", score=69.3, top5=88.9),
        Row(model="Full Precision", scheme="full", score=69.3, top5=89.2),
    ),
)
