#ifndef MOMENTUM_EXIT_GATE_H
#define MOMENTUM_EXIT_GATE_H

// Keeps calls of BLAS out of the end of the process. exit() runs the destructors of libraries while other threads go
// on; OpenBLAS's takes away the table of its kernels, and a thread that calls one later crashes.
//
// So calls are counted, in memory of each thread's own. Before any destructor runs, exit() closes the gate and waits
// for the calls that have begun, ten seconds at most. A thread that enters later sleeps until the process has ended; the
// thread that runs exit() may still enter, for handlers of its program that take a last step.

// Enters, from any thread, also from one that has entered already.
void momentum_exit_gate_enter(void);
// Leaves, as often as the thread has entered.
void momentum_exit_gate_leave(void);

#endif
