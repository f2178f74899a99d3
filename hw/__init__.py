"""From generated Verilog to figures of a device: synthesis, logic depth, reports."""
