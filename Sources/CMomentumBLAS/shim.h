#ifndef MOMENTUM_BLAS_SHIM_H
#define MOMENTUM_BLAS_SHIM_H

#include <cblas.h>

// The Swift layer passes 32-bit counts. An ILP64 build of OpenBLAS would read them as garbage, so it must not compile.
_Static_assert(sizeof(blasint) == 4, "swift-momentum needs an LP64 OpenBLAS: blasint must be 32 bits wide");

#endif
