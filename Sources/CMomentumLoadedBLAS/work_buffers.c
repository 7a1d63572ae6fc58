#include "work_buffers.h"

#include <pthread.h>

#include "openblas_symbols.h"

// Of whichever OpenBLAS is there: one that serves LAPACK beside another BLAS counts, too.
int momentum_blas_shares_buffers(void) {
  if (ADDRESS(openblas_get_parallel)) return ADDRESS(openblas_get_parallel)() == 0;
  // A static library brings only what is called. With threads that includes their number.
  return ADDRESS(gotoblas_corename) && !ADDRESS(blas_cpu_number);
}

static pthread_mutex_t buffers = PTHREAD_MUTEX_INITIALIZER;

void momentum_take_buffers(void) { pthread_mutex_lock(&buffers); }
void momentum_leave_buffers(void) { pthread_mutex_unlock(&buffers); }

__attribute__((constructor)) static void keep_together_in_a_fork(void) {
  pthread_atfork(momentum_take_buffers, momentum_leave_buffers, momentum_leave_buffers);
}
