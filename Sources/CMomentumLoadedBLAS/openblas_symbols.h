#ifndef MOMENTUM_OPENBLAS_SYMBOLS_H
#define MOMENTUM_OPENBLAS_SYMBOLS_H

// What only OpenBLAS has. The references are weak, so that a program links and starts with any other library.
//
// That such a function exists does not say that it speaks of the BLAS that is called. LAPACK may bring an OpenBLAS along beside
// another BLAS. So a function counts only if the object that holds it also serves cblas_sdot.

#if defined(__APPLE__)
// The linker there wants to see each weak symbol in some library; the loader can be asked for any.
#include <dlfcn.h>
#define OPTIONAL
#define ADDRESS(symbol) ((__typeof__(&(symbol)))dlsym(RTLD_DEFAULT, #symbol))
#else
#define OPTIONAL __attribute__((weak))
#define ADDRESS(symbol) (&(symbol))
#endif

extern char *openblas_get_config(void) OPTIONAL;
extern char *openblas_get_corename(void) OPTIONAL;
extern int openblas_get_parallel(void) OPTIONAL;
extern int openblas_get_num_threads(void) OPTIONAL;
extern int openblas_get_num_procs(void) OPTIONAL;
// Internal, but exported by most builds that have kernels for several processors. In a static library the name of the running
// kernels is there whenever the choice is, unlike the functions above.
extern char *gotoblas_corename(void) OPTIONAL;
extern void gotoblas_dynamic_init(void) OPTIONAL;
extern void gotoblas_dynamic_quit(void) OPTIONAL;
// Whether the threads of a build with POSIX threads are running, and how many there are, the main one included.
extern int blas_server_avail OPTIONAL;
extern int blas_num_threads OPTIONAL;
// How many threads a call may use; only in a build with threads, and in every one.
extern int blas_cpu_number OPTIONAL;

// Whether an address lies in the object that serves cblas_sdot.
int momentum_is_in_blas(const void *address);

#define IS_IN_BLAS(symbol) (ADDRESS(symbol) != 0 && momentum_is_in_blas((const void *)ADDRESS(symbol)))

#endif
