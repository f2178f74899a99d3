// Behaviour of the 7-series cells that designs place, for simulators; never part of what is
// synthesised.

// verilator lint_save
// One file holds all of them.
// verilator lint_off DECLFILENAME

module LUT6_2 #(
    parameter [63:0] INIT = 64'h0
) (
    input I0, I1, I2, I3, I4, I5,
    output O5, O6
);
    assign O6 = INIT[{I5, I4, I3, I2, I1, I0}];
    assign O5 = INIT[{1'b0, I4, I3, I2, I1, I0}];
endmodule

module LUT6 #(
    parameter [63:0] INIT = 64'h0
) (
    input I0, I1, I2, I3, I4, I5,
    output O
);
    assign O = INIT[{I5, I4, I3, I2, I1, I0}];
endmodule

module CARRY4 (
    input CI, CYINIT,
    input [3:0] DI, S,
    output [3:0] CO, O
);
    // One of CI and CYINIT is tied to 0 in every chain.
    wire c0 = CI | CYINIT;
    wire c1 = S[0] ? c0 : DI[0];
    wire c2 = S[1] ? c1 : DI[1];
    wire c3 = S[2] ? c2 : DI[2];
    wire c4 = S[3] ? c3 : DI[3];
    assign O = S ^ {c3, c2, c1, c0};
    assign CO = {c4, c3, c2, c1};
endmodule

// verilator lint_restore
