// Plain loops, compiled once for each width of vectors and chosen at run time. Swift compiles for the oldest processor of a
// platform only, which on x86-64 means vectors of 128 bits.
//
// Comparisons and copies alone, no arithmetic that rounds: every variant gives the same bits.
#include "element_loops.h"

#include <float.h>
#include <stdint.h>

#include "element_vectors.h"

#define LOOPS(target, scalar, integer, largest, suffix)                                                      \
  target void momentum_clamp_##suffix(const scalar *x, scalar lower, scalar upper, scalar *y, ptrdiff_t n) { \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                          \
      /* Comparisons with NaN are false, so NaN falls through both. */                                       \
      scalar value = x[i], raised = value < lower ? lower : value;                                           \
      y[i] = raised > upper ? upper : raised;                                                                \
    }                                                                                                        \
  }                                                                                                          \
  target ptrdiff_t momentum_clamp_counting_##suffix(                                                         \
      const scalar *x, scalar lower, scalar upper, scalar *y, ptrdiff_t n) {                                 \
    /* As wide as the elements, so that both fill the same vectors. */                                       \
    integer changed = 0;                                                                                     \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                          \
      scalar value = x[i], raised = value < lower ? lower : value;                                           \
      scalar clamped = raised > upper ? upper : raised;                                                      \
      /* One comparison, which is false for NaN. */                                                          \
      changed += __builtin_islessgreater(clamped, value);                                                    \
      y[i] = clamped;                                                                                        \
    }                                                                                                        \
    return changed;                                                                                          \
  }                                                                                                          \
  target void momentum_clear_nonfinite_##suffix(const scalar *x, scalar *y, ptrdiff_t n) {                   \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                          \
      scalar value = x[i];                                                                                   \
      y[i] = value <= largest && value >= -largest ? value : 0;                                              \
    }                                                                                                        \
  }

#define LOOPS_OF_BOTH_TYPES(target, name)              \
  LOOPS(target, float, int32_t, FLT_MAX, float_##name) \
  LOOPS(target, double, int64_t, DBL_MAX, double_##name)

LOOPS_OF_BOTH_TYPES(, baseline)

#if defined(__x86_64__)
LOOPS_OF_BOTH_TYPES(static __attribute__((target("avx2"))), avx2)
#endif

void momentum_clamp_float(const float *x, float lower, float upper, float *y, ptrdiff_t n) {
  WIDEST(momentum_clamp_float, x, lower, upper, y, n);
}

void momentum_clamp_double(const double *x, double lower, double upper, double *y, ptrdiff_t n) {
  WIDEST(momentum_clamp_double, x, lower, upper, y, n);
}

ptrdiff_t momentum_clamp_counting_float(const float *x, float lower, float upper, float *y, ptrdiff_t n) {
  return WIDEST(momentum_clamp_counting_float, x, lower, upper, y, n);
}

ptrdiff_t momentum_clamp_counting_double(const double *x, double lower, double upper, double *y, ptrdiff_t n) {
  return WIDEST(momentum_clamp_counting_double, x, lower, upper, y, n);
}

void momentum_clear_nonfinite_float(const float *x, float *y, ptrdiff_t n) { WIDEST(momentum_clear_nonfinite_float, x, y, n); }

void momentum_clear_nonfinite_double(const double *x, double *y, ptrdiff_t n) { WIDEST(momentum_clear_nonfinite_double, x, y, n); }
