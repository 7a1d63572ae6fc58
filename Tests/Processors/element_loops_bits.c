// Prints a number that depends on every bit of the results of the element loops, of measures, and of sums, factors and solves of tiles, for
// Scripts/test-processors.sh: it must be the same on every processor, and for every variant of the loops.

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "element_loops.h"
#include "measure_loops.h"
#include "tile_factors.h"

static uint64_t state = 1, hash = 0xcbf29ce484222325;

static uint64_t next(void) {
  state = state * 6364136223846793005 + 1442695040888963407;
  return state ^ state >> 29;
}

static void add(const void *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3;
}

static void add_sum(double sum) { add(&sum, sizeof sum); }

enum { MOST = 300, MOST_ROWS = 64 };

// Any bits: numbers of every size, subnormal ones, infinities and NaN.
#define RUN(type, integer, suffix)                                                            \
  static void run_##suffix(int n) {                                                           \
    type x[MOST] = {0}, y[MOST];                                                              \
    for (int i = 0; i < n; i++) {                                                             \
      integer bits = (integer)next();                                                         \
      memcpy(&x[i], &bits, sizeof bits);                                                      \
      if (next() % 4) x[i] = (type)(int64_t)next() * (type)0x1p-63;                           \
      if (next() % 32 == 0) x[i] = (type)(next() % 2 ? __builtin_inf() : -__builtin_inf());   \
    }                                                                                         \
    type lower = (type)-0.25, upper = (type)0.5;                                              \
    momentum_clamp_##suffix(x, lower, upper, y, n);                                           \
    add(y, (size_t)n * sizeof *y);                                                            \
    ptrdiff_t count = momentum_clamp_counting_##suffix(x, lower, upper, y, n);                \
    add(&count, sizeof count);                                                                \
    add(y, (size_t)n * sizeof *y);                                                            \
    momentum_clear_nonfinite_##suffix(x, y, n);                                               \
    add(y, (size_t)n * sizeof *y);                                                            \
    const type largest = momentum_largest_magnitude_##suffix(x, n);                           \
    add(&largest, sizeof largest);                                                            \
    /* Sums of numbers of one size, which do not overflow. */                                 \
    for (int i = 0; i < n; i++) y[i] = (type)(int64_t)next() * (type)0x1p-63;                 \
    add_sum(momentum_wide_squares_##suffix(y, n));                                            \
    add_sum(momentum_wide_magnitudes_##suffix(y, n));                                         \
  }

RUN(float, uint32_t, float)
RUN(double, uint64_t, double)

// A symmetric matrix with so much on the diagonal that there is a factor, and as many columns to solve for.
#define FACTORIZE(type, suffix)                                                                \
  static void factorize_##suffix(int n) {                                                      \
    type a[MOST_ROWS * MOST_ROWS], x[MOST_ROWS * MOST_ROWS];                                   \
    for (int i = 0; i < n; i++) {                                                              \
      for (int j = 0; j <= i; j++) {                                                           \
        a[i * n + j] = a[j * n + i] = i == j ? (type)(4 * n) : (type)(int64_t)next() * (type)0x1p-63; \
      }                                                                                        \
    }                                                                                          \
    for (int i = 0; i < n * n; i++) x[i] = (type)(int64_t)next() * (type)0x1p-63;              \
    const int found = momentum_factorize_tile_##suffix(a, n);                                  \
    add(&found, sizeof found);                                                                 \
    add(a, (size_t)(n * n) * sizeof *a);                                                       \
    momentum_solve_tile_##suffix(a, n, x, n);                                                  \
    add(x, (size_t)(n * n) * sizeof *x);                                                       \
    momentum_combine_tiles_##suffix((type)0.3, x, (type)-1.7, a, n * n);                       \
    add(x, (size_t)(n * n) * sizeof *x);                                                       \
  }

FACTORIZE(float, float)
FACTORIZE(double, double)

int main(void) {
  for (int n = 0; n < MOST; n++) {
    run_float(n);
    run_double(n);
  }
  for (int n = 1; n <= MOST_ROWS; n++) {
    factorize_float(n);
    factorize_double(n);
  }
  printf("%016llx\n", (unsigned long long)hash);
  return 0;
}
