#ifndef MOMENTUM_WORK_BUFFERS_H
#define MOMENTUM_WORK_BUFFERS_H

// The memory in which a BLAS rearranges matrices.
//
// An OpenBLAS that was built without threads takes it from a list that it does not lock, unless it was built to (USE_LOCKING),
// which it does not say; Debian's was not. Two threads that multiply matrices at the same time may then get the same memory, and
// wrong numbers without a word. So calls of routines that use such memory, those of level 2 and 3 and of LAPACK, must not meet.

// Whether they must not: the BLAS or the LAPACK of this process is an OpenBLAS without threads.
int momentum_blas_shares_buffers(void);

// Enclose a call that must not meet another one. A fork waits for its end, as it would leave the child's list half written.
void momentum_take_buffers(void);
void momentum_leave_buffers(void);

#endif
