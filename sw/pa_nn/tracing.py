"""Read what a PyTorch module computes: operations of one spelling, whatever the module's own.

:func:`trace` follows a module's forward once, symbolically, and returns the operations between its
image and its logits.  What no operation here stands for is refused by its path.
"""

import operator
from typing import Any

from torch import fx, nn

from pa_nn.conversion import evaluating
from pa_nn.layers import PALayer
from pa_nn.operations import Operation, UnsupportedError
from pa_nn.spelling import FUNCTIONS, MODULES, Handler, Value, argument, path_of

__all__ = ["trace"]


def trace(model: nn.Module) -> tuple[Operation, ...]:
    """The operations of ``model`` in evaluation mode that lead to its logits, producers first.

    The last one is the ``output``.  Raises :class:`UnsupportedError` with the path of the module,
    what it does and what is supported.
    """
    try:
        with evaluating(model):
            graph = _Tracer().trace(model)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UnsupportedError(
            type(model).__name__, f"a forward that torch.fx cannot trace ({reason})"
        ) from error
    return _Reader(model, graph).needed()


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, PALayer) or super().is_leaf_module(m, module_qualified_name)

    def to_bool(self, obj: fx.Proxy) -> bool:
        # Models ask this before they save memory by checkpointing, which changes no value.
        if obj.node.target is getattr and obj.node.args[1] == "requires_grad":
            return False
        return super().to_bool(obj)


class _Reader:
    """Turns the nodes of a graph into operations."""

    def __init__(self, model: nn.Module, graph: fx.Graph) -> None:
        self.modules: dict[str, Any] = dict(model.named_modules())
        self.graph = graph
        self.values: dict[Any, Value] = {}
        self.operations: list[Operation] = []
        self.names: set[str] = set()

    def needed(self) -> tuple[Operation, ...]:
        """The operations that the logits need, in order of execution."""
        waiting, needed = [self._output()], set()
        while waiting:
            operation = waiting.pop()
            if operation not in needed:
                needed.add(operation)
                waiting.extend(operation.inputs)
        return tuple(operation for operation in self.operations if operation in needed)

    def _output(self) -> Operation:
        for node in self.graph.nodes:
            if node.op == "output":
                break
            try:
                value = self._handler(node)(self, node)
            except UnsupportedError as error:
                # It may turn out that nothing needs it, unless it changes what others need.
                if self._in_place(node):
                    raise
                value = error
            if self._in_place(node):
                self._replace(self.values.get(argument(node, 0, "input")), value)
            self.values[node] = value
        result = node.args[0]
        ending = self.values[result] if isinstance(result, fx.Node) else None
        if isinstance(ending, UnsupportedError):
            raise ending
        if not isinstance(ending, Operation) or not ending.flat:
            raise UnsupportedError(
                "output", "a model that ends otherwise", "logits of (batch, classes)"
            )
        return self.make(node, "output", ending)

    def _in_place(self, node: fx.Node) -> bool:
        """Whether ``node`` changes its first operand."""
        if node.op == "call_module":
            return bool(getattr(self.module(node), "inplace", False))
        if node.op == "call_method":
            return str(node.target).endswith("_") and not str(node.target).endswith("__")
        return node.target in (operator.iadd, operator.setitem) or (
            node.kwargs.get("inplace", False) is True
        )

    def _replace(self, old: Value | None, new: Value) -> None:
        for node, value in self.values.items():
            if value is old:
                self.values[node] = new

    def module(self, node: fx.Node) -> Any:
        return self.modules[str(node.target)]

    def _handler(self, node: fx.Node) -> Handler:
        if node.op == "placeholder":
            return _placeholder
        if node.op == "call_module":
            for kinds, handler in MODULES:
                if isinstance(self.module(node), kinds):
                    return handler
        elif node.op in ("call_function", "call_method"):
            for targets, handler in FUNCTIONS:
                if node.target in targets:
                    return handler
        return _Reader.unsupported

    def unsupported(self, node: fx.Node) -> Value:
        if node.op == "call_module":
            what = type(self.module(node)).__name__
        else:
            what = getattr(node.target, "__name__", str(node.target))
        raise UnsupportedError(path_of(node), what)

    def operand(self, node: fx.Node, *, flat: bool | None = False) -> Operation:
        """The first operand, which must (not) be flat if ``flat`` says so."""
        return self.as_operation(node, argument(node, 0, "input"), flat=flat)

    def as_operation(self, node: fx.Node, value: Any, *, flat: bool | None) -> Operation:
        operand = self.values.get(value) if isinstance(value, fx.Node) else None
        if isinstance(operand, UnsupportedError):
            raise operand
        if not isinstance(operand, Operation):
            raise UnsupportedError(path_of(node), f"the operand {value!r}", "activations")
        if flat is not None and operand.flat != flat:
            what = "flattened activations" if operand.flat else "images that are not flattened"
            raise UnsupportedError(path_of(node), f"this operation on {what} ({operand.name})")
        return operand

    def make(self, node: fx.Node, kind: str, *inputs: Operation, **fields: Any) -> Operation:
        fields.setdefault("flat", bool(inputs) and inputs[0].flat)
        operation = Operation(
            kind=kind, path=path_of(node), name=self._name(node, kind), inputs=inputs, **fields
        )
        self.operations.append(operation)
        return operation

    def _name(self, node: fx.Node, kind: str) -> str:
        """A name for an operation: its module's, or that of the module that calls it."""
        path = path_of(node)
        if node.op == "call_module" and kind in ("conv", "linear", "norm"):
            return path
        label = "pool" if kind.endswith("_pool") else kind
        name = path if node.op == "call_module" or path == node.name else f"{path}.{label}"
        if name in self.names:
            name = f"{path}.{node.name}"
        self.names.add(name)
        return name


def _placeholder(reader: _Reader, node: fx.Node) -> Value:
    if reader.operations:
        raise UnsupportedError(node.name, "a second input", "one image tensor")
    return reader.make(node, "input")
