// Loops of update rules that are not linear in the gradient, compiled once for each width of vectors as in element_loops.c.
//
// Each operation is rounded by itself, as IEEE 754 has it, and nothing is contracted: every variant gives the same bits.
#include "moment_loops.h"

#include "element_vectors.h"

#pragma STDC FP_CONTRACT OFF

#define LOOPS(target, scalar, suffix)                                                                                       \
  target void momentum_sign_##suffix(scalar *x, ptrdiff_t n) {                                                              \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                                         \
      scalar value = x[i], sign = (scalar)(value > 0) - (scalar)(value < 0);                                                \
      x[i] = value == value ? sign : value;                                                                                 \
    }                                                                                                                       \
  }                                                                                                                         \
  target void momentum_average_squares_##suffix(scalar decay, scalar factor, const scalar *x, scalar *y, ptrdiff_t n) {     \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                                         \
      scalar scaled = factor * x[i], kept = decay * y[i];                                                                   \
      y[i] = kept + scaled * scaled;                                                                                        \
    }                                                                                                                       \
  }                                                                                                                         \
  target void momentum_divide_by_root_##suffix(scalar epsilon, const scalar *x, scalar *y, ptrdiff_t n) {                   \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) { y[i] = y[i] / (ROOT(x[i]) + epsilon); }                       \
  }

#define LOOPS_OF_BOTH_TYPES(target, name) \
  LOOPS(target, float, float_##name)      \
  LOOPS(target, double, double_##name)

LOOPS_OF_BOTH_TYPES(, baseline)

#if defined(__x86_64__)
LOOPS_OF_BOTH_TYPES(static __attribute__((target("avx2"))), avx2)
#endif

void momentum_sign_float(float *x, ptrdiff_t n) { WIDEST(momentum_sign_float, x, n); }

void momentum_sign_double(double *x, ptrdiff_t n) { WIDEST(momentum_sign_double, x, n); }

void momentum_average_squares_float(float decay, float factor, const float *x, float *y, ptrdiff_t n) {
  WIDEST(momentum_average_squares_float, decay, factor, x, y, n);
}

void momentum_average_squares_double(double decay, double factor, const double *x, double *y, ptrdiff_t n) {
  WIDEST(momentum_average_squares_double, decay, factor, x, y, n);
}

void momentum_divide_by_root_float(float epsilon, const float *x, float *y, ptrdiff_t n) {
  WIDEST(momentum_divide_by_root_float, epsilon, x, y, n);
}

void momentum_divide_by_root_double(double epsilon, const double *x, double *y, ptrdiff_t n) {
  WIDEST(momentum_divide_by_root_double, epsilon, x, y, n);
}
