// The imagined block RAM that brams.txt maps memories to, as a black box.
(* blackbox *)
module GENERIC_BRAM #(
    parameter [36863:0] INIT = 0
) (
    input R_CLK,
    input R_EN,
    input [8:0] R_ADDR,
    output [71:0] R_DATA,
    input W_CLK,
    input W_EN,
    input [8:0] W_ADDR,
    input [71:0] W_DATA
);
endmodule
