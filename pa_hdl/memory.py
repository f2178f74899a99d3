"""Memories with one registered read port, shaped so that synthesis infers block RAM."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

if TYPE_CHECKING:
    from pa_hdl.emit import ModuleLibrary

__all__ = ["Ram"]


class Ram(wiring.Component):
    """Words read :attr:`latency` cycles after their address, one read and one write every cycle.

    The word read in a cycle that writes the same address is undefined, and so is one outside the
    depth. Contents given with ``init`` go into ``MODULE.mem`` beside the Verilog, or into the
    Verilog itself when the library asks for it.

    Parameters
    ----------
    depth : :class:`int`
        Words, at least 1.
    width : :class:`int`
        Bits of a word, at least 1.
    init : iterable of :class:`int`, optional
        Contents at power-up, unsigned, at most ``depth`` words; the others are 0.
    writable : :class:`bool`
        Whether there is a write port.
    latency : :class:`int`
        1, or 2 for a second register behind the first. Block RAMs hold that one too, and are
        several times faster with it.
    name : :class:`str`
        What the memory holds, in a word: names its module and its file.

    Members
    -------
    read_addr, read_data : the read port, always enabled
    write_en, write_addr, write_data : the write port, when ``writable``
    """

    def __init__(
        self,
        *,
        depth: int,
        width: int,
        init: Iterable[int] | None = None,
        writable: bool = False,
        latency: int = 1,
        name: str,
    ) -> None:
        for label, value in (("depth", depth), ("width", width)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"Memory {label} must be an integer, not {value!r}")
            if value < 1:
                raise ValueError(f"Memory {label} must be at least 1, not {value!r}")
        if latency not in (1, 2) or isinstance(latency, bool):
            raise ValueError(f"Memory latency must be 1 or 2, not {latency!r}")
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"Memory name must be an identifier, not {name!r}")
        self.depth = depth
        self.width = width
        self.init = None if init is None else tuple(map(int, init))
        self.writable = bool(writable)
        self.latency = latency
        self.name = name
        if self.init is None and not self.writable:
            raise ValueError(f"Memory {name!r} is read-only and needs contents, not {init!r}")
        self._check_contents()
        addr = unsigned(max(1, (depth - 1).bit_length()))
        members: dict[str, Any] = {"read_addr": In(addr), "read_data": Out(width)}
        if self.writable:
            members |= {"write_en": In(1), "write_addr": In(addr), "write_data": In(width)}
        super().__init__(members)

    def _check_contents(self) -> None:
        contents = self.init or ()
        if len(contents) > self.depth:
            raise ValueError(
                f"Memory {self.name!r} holds {self.depth} words, not {len(contents)!r}"
            )
        for word in (min(contents, default=0), max(contents, default=0)):
            if not 0 <= word < 1 << self.width:
                raise ValueError(
                    f"Word of memory {self.name!r} must fit {self.width} bits, not {word!r}"
                )

    @property
    def module_key(self) -> tuple[Any, ...]:
        return (self.depth, self.width, self.init, self.writable, self.latency, self.name)

    @property
    def module_name(self) -> str:
        return self.name

    def model(self, address: int) -> int:
        """The word at ``address`` as long as nothing was written."""
        contents = self.init or ()
        return contents[address] if address < len(contents) else 0

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.memory = mem = memory.Memory(
            shape=unsigned(self.width), depth=self.depth, init=self.init or ()
        )
        read = mem.read_port()
        m.d.comb += read.addr.eq(self.read_addr)
        word = read.data
        if self.latency == 2:
            word = Signal(self.width, name="word", reset_less=True)
            m.d.sync += word.eq(read.data)
        m.d.comb += self.read_data.eq(word)
        if self.writable:
            write = mem.write_port()
            m.d.comb += [
                write.addr.eq(self.write_addr),
                write.data.eq(self.write_data),
                write.en.eq(self.write_en),
            ]
        return m

    def as_verilog(self, library: ModuleLibrary, name: str) -> str:
        """The leaf module ``name``; its contents go to ``library.memories`` unless inlined."""
        span = "" if self.width == 1 else f"[{self.width - 1}:0] "
        bits = len(self.read_addr)
        addr = "" if bits == 1 else f"[{bits - 1}:0] "
        write = ", write_en, write_addr, write_data" if self.writable else ""
        read = "words[read_addr]"
        delay = "one cycle" if self.latency == 1 else "two cycles"
        lines = [
            f"// {self.depth} words of {self.width} bits; a word follows its address by {delay}.",
            f"module {name}(clk, read_addr, read_data{write});",
            "  input clk;",
            f"  input {addr}read_addr;",
            f"  output {span}read_data;",
            f"  reg {span}read_data;",
        ]
        if self.writable:
            lines += ["  input write_en;", f"  input {addr}write_addr;"]
            lines += [f"  input {span}write_data;"]
        lines += [f"  reg {span}words [0:{self.depth - 1}];"]
        if self.latency == 2:
            lines += [f"  reg {span}word;"]
        if self.init is not None:
            lines += self._contents(library, name)
        lines += ["  always @(posedge clk) begin"]
        if self.latency == 2:
            lines += [f"    word <= {read};"]
            read = "word"
        lines += [f"    read_data <= {read};"]
        if self.writable:
            lines += ["    if (write_en)", "      words[write_addr] <= write_data;"]
        return "\n".join([*lines, "  end", "endmodule", ""])

    def _contents(self, library: ModuleLibrary, name: str) -> list[str]:
        digits = -(-self.width // 4)
        contents = self.init or ()
        words = [f"{word:0{digits}x}" for word in contents]
        words += ["0" * digits] * (self.depth - len(contents))
        if not library.inline_memories:
            library.memories[f"{name}.mem"] = "\n".join([*words, ""])
            return [f'  initial $readmemh("{name}.mem", words);']
        fills = [f"    words[{at}] = {self.width}'h{word};" for at, word in enumerate(words)]
        return ["  initial begin", *fills, "  end"]
