#ifndef MOMENTUM_LAPACKE_SHIM_H
#define MOMENTUM_LAPACKE_SHIM_H

// LAPACKE's own complex types drag in <complex.h>, which Swift cannot import; no complex routine is used here.
#define LAPACK_COMPLEX_CUSTOM
#define lapack_complex_float float
#define lapack_complex_double double
#include <lapacke.h>

_Static_assert(sizeof(lapack_int) == 4, "swift-momentum needs an LP64 LAPACKE: lapack_int must be 32 bits wide");

#endif
