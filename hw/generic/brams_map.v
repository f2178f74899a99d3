// From the cell that memory_libmap places to GENERIC_BRAM.
module $__GENERIC_BRAM_ (
    input PORT_R_CLK,
    input PORT_R_RD_EN,
    input [8:0] PORT_R_ADDR,
    output [71:0] PORT_R_RD_DATA,
    input PORT_W_CLK,
    input PORT_W_WR_EN,
    input [8:0] PORT_W_ADDR,
    input [71:0] PORT_W_WR_DATA
);
  parameter [36863:0] INIT = 0;
  GENERIC_BRAM #(
      .INIT(INIT)
  ) _TECHMAP_REPLACE_ (
      .R_CLK (PORT_R_CLK),
      .R_EN  (PORT_R_RD_EN),
      .R_ADDR(PORT_R_ADDR),
      .R_DATA(PORT_R_RD_DATA),
      .W_CLK (PORT_W_CLK),
      .W_EN  (PORT_W_WR_EN),
      .W_ADDR(PORT_W_ADDR),
      .W_DATA(PORT_W_WR_DATA)
  );
endmodule
