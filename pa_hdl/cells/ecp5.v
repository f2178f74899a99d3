// Behaviour of the ECP5 cells that designs place, for simulators; never part of what is synthesised.

// verilator lint_save
// One file holds all of them.
// verilator lint_off DECLFILENAME

module LUT4 #(
    parameter [15:0] INIT = 16'h0000
) (
    input A, B, C, D,
    output Z
);
    assign Z = INIT[{D, C, B, A}];
endmodule

module CCU2C #(
    parameter [15:0] INIT0 = 16'h0000,
    parameter [15:0] INIT1 = 16'h0000,
    parameter INJECT1_0 = "YES",
    parameter INJECT1_1 = "YES"
) (
    input CIN,
    input A0, B0, C0, D0,
    input A1, B1, C1, D1,
    output S0, S1, COUT
);
    // A half that injects is cut off from the carry into it, and generates none.
    localparam CHAIN0 = INJECT1_0 == "NO";
    localparam CHAIN1 = INJECT1_1 == "NO";
    wire look0 = INIT0[{D0, C0, B0, A0}];
    wire look1 = INIT1[{D1, C1, B1, A1}];
    wire carry = look0 ? CIN : CHAIN0 & INIT0[{2'b00, B0, A0}];
    assign S0 = look0 ^ (CHAIN0 & CIN);
    assign S1 = look1 ^ (CHAIN1 & carry);
    assign COUT = look1 ? carry : CHAIN1 & INIT1[{2'b00, B1, A1}];
endmodule

// verilator lint_restore
