// Measures of elements, compiled once for each width of vectors as in element_loops.c.
#include "measure_loops.h"

#include <stdint.h>
#include <string.h>

#include "element_vectors.h"

#pragma STDC FP_CONTRACT OFF

typedef double eight_doubles __attribute__((vector_size(64)));

// The bits without the sign, as integers: their order is that of the magnitudes, with infinity above all numbers and NaN above
// infinity. So the largest is exact in any order, and no NaN is missed.
#define LARGEST(target, scalar, integer, mask, suffix)                                             \
  target scalar momentum_largest_magnitude_##suffix(const scalar *x, ptrdiff_t n) {                \
    integer largest = 0;                                                                           \
    ELEMENTWISE for (ptrdiff_t i = 0; i < n; i++) {                                                \
      integer bits;                                                                                \
      memcpy(&bits, x + i, sizeof bits);                                                           \
      bits &= mask;                                                                                \
      largest = bits > largest ? bits : largest;                                                   \
    }                                                                                              \
    scalar number;                                                                                 \
    memcpy(&number, &largest, sizeof number);                                                      \
    return number;                                                                                 \
  }

// Vectors, not an array of 32 sums: the compiler leaves an array in memory, where every addition waits for the one before to be
// stored.
#define ADD_TERMS(scalar, x, TERM)                                        \
  _Pragma("clang loop unroll(full)") for (int j = 0; j < 4; j++) {        \
    typedef scalar eight __attribute__((vector_size(8 * sizeof(scalar)))); \
    eight read;                                                           \
    memcpy(&read, (x) + 8 * j, sizeof read);                              \
    const eight_doubles wide = __builtin_convertvector(read, eight_doubles); \
    lanes[j] += TERM(wide);                                               \
  }

#define SUM(target, scalar, name, TERM)                                        \
  target double momentum_wide_##name(const scalar *x, ptrdiff_t n) {           \
    eight_doubles lanes[4] = {{0}, {0}, {0}, {0}};                             \
    ptrdiff_t i = 0;                                                           \
    for (; i + 32 <= n; i += 32) { ADD_TERMS(scalar, x + i, TERM) }            \
    if (i < n) {                                                               \
      scalar rest[32] = {0};                                                   \
      memcpy(rest, x + i, (size_t)(n - i) * sizeof *rest);                     \
      ADD_TERMS(scalar, rest, TERM)                                            \
    }                                                                          \
    const eight_doubles eight = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]); \
    const double first = (eight[0] + eight[4]) + (eight[2] + eight[6]);        \
    const double second = (eight[1] + eight[5]) + (eight[3] + eight[7]);       \
    return first + second;                                                     \
  }

typedef int64_t eight_words __attribute__((vector_size(64)));
#define SQUARE(x) ((x) * (x))
#define MAGNITUDE(x) ((eight_doubles)((eight_words)(x) & INT64_MAX))

#define LOOPS(target, name)                                       \
  LARGEST(target, float, int32_t, INT32_MAX, float_##name)        \
  LARGEST(target, double, int64_t, INT64_MAX, double_##name)      \
  SUM(target, float, squares_float_##name, SQUARE)                \
  SUM(target, double, squares_double_##name, SQUARE)              \
  SUM(target, float, magnitudes_float_##name, MAGNITUDE)          \
  SUM(target, double, magnitudes_double_##name, MAGNITUDE)

LOOPS(, baseline)

#if defined(__x86_64__)
LOOPS(static __attribute__((target("avx2"))), avx2)
#endif

float momentum_largest_magnitude_float(const float *x, ptrdiff_t n) { return WIDEST(momentum_largest_magnitude_float, x, n); }

double momentum_largest_magnitude_double(const double *x, ptrdiff_t n) { return WIDEST(momentum_largest_magnitude_double, x, n); }

double momentum_wide_squares_float(const float *x, ptrdiff_t n) { return WIDEST(momentum_wide_squares_float, x, n); }

double momentum_wide_squares_double(const double *x, ptrdiff_t n) { return WIDEST(momentum_wide_squares_double, x, n); }

double momentum_wide_magnitudes_float(const float *x, ptrdiff_t n) { return WIDEST(momentum_wide_magnitudes_float, x, n); }

double momentum_wide_magnitudes_double(const double *x, ptrdiff_t n) { return WIDEST(momentum_wide_magnitudes_double, x, n); }
