"""Networks on smaller images than they were made for."""

from dataclasses import replace

from pa_artifact import ArtifactError, Network, Node, validate

__all__ = ["cropped"]

_WINDOWS = ("conv8", "pa_conv", "max_pool", "avg_pool")


def cropped(network: Network, height: int, width: int) -> Network:
    """The network on images of another height and width; its tensors stay as they are.

    The rescale behind an average over the whole image still divides by the area that was, so the
    logits are not those of a trained network. Golden model and hardware agree on them all the same.

    Raises
    ------
    ArtifactError
        If a window does not fit the smaller image, or a classifier wants the whole one.
    """
    made: dict[str, Node] = {}
    for node in network.nodes:
        operands = [made[operand.name].shape_out for operand in network.inputs_of(node.name)]
        size = operands[0][1:] if operands else (height, width)
        shape_in = (node.shape_in[0], *size)
        made[node.name] = replace(
            node, shape_in=shape_in, shape_out=(node.shape_out[0], *_size_out(node, *size))
        )
    small = replace(network, nodes=tuple(made.values()))
    validate(small)
    return small


def _size_out(node: Node, height: int, width: int) -> tuple[int, int]:
    if node.kind == "global_avg_pool":
        return 1, 1
    if node.kind not in _WINDOWS:
        return height, width
    kernel = node.attributes["kernel"]
    (down, across), (top, bottom, left, right) = node.attributes["stride"], node.attributes["pad"]
    rows, columns = height + top + bottom - kernel[0], width + left + right - kernel[1]
    if rows < 0 or columns < 0:
        raise ArtifactError(
            f"{node.name}: kernel {kernel[0]}x{kernel[1]} does not fit an image of "
            f"{height}x{width}: crop less"
        )
    return rows // down + 1, columns // across + 1
