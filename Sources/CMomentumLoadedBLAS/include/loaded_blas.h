#ifndef MOMENTUM_LOADED_BLAS_H
#define MOMENTUM_LOADED_BLAS_H

// Which BLAS this process has loaded.

// The file that serves a function, as the loader found it; null if there is no such function, or if it cannot be known.
const char *momentum_file_of(const char *function);

// Whether the library that serves cblas_sdot is an OpenBLAS. The functions below answer for that library, and for no other
// that the process may have loaded besides.
int momentum_blas_is_openblas(void);

// The library's description of itself, and the family of processors whose kernels run; null if it does not say.
const char *momentum_openblas_config(void);
const char *momentum_openblas_core(void);
// 0 for a library without threads, 1 for POSIX threads, 2 for those of OpenMP; -1 if it does not say.
int momentum_openblas_parallel(void);
// The threads that it may use, and the processors that it sees; 0 if it does not say.
int momentum_openblas_threads(void);
int momentum_openblas_processors(void);

// The width in bits of the integers by which the library counts elements: 32 or 64. Reads three elements at most.
int momentum_blas_integer_bits(void);

#endif
