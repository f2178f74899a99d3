# amaranth: UnusedElaboratable=no
"""Ports and packing of the top level."""

import pytest
from amaranth.hdl import Module, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from pa_hdl.axi import AxiEngine, byte_padded
from pa_hdl.config import EngineConfig
from pa_hdl.emit import ports_of
from pa_hdl.parameters import pack


@pytest.mark.parametrize(("bits", "padded"), [(0, 8), (1, 8), (8, 8), (9, 16), (51, 56)])
def test_beats_are_padded_to_bytes(bits, padded):
    assert byte_padded(bits) == padded


class Echo(wiring.Component):
    """Stands for an engine: inverts each lane."""

    def __init__(self, config):
        self.config = config
        self.module_key = config
        self.module_name = "engine"
        lanes = data.ArrayLayout(config.act_bits, config.simd)
        accs = data.ArrayLayout(signed(config.acc_bits), config.pe)
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"data": lanes, "last": 1}))),
                "o": Out(stream.Signature(data.StructLayout({"data": accs, "last": 1}))),
                "frame_short": Out(1),
                "frame_long": Out(1),
                **(
                    {
                        "cfg": In(stream.Signature(data.StructLayout({"data": 32, "last": 1}))),
                        "cfg_loaded": Out(1),
                        "cfg_error": Out(1),
                    }
                    if config.loadable
                    else {}
                ),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.p.last.eq(self.i.p.last),
            self.frame_short.eq(1),
        ]
        m.d.comb += [
            self.o.p.data[lane].eq(-1 - self.i.p.data[lane]) for lane in range(self.config.pe)
        ]
        if self.config.loadable:
            m.d.comb += [
                self.cfg.ready.eq(1),
                self.cfg_loaded.eq(self.cfg.valid & self.cfg.p.last),
                self.cfg_error.eq(self.cfg.valid & self.cfg.p.data[31]),
            ]
        return m


def config_of(**options):
    base = {"in_channels": 3, "out_channels": 3, "height": 4, "width": 4, "m": 4, "n": 5}
    return EngineConfig(**(base | {"simd": 3, "pe": 3, "act_bits": 5} | options))


def test_ports_have_the_usual_names():
    config = config_of()
    widths = {name: len(value) for name, _flow, value in ports_of(AxiEngine(Echo(config)))}
    assert widths == {
        "s_axis_tdata": 16,
        "s_axis_tvalid": 1,
        "s_axis_tready": 1,
        "s_axis_tlast": 1,
        "m_axis_tdata": byte_padded(3 * config.acc_bits),
        "m_axis_tvalid": 1,
        "m_axis_tready": 1,
        "m_axis_tlast": 1,
        "frame_short": 1,
        "frame_long": 1,
        "s_axis_cfg_tdata": 32,
        "s_axis_cfg_tvalid": 1,
        "s_axis_cfg_tready": 1,
        "s_axis_cfg_tlast": 1,
        "cfg_loaded": 1,
        "cfg_error": 1,
    }
    baked = {name for name, _flow, _value in ports_of(AxiEngine(Echo(config_of(loadable=False))))}
    assert baked == {name for name in widths if "cfg" not in name}


def test_lanes_least_significant_first_without_gaps():
    config = config_of()
    dut = AxiEngine(Echo(config))
    lanes = (3, 17, 30)
    seen = []

    async def check(ctx):
        padding = 1 << 15
        ctx.set(dut.s_axis_tdata, pack(lanes, config.act_bits) | padding)
        ctx.set(dut.s_axis_tlast, 1)
        ctx.set(dut.s_axis_tvalid, 1)
        assert ctx.get(dut.s_axis_tready) == 0
        ctx.set(dut.m_axis_tready, 1)
        assert ctx.get(dut.s_axis_tready) == 1
        assert ctx.get(dut.m_axis_tvalid) == 1
        assert ctx.get(dut.frame_short) == 1
        assert ctx.get(dut.frame_long) == 0
        ctx.set(dut.s_axis_cfg_tdata, 1 << 31)
        assert ctx.get(dut.s_axis_cfg_tready) == 1
        ctx.set(dut.s_axis_cfg_tvalid, 1)
        assert (ctx.get(dut.cfg_loaded), ctx.get(dut.cfg_error)) == (0, 1)
        ctx.set(dut.s_axis_cfg_tlast, 1)
        assert (ctx.get(dut.cfg_loaded), ctx.get(dut.cfg_error)) == (1, 1)
        seen.append((ctx.get(dut.m_axis_tdata), ctx.get(dut.m_axis_tlast)))

    simulator = Simulator(dut)
    simulator.add_testbench(check)
    simulator.run()
    assert seen == [(pack([~lane for lane in lanes], config.acc_bits), 1)]
