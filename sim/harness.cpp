// Clock of the harness under Verilator.
#include "Vharness.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

#include <cstdio>
#include <memory>

int main(int argc, char** argv) {
    // The lines of the harness are a progress report: they must not wait in a buffer.
    setvbuf(stdout, nullptr, _IOLBF, 0);
    const auto context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    const auto harness = std::make_unique<Vharness>(context.get());
#if VM_TRACE
    context->traceEverOn(true);
    VerilatedVcdC trace;
    harness->trace(&trace, 99);
    trace.open("waves.vcd");
#endif
    while (!context->gotFinish()) {
        for (const int level : {0, 1}) {
            harness->clk = level;
            harness->eval();
#if VM_TRACE
            trace.dump(context->time());
#endif
            context->timeInc(5);
        }
    }
    harness->final();
#if VM_TRACE
    trace.close();
#endif
    return 0;
}
